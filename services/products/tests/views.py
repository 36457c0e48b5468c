"""What the tests of the read view share: a service with a view of its own, and the command that compares it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from shopdev.clients import Process
from shopdev.people import People

SAME = "the view and the store are the same.\n"


def service(store_url: str, home: Path, people: People, **more: str) -> Process:
    """A service, not started yet, whose view lives in the folder `home`."""
    environment = {"STORE_URL": store_url, "VIEW_DIR": str(home), "USERS_URL": people.url}
    return Process("products", **environment | more)


@asynccontextmanager
async def running(store_url: str, home: Path, people: People) -> AsyncIterator[httpx.AsyncClient]:
    """A member of staff at such a service."""
    async with service(store_url, home, people) as started, staff_at(started, people) as client:
        yield client


def staff_at(started: Process, people: People) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=started.url, headers=people.bearer("staff-1", "staff"), timeout=20)


def verify(store_url: str, home: Path) -> subprocess.CompletedProcess[str]:
    """`python -m products verify-view`."""
    command = [sys.executable, "-m", "products", "verify-view"]
    environment = {"STORE_URL": store_url, "VIEW_DIR": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


async def assert_same(store_url: str, home: Path) -> None:
    run = await asyncio.to_thread(verify, store_url, home)
    assert (run.returncode, run.stdout[-len(SAME) :], run.stderr) == (0, SAME, "")


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> bool:
    """Whether it comes to hold within so long."""
    for _ in range(int(seconds / 0.02)):
        if await holds():
            return True
        await asyncio.sleep(0.02)
    return False


def indexes(home: Path) -> set[str]:
    """The folders in the view's home."""
    return {path.name for path in home.iterdir() if path.is_dir()}
