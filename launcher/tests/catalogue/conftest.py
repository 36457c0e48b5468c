"""A shop to import into and to export from: users and products as processes of their own, and a gate before them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from aiohttp import web

from shopdev.clients import Process
from trolley.calls import Access
from trolley.staff import Staff

STAFF = {"email": "staff@trolley.example", "password": "seventeen quiet kettles"}


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, err)


class Shop:
    """Users and products as they run in earnest, a member of staff, and the command in a process of its own."""

    def __init__(self, folder: Path, users_store: str, products_store: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.users = Process("users", STORE_URL=users_store)
        self.products = Process("products", STORE_URL=products_store, USERS_URL=self.users.url)

    async def open(self) -> None:
        await asyncio.gather(self.users.start(), self.products.start())
        httpx.post(f"{self.users.url}/register", json=STAFF).raise_for_status()
        command = [sys.executable, "-m", "users", "grant", STAFF["email"], "staff"]
        subprocess.run(command, env=self.users.environment, check=True, capture_output=True)
        (self.data / "staff.json").write_text(json.dumps(STAFF))

    @property
    def access(self) -> Access:
        return Access(products_url=self.products.url, users_url=self.users.url, staff=Staff(**STAFF))

    def begin(self, *arguments: str | Path, url: str = "", **environment: str) -> subprocess.Popen[str]:
        """`trolley ARGUMENTS` on this shop."""
        where = ["--url", url or self.products.url]
        if arguments[0] == "import":
            where += ["--users-url", self.users.url, "--data", str(self.data)]
        return subprocess.Popen(
            [sys.executable, "-m", "trolley", str(arguments[0]), *where, *map(str, arguments[1:])],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def trolley(self, *arguments: str | Path, url: str = "", **environment: str) -> Ended:
        return ended(self.begin(*arguments, url=url, **environment))

    def line(self) -> int:
        """How far the import is, by its state."""
        for path in (self.data / "imports").glob("*.json"):
            with suppress(FileNotFoundError):
                found: int = json.loads(path.read_text())["line"]
                return found
        return 0

    def products_by_sku(self, *skus: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.products.url}/products", params=[("sku", sku) for sku in skus]).json()
        return {product["variants"][0]["sku"]: product for product in answer["items"]}

    def everything(self) -> dict[str, Any]:
        """All products in the list, by slug."""
        found: dict[str, Any] = {}
        params: dict[str, Any] = {"limit": 100}
        while params.get("cursor", "") is not None:
            page = httpx.get(f"{self.products.url}/products", params=params).json()
            found |= {product["slug"]: product for product in page["items"]}
            params["cursor"] = page["next_cursor"]
        return found


class Gate:
    """`async with Gate(url) as gate:` passes calls on; of batches only as many as it lets, the next one waits."""

    def __init__(self, url: str) -> None:
        self._target = url
        self._left = 0
        self._more = asyncio.Event()
        self.shut = asyncio.Event()
        self.failed = asyncio.Event()

    def let(self, batches: int) -> None:
        self._left += batches
        self.shut.clear()
        self._more.set()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        while request.method == "POST" and self._left == 0:
            self._more.clear()
            self.shut.set()
            await self._more.wait()
        self._left -= request.method == "POST"
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        try:
            answer = await self._client.request(
                request.method, self._target + request.path_qs, content=body, headers=headers
            )
        except httpx.TransportError:
            self.failed.set()
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=answer.status_code, body=answer.content, content_type="application/json")

    async def __aenter__(self) -> "Gate":
        self._client = httpx.AsyncClient(timeout=30)
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._client.aclose()


@contextmanager
def opened(shop: Shop) -> Iterator[Shop]:
    with ExitStack() as stack:
        stack.callback(shop.users.stop)
        stack.callback(shop.products.stop)
        asyncio.run(shop.open())
        yield shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One shop for all tests of a module; each has SKUs of its own."""
    folder = tmp_path_factory.mktemp("shop")
    with opened(Shop(folder, f"sqlite:///{folder}/users.db", f"sqlite:///{folder}/products.db")) as running:
        yield running


@pytest.fixture
def own_shop(store_url: str, tmp_path: Path) -> Iterator[Shop]:
    """A shop of this test's own, with its products on every kind of store in turn."""
    with opened(Shop(tmp_path, f"sqlite:///{tmp_path}/users.db", store_url)) as running:
        yield running


@pytest.fixture
async def gate(shop: Shop) -> AsyncIterator[Gate]:
    """Before the products of `shop`."""
    async with Gate(shop.products.url) as found:
        yield found
