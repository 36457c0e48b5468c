"""The launcher as a person runs it: a process of its own, a data folder, four ports in a row."""

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import bson
import httpx
import pytest
from pymongo import MongoClient

from shopdev.fixtures import require
from shopdev.mongod import Mongod, MongodUnavailable
from shopdev.ports import free_ports

READY_SECONDS = 60
SERVICES = ("users", "products", "carts")


class Launcher:
    """`trolley up` on its own folder and ports; its output as it comes."""

    def __init__(self, data: Path, first_port: int, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "trolley",
            "up",
            "--data",
            str(data),
            "--first-port",
            str(first_port),
            "--storefront-port",
            str(first_port + 3),
            *options,
        ]
        self.data = data
        self.first_port = first_port
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def staff(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.data / "staff.json").read_text())
        return found

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.first_port + ('users', 'products', 'carts', 'storefront').index(name)}"

    def wait_ready(self) -> "Launcher":
        self.wait_for("Trolley is ready")
        return self.wait_for("Ctrl-C stops everything.")

    def wait_for(self, words: str) -> "Launcher":
        for _ in range(READY_SECONDS * 20):
            if words in self.output:
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"never said {words!r}:\n{self.output}")

    def children(self) -> dict[str, int]:
        """The process ids of the services, and of mongod, by name."""
        own = [process for process in running_processes() if process.parent == self.process.pid]
        return {
            "mongod" if "mongod" in process.command else process.command.split()[-1]: process.pid for process in own
        }

    def stop(self, number: int = signal.SIGINT) -> float:
        """Tells it to stop, as Ctrl-C does; how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        self._reader.join()
        return time.monotonic() - began

    def sign_in(self) -> dict[str, Any]:
        answer = httpx.post(f"{self.url('users')}/login", json=self.staff)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            self.lines.extend(stream)


class Process(NamedTuple):
    """One process of this machine."""

    pid: int
    parent: int
    group: int
    command: str


def running_processes() -> Iterator[Process]:
    """All of them. What has ended is left out, although it stays listed until its parent takes note."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            command = (entry / "cmdline").read_text().replace("\0", " ")
            if state != "Z":
                yield Process(int(entry.name), int(parent), int(group), command)


@pytest.fixture
def running() -> Callable[[], Iterator[Process]]:
    """Looks at all processes of this machine."""
    return running_processes


@pytest.fixture
def first_port() -> int:
    """The first of four free ports in a row."""
    return free_ports(4)


@pytest.fixture
def start(tmp_path: Path, first_port: int) -> Iterator[Any]:
    """Starts launchers on one folder, one after the other; none outlives the test."""
    started: list[Launcher] = []

    def start_one(*options: str) -> Launcher:
        started.append(Launcher(tmp_path / "data", first_port, *options))
        return started[-1]

    yield start_one
    for launcher in started:
        children = launcher.children() if launcher.process.poll() is None else {}
        if launcher.process.poll() is None:
            launcher.process.kill()
            launcher.process.wait()
        for pid in children.values():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


class Place:
    """Where a shop keeps its data: how its services, the commands and a test reach it."""

    def __init__(self, data: Path, mongodb: str = "") -> None:
        self.data = data
        self.mongodb = mongodb
        self.options = ["--data", str(data)] + (["--mongodb-url", mongodb] if mongodb else [])

    def trolley(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A command on this place."""
        command = [sys.executable, "-m", "trolley", *map(str, arguments), *self.options]
        return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)

    def kept(self, backup: Path) -> dict[str, list[Any]]:
        """What a backup holds, read without the code that restores."""
        if not self.mongodb:
            return rows({name: backup / f"{name}.db" for name in SERVICES})
        found = {}
        for path in backup.rglob("*.bson*"):
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            name = path.name.removesuffix(".gz").removesuffix(".bson")
            found[f"{path.parent.name}/{name}"] = sorted(bson.encode(each) for each in bson.decode_all(content))
        return found

    def comparable(self, records: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Without what differs by rights: the id of products' feed; limits that MongoDB has dropped since."""
        return {name: each for name, each in records.items() if name not in ("products/feed", "trolley_users/buckets")}

    def is_as_in(self, backup: Path) -> bool:
        """Whether the records are those of the backup."""
        return self.comparable(self.records()) == self.comparable(self.kept(backup))

    def beside(self, data: Path) -> "Place":
        """Another one."""
        return Place(data)

    def store_url(self, name: str) -> str:
        if not self.mongodb:
            return f"sqlite:///{self.data / name}.db"
        address, _, options = self.mongodb.partition("/?")
        return f"{address}/trolley_{name}?{options}"

    def records(self) -> dict[str, list[Any]]:
        """Every record of every table or collection, byte for byte, in an order of its own."""
        return self._documents() if self.mongodb else rows({name: self.data / f"{name}.db" for name in SERVICES})

    def _documents(self) -> dict[str, list[Any]]:
        with MongoClient[dict[str, Any]](self.mongodb) as client:
            return {
                f"trolley_{name}/{each}": sorted(
                    b"".join(client[f"trolley_{name}"][each].find_raw_batches({"_id": key["_id"]}))
                    for key in client[f"trolley_{name}"][each].find({}, {"_id": 1})
                )
                for name in SERVICES
                for each in client[f"trolley_{name}"].list_collection_names()
                # Places in limits go by themselves, seconds after they were taken.
                if each != "buckets"
            }


def rows(files: dict[str, Path]) -> dict[str, list[Any]]:
    """Every row of every table of these SQLite files."""
    found = {}
    for name, path in files.items():
        with closing(sqlite3.connect(path)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            for (table,) in tables:
                found[f"{name}/{table}"] = sorted(connection.execute(f'SELECT * FROM "{table}"').fetchall(), key=repr)
    return found


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MongoDB of this file's own, for the names of a shop's databases are what they are."""
    server = Mongod(tmp_path_factory.mktemp("backup-mongod"))
    try:
        yield server.start()
    except MongodUnavailable as error:
        require("mongo", str(error))
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", "mongo"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A shop's data on each store in turn, none yet."""
    data = tmp_path / "data"
    data.mkdir()
    if request.param == "sqlite":
        yield Place(data)
        return
    url: str = request.getfixturevalue("mongod")
    with MongoClient[dict[str, Any]](url) as client:
        for name in SERVICES:
            client.drop_database(f"trolley_{name}")
    yield Place(data, url)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Place:
    """A shop's data on SQLite, none yet."""
    data = tmp_path / "data"
    data.mkdir()
    return Place(data)


@pytest.fixture
def product() -> Callable[[int], dict[str, Any]]:
    """Makes the product of a number, as POST /products takes it."""

    def made(number: int) -> dict[str, Any]:
        price = {"amount": 100 + number, "currency": "EUR"}
        variant = {"sku": f"T-{number}", "price": price, "stock": 9}
        return {"name": f"Thing {number}", "slug": f"thing-{number}", "variants": [variant]}

    return made
