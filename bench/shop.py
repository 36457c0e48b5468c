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
from bench.server import SERVICES, TROLLEY, Broken, Server
from shopdev.mongod import Mongod
from shopdev.ports import free_port

ACCOUNT = {"email": "staff@bench.example", "password": "seventeen quiet kettles"}
READY_SECONDS = 60
STOP_SECONDS = 30
CALL_SECONDS = 60
# Products at once, SKUs at once, and how often a batch is tried.
BATCH, SKUS_ASKED, ATTEMPTS = 250, 100, 5
# Peers scan the whole catalogue; from less memory than it takes they would read it from the disk each time.
CACHE_GB = 1.0


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
class Shop(Server):
    """The running services of Trolley."""

    services: dict[str, Service] = field(default_factory=dict)
    # Of MongoDB, without a database.
    database_url: str = ""

    def fill(self, count: int) -> None:
        """Makes a member of staff, signs in and fills the catalogue."""
        self.call("POST", "users", "/register", 201, ACCOUNT)
        command = [sys.executable, "-m", "users", "grant", ACCOUNT["email"], "staff"]
        subprocess.run(command, env=self.services["users"].environment, check=True, capture_output=True)
        token = self.call("POST", "users", "/login", 200, ACCOUNT)["access_token"]
        self.staff = {"Authorization": f"Bearer {token}"}
        items, known = catalogue.products(count), catalogue.skus(count)
        for start in range(0, count, BATCH):
            skus = known[start : start + BATCH]
            found = self._add(items[start : start + BATCH]) or self._ids(skus)
            if len(found) != len(skus):
                raise Broken(f"{self} took {len(found)} of {len(skus)} products from {start} on.")
            self.product_ids += found

    def _add(self, items: list[dict[str, Any]]) -> list[str]:
        """Their ids; none where a busy database had not answered in time, since then some were there already."""
        for attempt in range(ATTEMPTS):
            url = self.urls["products"] + "/products/batch"
            answer = self.client.post(url, json={"items": items}, headers=self.staff)
            if answer.status_code == 503 and attempt < ATTEMPTS - 1:
                time.sleep(float(answer.headers.get("Retry-After", "1")))
                continue
            if answer.status_code != 200:
                raise Broken(f"A batch of products was refused by {self}: {answer.status_code} {answer.text[:500]}")
            results = answer.json()["results"]
            refused = [result for result in results if result["status"] not in (200, 201)]
            if refused and attempt == 0:
                raise Broken(f"Products were refused by {self}: {refused[0]}")
            return [] if attempt else [result["id"] for result in results]
        return []

    def _ids(self, skus: list[str]) -> list[str]:
        """The ids of the products that have them, in that order."""
        by_sku = dict[str, str]()
        for start in range(0, len(skus), SKUS_ASKED):
            query = "&".join(f"sku={sku}" for sku in skus[start : start + SKUS_ASKED])
            for product in self.call("GET", "products", f"/products?{query}")["items"]:
                by_sku |= {variant["sku"]: product["id"] for variant in product["variants"]}
        return [by_sku[sku] for sku in skus if sku in by_sku]


@contextmanager
def running_shop(store: str, folder: Path, core: int) -> Iterator[Shop]:
    """The shop on a store, with nothing in it yet; all services share the core, each has a database of its own."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        shop = Shop(TROLLEY, store, stack.enter_context(httpx.Client(timeout=CALL_SECONDS)))
        if store == "mongodb":
            database = Mongod(folder / "mongodb", cache_gb=CACHE_GB)
            shop.database_url = stack.enter_context(database)
            shop.database_pid = database.process.pid if database.process else None
        ports = {name: free_port() for name in SERVICES}
        addresses = {f"{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
        for name, port in ports.items():
            probes_port = free_port()
            own = {"STORE_URL": _store_url(name, folder, shop.database_url), "PORT": str(port)}
            own["PROBES_PORT"] = str(probes_port)
            service = Service(name, port, os.environ | addresses | own, folder / f"{name}.log")
            shop.services[name] = service
            shop.urls[name], shop.probes[name] = service.url, f"http://127.0.0.1:{probes_port}"
            shop.pids[name] = stack.enter_context(service.running(core)).pid
        yield shop


def _store_url(name: str, folder: Path, server: str) -> str:
    if not server:
        return f"sqlite:///{folder / name}.db"
    address, _, options = server.partition("?")
    return f"{address}trolley_{name}?{options}"
