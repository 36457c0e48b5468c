"""The shop to be measured: its three services as processes on one core, on either store, with a filled catalogue."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench import catalogue
from shopdev.mongod import Mongod, free_port

SERVICES = ("users", "products", "carts")
STORES = ("sqlite", "mongodb")
ACCOUNT = {"email": "staff@bench.example", "password": "seventeen quiet kettles"}
READY_SECONDS = 60
STOP_SECONDS = 30
BATCH = 100


class Broken(Exception):
    """A service did not do what it must; figures of it would mean nothing."""


@dataclass
class Service:
    """One service as it runs in earnest: `python -m NAME` with settings in the environment."""

    name: str
    port: int
    environment: Mapping[str, str]
    log: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self, core: int) -> Iterator[subprocess.Popen[bytes]]:
        """The service on that core; ready, and stopped at the end."""
        command = ["taskset", "-c", str(core), sys.executable, "-m", self.name]
        with self.log.open("wb") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            self._await_ready(process)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=STOP_SECONDS)

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + READY_SECONDS
        while time.monotonic() < give_up and process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise Broken(f"{self.name} did not become ready:\n{self.log.read_text()[-2000:]}")


@dataclass
class Shop:
    """The running services, and what one needs to call them."""

    store: str
    services: dict[str, Service]
    client: httpx.Client
    pids: dict[str, int] = field(default_factory=dict)
    staff: dict[str, str] = field(default_factory=dict)
    product_ids: list[str] = field(default_factory=list)

    def call(
        self, method: str, name: str, path: str, status: int = 200, body: object = None, **headers: str
    ) -> dict[str, Any]:
        """One call outside the measurement; what it answers, Broken if the status is another."""
        sent = {header.replace("_", "-"): value for header, value in headers.items()} or self.staff
        answer = self.client.request(method, self.services[name].url + path, json=body, headers=sent)
        if answer.status_code != status:
            raise Broken(f"{method} {path} of {name} on {self.store}: {answer.status_code} {answer.text[:500]}")
        content: dict[str, Any] = answer.json()
        return content

    def fill(self, count: int) -> None:
        """Makes a member of staff, signs in and fills the catalogue."""
        self.call("POST", "users", "/register", 201, ACCOUNT)
        command = [sys.executable, "-m", "users", "grant", ACCOUNT["email"], "staff"]
        subprocess.run(command, env=self.services["users"].environment, check=True, capture_output=True)
        token = self.call("POST", "users", "/login", 200, ACCOUNT)["access_token"]
        self.staff = {"Authorization": f"Bearer {token}"}
        items = catalogue.products(count)
        for start in range(0, count, BATCH):
            answer = self.call("POST", "products", "/products/batch", 200, {"items": items[start : start + BATCH]})
            refused = [result for result in answer["results"] if result["status"] != 201]
            if refused:
                raise Broken(f"Products were refused: {refused[0]}")
            self.product_ids += [result["id"] for result in answer["results"]]


@contextmanager
def running_shop(store: str, folder: Path, core: int) -> Iterator[Shop]:
    """The shop on a store, with nothing in it yet; all services share the core, each has a database of its own."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        server = stack.enter_context(Mongod(folder / "mongodb")) if store == "mongodb" else ""
        ports = {name: free_port() for name in SERVICES}
        addresses = {f"{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
        shop = Shop(store, {}, stack.enter_context(httpx.Client(timeout=30)))
        for name, port in ports.items():
            own = {"STORE_URL": _store_url(name, folder, server), "PORT": str(port)}
            service = Service(name, port, os.environ | addresses | own, folder / f"{name}.log")
            shop.services[name] = service
            shop.pids[name] = stack.enter_context(service.running(core)).pid
        yield shop


def _store_url(name: str, folder: Path, server: str) -> str:
    if not server:
        return f"sqlite:///{folder / name}.db"
    address, _, options = server.partition("?")
    return f"{address}trolley_{name}?{options}"
