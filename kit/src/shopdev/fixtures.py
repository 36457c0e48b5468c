"""pytest fixtures, found by every test through the entry point `pytest11`."""

import gc
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import MongoClient

from shopdev.loops import Loop
from shopdev.mongod import Mongod, MongodUnavailable
from shopdev.people import People


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], Loop]]:
    """Every test that waits for something runs on such a loop."""
    return {"selector": Loop}


def pytest_configure() -> None:
    """No test speaks TLS, yet each process and client would read the certificates of all the world's authorities.

    That takes longer than most tests. This is one certificate, ended long ago, whose key nobody has.
    """
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("nobody.pem"))


def pytest_collection_finish() -> None:
    """What collecting made stays to the end: the collector of garbage need not look at it again and again."""
    gc.freeze()


def require(part: str, reason: str) -> None:
    """Skips the test because `part` cannot be had; fails it where REQUIRE (as in CI) names the part."""
    if part in os.environ.get("REQUIRE", "").split(","):
        pytest.fail(f"{part} is required here: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a MongoDB: $MONGODB_URL, or one started for this run."""
    if given := os.environ.get("MONGODB_URL"):
        yield given
        return
    server = Mongod(tmp_path_factory.mktemp("mongod"))
    try:
        url = server.start()
    except MongodUnavailable as error:
        require("mongo", str(error))
        return
    yield url
    server.stop()


@pytest.fixture
def mongo_url(mongo_server: str) -> Iterator[str]:
    """A MongoDB database of this test's own."""
    name = f"test_{uuid4().hex}"
    address, _, options = mongo_server.partition("/?")
    yield f"{address.rstrip('/')}/{name}" + (f"?{options}" if options else "")
    client: MongoClient[dict[str, object]] = MongoClient(mongo_server)
    with client:
        client.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file of this test's own."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(params=["sqlite", "mongo"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Every kind of store in turn: a test that takes this holds for all of them."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def people() -> AsyncIterator[People]:
    """Callers with tokens, and the address of their keys."""
    async with People() as found:
        yield found
