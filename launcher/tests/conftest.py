"""The launcher as a person runs it: a process of its own, a data folder, four ports in a row."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from shopdev.fixtures import require
from shopdev.mongod import MongodUnavailable, find_mongod
from shopdev.ports import free_port, free_ports

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


class Members:
    """mongod as in a cluster: several, each with the key file, none of a replica set yet."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self.secrets.mkdir(parents=True)
        # As Kubernetes mounts it, and with the end of a line that mongod passes over.
        self.key = "Trolley+/" * 80
        (self.secrets / "keyfile").write_text(f"{self.key}\n")
        (self.secrets / "keyfile").chmod(0o400)
        for name in ("root", "users", "products", "carts", "backup"):
            (self.secrets / f"{name}-password").write_text(f"{name}-word")
        self.ports: list[int] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        for _ in range(count):
            self.start()

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self.ports]

    def start(self) -> None:
        """One more."""
        port = free_port()
        data = self.folder / str(port)
        data.mkdir()
        command = [str(find_mongod()), "--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1"]
        command += [
            "--replSet",
            "trolley",
            "--keyFile",
            str(self.secrets / "keyfile"),
            "--wiredTigerCacheSizeGB",
            "0.25",
        ]
        with (data / "log").open("wb") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
        self.ports.append(port)

    def url(self, user: str, database: str = "", source: str = "admin") -> str:
        """As the Secrets have it."""
        hosts = ",".join(self.hosts)
        return f"mongodb://{user}:{user}-word@{hosts}/{database}?replicaSet=trolley&authSource={source}"

    def prepare(self, *options: str, hosts: Sequence[str] = (), secrets: Path | None = None) -> subprocess.Popen[str]:
        """`trolley mongodb prepare` of these members, begun."""
        command = [sys.executable, "-m", "trolley", "mongodb", "prepare", "--hosts", ",".join(hosts or self.hosts)]
        command += ["--secrets", str(secrets or self.secrets), *options]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill(self) -> None:
        """All of them."""
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Members]]:
    """Starts so many members; none outlives the module."""
    try:
        find_mongod()
    except MongodUnavailable as error:
        require("mongo", str(error))
    started: list[Members] = []

    def start(count: int) -> Members:
        started.append(Members(tmp_path_factory.mktemp("members"), count))
        return started[-1]

    yield start
    for each in started:
        each.kill()
