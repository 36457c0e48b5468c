"""Load on one service, by wrk with prepared requests, bounded in connections and time."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.shop import Broken

SCRIPT = Path(__file__).with_name("load.lua")


class Request(NamedTuple):
    """One request, ready to be sent."""

    method: str
    path: str
    cart_token: str = ""
    authorization: str = ""
    body: str = ""


class Load(NamedTuple):
    """What to send: `requests` in turn. Every answer must be a 200; a sample of bodies must hold `text`."""

    requests: Sequence[Request]
    text: str


class Outcome(msgspec.Struct):
    """How it went. `wrong` answers had another status or body, `lost` requests had none."""

    answers: int
    seconds: float
    p50_ms: float
    p99_ms: float
    checked: int
    wrong: int
    lost: int
    example: str


def run(load: Load, url: str, connections: int, seconds: int) -> Outcome:
    """Sends the load for so many seconds; Broken if any answer is wrong or missing."""
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.writelines("\t".join(request) + "\n" for request in load.requests)
        file.flush()
        limits = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
        command = ["wrk", *limits, "-s", str(SCRIPT), url, "--", file.name, "200", load.text]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines or not lines[-1].startswith("{"):
        raise Broken(f"wrk failed: {done.stdout[-500:]} {done.stderr[-500:]}")
    outcome = msgspec.json.decode(lines[-1], type=Outcome)
    if outcome.wrong or outcome.lost or not outcome.checked:
        asked = json.dumps(load.requests[0]._asdict())
        raise Broken(
            f"{outcome.wrong} wrong and {outcome.lost} lost of {outcome.answers} to {asked}: {outcome.example}"
        )
    return outcome
