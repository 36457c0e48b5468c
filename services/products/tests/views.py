"""What the tests of the read view share: a service with a view of its own, and the command that compares it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from products import verifying
from products.stores import open_store
from products.view.home import current
from products.view.index import Index
from shopdev.clients import Process
from shopdev.people import People
from shopkit.errors import Unavailable
from shopkit.metrics import Metrics
from shopkit.values import now

from .conftest import Watch, product

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


async def assert_same(store_url: str, home: Path, count: int | None = None) -> None:
    """The same comparison, without a process for it."""
    store = open_store(store_url, Metrics("products", "test"), now)
    try:
        await store.prepare()
        compared, differences = await verifying.verify(store, home, lambda _: None)
    finally:
        await store.close()
    assert differences == {}
    assert count in (None, compared)


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


async def fill(store_url: str, count: int, watch: Watch) -> None:
    """Puts so many products into the store itself."""
    store = open_store(store_url, Metrics("products", "test"), watch)
    await store.prepare()
    for start in range(0, count, 500):
        named = (f"Number {number}" for number in range(start, min(count, start + 500)))
        assert set(await store.keep_all([product(name) for name in named])) == {None}
    await store.close()


async def has_total(client: httpx.AsyncClient, total: int) -> bool:
    answer = await client.get("/products?limit=1")
    return answer.status_code == 200 and answer.json()["total"] == total


async def index_in_use(home: Path) -> Index:
    """To be written to, as soon as the service that had it is gone."""
    folder = current(home)
    assert folder is not None
    for _ in range(200):
        with suppress(Unavailable):
            return Index(folder)
        await asyncio.sleep(0.05)
    raise AssertionError("still in use")


async def break_position(home: Path, position: str = "another 1") -> None:
    """As if the store were another one, or the feed no more what it was."""
    index = await index_in_use(home)
    index.commit(position)
    index.close()
