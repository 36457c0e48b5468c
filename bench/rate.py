"""Load at a constant rate, by vegeta: requests are sent when they are due, answered or not those before."""

import base64
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.load import Request
from bench.machine import VEGETA
from bench.server import Broken

# What its goroutines and connections may come to.
WORKERS_MAX = 2000
TIMEOUT_SECONDS = 30
# An answer, none at all, and what a service says that cannot keep up.
SHED = (200, 0, 503)


class Answer(msgspec.Struct):
    """One answer: `timestamp` is when the request was due, `latency` is in nanoseconds; a code of 0 is none."""

    code: int
    timestamp: str
    latency: int
    error: str = ""
    headers: dict[str, list[str]] | None = None


class Times(NamedTuple):
    """Milliseconds until the answer was there; `failed` of so many had none in time, or were told 503."""

    answers: int
    p50_ms: float
    p99_ms: float
    failed: int = 0


def attack(
    requests: Sequence[Request], url: str, rate: float, seconds: float, workers: int = WORKERS_MAX
) -> list[Answer]:
    """All answers; as for `record`."""
    return answers(record(requests, url, rate, seconds, workers))


def record(requests: Sequence[Request], url: str, rate: float, seconds: float, workers: int = WORKERS_MAX) -> bytes:
    """Sends them, for `answers`: `rate` a second, or if that is 0 as many as `workers` can, each after its answer."""
    count = max(1, round(rate * seconds)) if rate else len(requests)
    with tempfile.TemporaryDirectory() as name:
        targets, results = Path(name) / "targets", Path(name) / "results"
        targets.write_bytes(b"".join(_target(one, url) for one in islice(cycle(requests), min(count, len(requests)))))
        # In requests an hour, since a rate must be whole.
        pace = f"{max(1, round(rate * 3600))}/1h" if rate else "0"
        command = [str(VEGETA), "attack", "-format=json", f"-targets={targets}", f"-rate={pace}", f"-output={results}"]
        limits = [f"-duration={seconds:.3f}s", f"-timeout={TIMEOUT_SECONDS}s", "-max-body=0"]
        limits += [f"-max-workers={workers}", f"-connections={workers}", f"-workers={min(workers, 50)}"]
        _run([*command, *limits])
        return results.read_bytes()


def answers(record: bytes) -> list[Answer]:
    """What was recorded."""
    lines = _run([str(VEGETA), "encode", "--to=json"], record).splitlines()
    return [msgspec.json.decode(line, type=Answer) for line in lines]


def times(found: Sequence[Answer]) -> Times:
    """Of the right answers; Broken if there are none, or wrong ones."""
    right = [answer for answer in found if answer.code == 200]
    wrong = [answer for answer in found if answer.code not in SHED]
    if wrong or not right:
        raise Broken(f"Of {len(found)} at a constant rate {len(right)} were answered rightly: {wrong[:1]}")
    return Times(len(found), percentile(right, 0.5), percentile(right, 0.99), len(found) - len(right))


def percentile(found: Sequence[Answer], share: float) -> float:
    """Milliseconds within which that share had been answered."""
    ordered = sorted(answer.latency for answer in found)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6


def _target(request: Request, url: str) -> bytes:
    header = {"Cart-Token": request.cart_token, "Authorization": request.authorization}
    header["Content-Type"] = "application/json" if request.body else ""
    target: dict[str, Any] = {"method": request.method, "url": url + request.path}
    target |= {"body": base64.b64encode(request.body.encode()).decode()} if request.body else {}
    target["header"] = {name: [value] for name, value in header.items() if value}
    return msgspec.json.encode(target) + b"\n"


def _run(command: list[str], given: bytes = b"") -> bytes:
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode:
        raise Broken(f"vegeta failed: {done.stderr[-500:].decode(errors='replace')}")
    return done.stdout
