"""`trolley mongodb prepare` on real members with a key file, and the services as the users that it makes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shopdev.clients import Process
from shopdev.fixtures import require
from shopdev.mongod import MongodUnavailable, find_mongod
from shopdev.ports import free_port
from shopdev.shop import Shop

SECONDS = 90
SERVICES = ("users", "products", "carts")
UNAUTHORIZED = 13


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


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def prepared(members: Callable[[int], Members]) -> Members:
    """Three members that two commands at once have prepared."""
    three = members(3)
    both = [three.prepare("--timeout", "60") for _ in range(2)]
    for code, out, err in [ended(process) for process in both]:
        assert (code, err) == (0, ""), out
        assert out.endswith("Replica set trolley is ready.\n")
    return three


def test_each_step_is_told_and_repeating_it_changes_nothing(prepared: Members) -> None:
    with MongoClient(prepared.url("root")) as root:
        before = list(root.admin["system.users"].find())
        config = root.admin.command("replSetGetConfig")["config"]
        default = root.admin.command("getDefaultRWConcern")["defaultWriteConcern"]
        code, out, err = ended(prepared.prepare())
        assert (code, err) == (0, "")
        assert list(root.admin["system.users"].find()) == before
        assert root.admin.command("replSetGetConfig")["config"] == config
    assert {member["host"]: member["priority"] for member in config["members"]} == dict.fromkeys(prepared.hosts, 1)
    assert default["w"] == "majority"
    assert "answers." in out
    for name in ("root of admin", "backup of admin", *(f"{name} of trolley_{name}" for name in SERVICES)):
        assert f"User {name} is there.\n" in out


def test_another_password_is_taken(prepared: Members, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for file in prepared.secrets.iterdir():
        (secrets / file.name).write_text(file.read_text())
    (secrets / "backup-password").write_text("another")
    code, out, _ = ended(prepared.prepare(secrets=secrets))
    assert code == 0
    assert "User backup of admin changed" in out
    with MongoClient(prepared.url("backup").replace("backup-word", "another")) as backup:
        assert backup.admin.command("ping")["ok"] == 1
    assert "User backup of admin changed" in ended(prepared.prepare())[1]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_own_database_alone(prepared: Members, name: str) -> None:
    own = f"trolley_{name}"
    with MongoClient(prepared.url(name, own, own)) as client:
        client[own]["mine"].insert_one({})
        client[own]["mine"].drop()
        for other in (*(f"trolley_{other}" for other in SERVICES if other != name), "admin", "config", "local"):
            for attempt in (lambda d: d["x"].insert_one({}), lambda d: d["x"].find_one(), lambda d: d["x"].drop()):
                with pytest.raises(OperationFailure) as refused:
                    attempt(client[other])
                assert refused.value.code == UNAUTHORIZED


def test_who_makes_backups_reads_the_three_and_writes_nothing(prepared: Members) -> None:
    with MongoClient(prepared.url("backup")) as client:
        for name in SERVICES:
            client[f"trolley_{name}"]["users"].find_one()
            with pytest.raises(OperationFailure) as refused:
                client[f"trolley_{name}"]["x"].insert_one({})
            assert refused.value.code == UNAUTHORIZED
        with pytest.raises(OperationFailure):
            client["admin"]["system.users"].find_one()


def test_the_shop_works_as_these_users(prepared: Members) -> None:
    """Indexes, transactions, what expires, the feed of changes and readiness, by the services' own work."""
    shop = Shop(lambda name: prepared.url(name, f"trolley_{name}", f"trolley_{name}"))
    with shop.running():
        item = {"name": "Tea", "variants": [{"sku": "TEA", "price": {"amount": 500, "currency": "EUR"}, "stock": 5}]}
        shop.add([item])
        # Filled by a scan and a change stream, on another replica too.
        other = Process("products", STORE_URL=shop["products"].environment["STORE_URL"], USERS_URL=shop["users"].url)
        with ExitStack() as stack:
            stack.callback(other.stop)
            asyncio.run(other.start())
            assert httpx.get(f"{other.url}/products").json()["items"][0]["name"] == "Tea"
        headers = shop.bearer(shop.register())
        key = {"Idempotency-Key": "6b1f7c1e-5c1b-4f7e-9a53-0c5a1d8f2b11"}
        body = {"sku": "TEA", "quantity": 2}
        for _ in range(2):
            answer = shop.call("carts", "POST", "/carts", json=body, headers=headers | key)
        assert answer.json()["lines"][0]["quantity"] == 2
        for name in SERVICES:
            assert shop.call(name, "GET", "/readyz").status_code == 200


