"""How long `trolley up` takes until all is ready, and in how much memory."""

import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Start
from bench.processes import memory
from bench.server import Broken

STOP_SECONDS = 30


def starts(store: str, folder: Path, first_port: int) -> list[Start]:
    """On a fresh data folder, with the sample, and again on the same; on all cores, as people do."""
    return [_start(store, folder, first_port, is_first=is_first) for is_first in (True, False)]


def _start(store: str, folder: Path, first_port: int, *, is_first: bool) -> Start:
    command = [sys.executable, "-m", "trolley", "up", "--data", str(folder), "--store", store]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--first-port", str(first_port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said = []
        for line in process.stdout or ():
            said.append(line)
            if line.startswith("Trolley is ready"):
                return Start(store, is_first, time.monotonic() - began, *memory(process.pid))
        raise Broken("trolley up ended before it was ready:\n" + "".join(said[-20:]))
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)
