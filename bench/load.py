"""As much load as a server takes, by wrk with prepared requests, bounded in connections and time."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.server import Broken

SCRIPT = Path(__file__).with_name("load.lua")


class Request(NamedTuple):
    """One request, ready to be sent."""

    method: str
    path: str
    cart_token: str = ""
    authorization: str = ""
    body: str = ""


class Load(NamedTuple):
    """What to send: `requests` in turn; or `once` only. Every answer must be a 200; a sample must hold `text`."""

    requests: Sequence[Request]
    text: str
    once: bool = False


class Outcome(msgspec.Struct):
    """How it went. `wrong` answers had another status or body, `lost` requests had none."""

    answers: int
    seconds: float
    checked: int
    wrong: int
    lost: int
    example: str


def run(load: Load, url: str, connections: int, seconds: float) -> Outcome:
    """Sends the load for so many seconds; Broken if one is wrong. There may be no answers."""
    with (
        prepared(load.requests) as file,
        subprocess.Popen(
            wrk(load, file.name, url, connections, seconds), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        return outcome(load, process)


def prepared(requests: Sequence[Request]) -> "tempfile._TemporaryFileWrapper[str]":
    """A file of the requests, as load.lua reads it."""
    file = tempfile.NamedTemporaryFile("w", suffix=".requests")  # noqa: SIM115
    file.writelines("\t".join(request) + "\n" for request in requests)
    file.flush()
    return file


def wrk(load: Load, file: str, url: str, connections: int, seconds: float) -> list[str]:
    """The command that sends them."""
    limits = ["-t1", f"-c{connections}", f"-d{ceil(seconds)}s", "--timeout", "10s"]
    shorter = f"{seconds:.3f}" if seconds < ceil(seconds) else "inf"
    return ["wrk", *limits, "-s", str(SCRIPT), url, "--", file, load.text, "once" if load.once else "again", shorter]


def outcome(load: Load, process: subprocess.Popen[str]) -> Outcome:
    """What the command came to, once it has ended."""
    said, complained = process.communicate()
    lines = said.splitlines()
    if process.returncode != 0 or not lines or not lines[-1].startswith("{"):
        raise Broken(f"wrk failed: {said[-500:]} {complained[-500:]}")
    found = msgspec.json.decode(lines[-1], type=Outcome)
    if found.wrong or found.lost:
        asked = json.dumps(load.requests[0]._asdict())
        raise Broken(f"{found.wrong} wrong and {found.lost} lost of {found.answers} to {asked}: {found.example}")
    return found