def test_the_user_for_backups_writes_one_and_root_puts_it_back(prepared: Members, tmp_path: Path) -> None:
    """With nothing at hand but the database, as in a cluster: no data folder, the address from the environment."""
    backup = tmp_path / "backup"

    def trolley(user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "trolley", *arguments]
        environment = os.environ | {"MONGODB_URL": prepared.url(user)}
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    with MongoClient(prepared.url("root")) as root:
        for name in SERVICES:
            root[f"trolley_{name}"]["kept"].insert_one({"_id": 1, "text": name})
        run = trolley("backup", "backup", str(backup), "--gzip")
        assert (run.returncode, run.stderr) == (0, ""), run
        root["trolley_users"]["kept"].update_one({}, {"$set": {"text": "changed"}})
        root["trolley_users"]["later"].insert_one({})
        refused = trolley("backup", "restore", str(backup), "--replace")
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused
        assert root["trolley_users"]["kept"].find_one({}) == {"_id": 1, "text": "changed"}
        run = trolley("root", "restore", str(backup), "--replace")
        assert (run.returncode, run.stderr) == (0, ""), run
        assert root["trolley_users"]["kept"].find_one({}) == {"_id": 1, "text": "users"}
        assert "later" not in root["trolley_users"].list_collection_names()
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


def test_members_that_are_missing_are_added(members: Callable[[int], Members]) -> None:
    some = members(1)
    assert ended(some.prepare("--timeout", "60"))[0] == 0
    some.start()
    code, out, err = ended(some.prepare("--timeout", "60"))
    assert (code, err) == (0, "")
    assert f"{some.hosts[1]} added to replica set trolley.\n" in out
    with MongoClient(some.url("root")) as root:
        assert len(root.admin.command("replSetGetConfig")["config"]["members"]) == 2


def test_what_is_in_the_way_is_told_in_one_sentence(members: Callable[[int], Members], tmp_path: Path) -> None:
    one = members(1)
    silent = "127.0.0.1:1"
    code, _, err = ended(one.prepare("--timeout", "6", hosts=[*one.hosts, silent]))
    assert (code, len(err.splitlines())) == (1, 1)
    assert f"{silent} does not answer" in err
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for file in one.secrets.iterdir():
        (secrets / file.name).write_text("another")
    code, _, err = ended(one.prepare("--timeout", "20", secrets=secrets))
    assert (code, len(err.splitlines())) == (1, 1)
    assert "refuses the key file" in err
    assert ended(one.prepare("--timeout", "60"))[0] == 0
    code, _, err = ended(one.prepare("--replica-set", "other", "--timeout", "20"))
    assert (code, len(err.splitlines())) == (1, 1)
    assert "is of the replica set trolley, not of other" in err


@pytest.mark.parametrize(
    ("hosts", "missing", "said"),
    [
        ("mongodb-0", "", "--hosts"),
        ("mongodb-0:0", "", "--hosts"),
        ("a:27017,a:27017", "", "twice"),
        ("a:27017", "keyfile", "keyfile cannot be read"),
        ("a:27017", "carts-password", "carts-password cannot be read"),
        ("a:27017", "secrets", "keyfile cannot be read"),
    ],
)
def test_wrong_use_gets_one_sentence_and_exit_code_2(tmp_path: Path, hosts: str, missing: str, said: str) -> None:
    secrets = tmp_path / "secrets"
    if missing != "secrets":
        secrets.mkdir()
        for name in ("keyfile", *(f"{user}-password" for user in ("root", *SERVICES, "backup"))):
            (secrets / name).write_text("word")
        if missing:
            (secrets / missing).unlink()
    command = [sys.executable, "-m", "trolley", "mongodb", "prepare", "--hosts", hosts, "--secrets", str(secrets)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1)
    assert said in run.stderr
