"""A peer as a process on the shop's accounts and a copy of its catalogue."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.server import Broken
from shopdev.ports import free_port

HERE = Path(__file__).parent
READY_SECONDS = 30
STOP_SECONDS = 30
COMMANDS = {
    "express": ("node", "server.js"),
    "fastapi": (str(HERE / "fastapi/.venv/bin/python"), "-m", "peer"),
}
INSTALLED = {"express": HERE / "express/node_modules", "fastapi": HERE / "fastapi/.venv"}


def missing() -> list[str]:
    """The peers that bench/peers/install.sh has not installed here."""
    return [name for name, folder in INSTALLED.items() if not folder.is_dir()]


@contextmanager
def running_peer(
    name: str, mongodb_url: str, databases: dict[str, str], log: Path, before: Sequence[str] = ()
) -> Iterator[tuple[str, int]]:
    """The peer's address and process id; ready, and stopped at the end. Broken if it does not start.

    `mongodb_url` names no database; `databases` says where "products" and "users" are, and which is the peer's "own".
    `before` is put before its command, such as `taskset -c 0`.
    """
    port = free_port()
    named = {f"{what.upper()}_DATABASE": database for what, database in databases.items()}
    settings = {"MONGODB_URL": mongodb_url, "PORT": str(port), "NODE_ENV": "production"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*before, *COMMANDS[name]],
            cwd=HERE / name,
            env=os.environ | named | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_ready(name, process, url, log)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(timeout=STOP_SECONDS)


def _await_ready(name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise Broken(f"{name} did not become ready:\n{log.read_text()[-2000:]}")
