"""The launcher as a person runs it: a process of its own, a data folder, ports in a row; and a shop to import into."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from shopdev.clients import Process
from trolley.calls import Access
from trolley.staff import Staff

READY_SECONDS = 60


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
        return f"http://127.0.0.1:{self.first_port + ('users', 'products', 'carts').index(name)}"

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


class Seen(NamedTuple):
    """One process of this machine."""

    pid: int
    parent: int
    group: int
    command: str


def running_processes() -> Iterator[Seen]:
    """All of them. What has ended is left out, although it stays listed until its parent takes note."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            command = (entry / "cmdline").read_text().replace("\0", " ")
            if state != "Z":
                yield Seen(int(entry.name), int(parent), int(group), command)


@pytest.fixture
def running() -> Callable[[], Iterator[Seen]]:
    """Looks at all processes of this machine."""
    return running_processes


@pytest.fixture
def first_port() -> int:
    """The first of three free ports in a row."""
    # Below the ports that the system gives to callers, and elsewhere for each worker of a test run.
    for port in range(20_000 + os.getpid() * 3 % 12_000, 32_700, 3):
        if all(is_free(port + step) for step in range(3)):
            return port
    raise AssertionError("no three free ports in a row")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


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

    def access(self, patience_seconds: float = 60) -> Access:
        return Access(
            products_url=self.products.url,
            users_url=self.users.url,
            staff=Staff(**STAFF),
            patience_seconds=patience_seconds,
        )

    def begin(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        """`trolley ARGUMENTS` on this shop."""
        where = ["--url", self.products.url]
        if arguments[0] == "import":
            where += ["--users-url", self.users.url, "--data", str(self.data)]
        return subprocess.Popen(
            [sys.executable, "-m", "trolley", str(arguments[0]), *where, *map(str, arguments[1:])],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def trolley(self, *arguments: str | Path, **environment: str) -> Ended:
        return ended(self.begin(*arguments, **environment))

    async def until_under_way(self, command: subprocess.Popen[str], beyond: int = 0) -> None:
        """Returns when a part of the file is in, and another part is not."""
        while self.line() <= beyond:
            assert command.poll() is None, ended(command)
            await asyncio.sleep(0.01)

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
