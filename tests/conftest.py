"""The whole shop as processes of its own, on either store; or in containers.

SHOP_IMAGES names the images of these; or SHOP_COMPOSE a project of compose.yaml that runs already.
"""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from shopdev.clients import Process

from .images.composed import attached
from .images.containers import Container, services

PASSWORD = "correct horse battery staple"
STORES = ("sqlite", "mongo")
# Images to run the services of, e.g. localhost:5000/trolley/NAME:dev; they are on a MongoDB in a container.
IMAGES = os.environ.get("SHOP_IMAGES", "")
COMPOSE = os.environ.get("SHOP_COMPOSE", "")
KINDS = ["compose"] if COMPOSE else ["images"] if IMAGES else STORES


class Workload(Protocol):
    """A service that runs elsewhere: in a container, on a cluster."""

    def kill(self) -> None:
        """kill -9."""

    async def start(self) -> object:
        """Starts it again, and waits until it is ready."""

    def command(self, *arguments: str) -> None:
        """Runs a command of the service beside it."""


@dataclass
class Shop:
    """Clients of the three services, and what it takes to start one of them again."""

    users: httpx.Client
    products: httpx.Client
    carts: httpx.Client
    processes: Mapping[str, Process | Workload]
    # How its clients reach it.
    transport: Callable[[], httpx.BaseTransport] = httpx.HTTPTransport
    # Of each service; none of them tells the others at once what it has seen.
    replicas: int = 1
    # Within how many seconds all replicas heed `rotate-keys --now`: where there is one, at once.
    follows_seconds: float = 0

    def another(self, name: str, **headers: str) -> httpx.Client:
        """A further client of a service, which sends these headers too."""
        first: httpx.Client = getattr(self, name)
        return httpx.Client(
            base_url=first.base_url, headers={**first.headers, **headers}, timeout=20, transport=self.transport()
        )

    def restart(self, name: str) -> None:
        """Starts a service that was killed again, on its port and its store."""
        asyncio.run(self.processes[name].start())

    def command(self, name: str, *arguments: str) -> None:
        """Runs a command of a service beside it, with its settings."""
        process = self.processes[name]
        if not isinstance(process, Process):
            process.command(*arguments)
            return
        command = [sys.executable, "-m", name, *arguments]
        subprocess.run(command, env=process.environment, check=True, capture_output=True)

    def register(self, email: str | None = None) -> dict[str, Any]:
        """A new user, signed in: the answer of POST /login."""
        email = email or f"{secrets.token_hex(6)}@example.com"
        body = {"email": email, "password": PASSWORD}
        assert self.users.post("/register", json=body).status_code == 201
        signed_in: dict[str, Any] = self.users.post("/login", json=body).json()
        return signed_in

    def staff(self) -> dict[str, str]:
        """The header of a user who may change the catalogue."""
        email = self.register()["user"]["email"]
        self.command("users", "grant", email, "staff")
        answer = self.users.post("/login", json={"email": email, "password": PASSWORD})
        return bearer(answer.json())


def bearer(signed_in: dict[str, Any]) -> dict[str, str]:
    """The header that carries an access token."""
    return {"Authorization": f"Bearer {signed_in['access_token']}"}


@pytest.fixture(params=KINDS, scope="module")
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The whole shop. A test that kills a service starts it again, so that the next finds all of them."""
    with ExitStack() as stack:
        processes: Mapping[str, Process | Container]
        if request.param == "images":
            processes = stack.enter_context(services(IMAGES))
        elif request.param == "compose":
            processes = attached(COMPOSE)
        else:
            processes = on_store(request, tmp_path_factory.mktemp("shop"))

        async def start() -> None:
            await asyncio.gather(*(process.start() for process in processes.values()))

        asyncio.run(start())
        if request.param != "compose":
            for process in processes.values():
                stack.callback(process.stop)
        clients = [
            stack.enter_context(httpx.Client(base_url=process.url, timeout=20)) for process in processes.values()
        ]
        users, products, carts = clients
        yield Shop(users, products, carts, processes)


def on_store(request: pytest.FixtureRequest, folder: Path) -> dict[str, Process]:
    """The three services as processes, on the store that the test's parameter names; not started yet."""
    urls = {name: store_url(request, folder, name) for name in ("users", "products", "carts")}
    users = Process("users", STORE_URL=urls["users"])
    products = Process("products", STORE_URL=urls["products"], USERS_URL=users.url)
    carts = Process("carts", STORE_URL=urls["carts"], USERS_URL=users.url, PRODUCTS_URL=products.url)
    return {process.name: process for process in (users, products, carts)}


def store_url(request: pytest.FixtureRequest, folder: Path, name: str) -> str:
    """A database of this test's own for one service."""
    if request.param == "sqlite":
        return f"sqlite:///{folder}/{name}.db"
    server: str = request.getfixturevalue("mongo_server")
    address, _, options = server.partition("/?")
    return f"{address.rstrip('/')}/e2e_{name}_{os.getpid()}_{secrets.token_hex(4)}?{options}"
