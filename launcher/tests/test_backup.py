"""`trolley backup` and `trolley restore` with the real services under writes, on both stores."""

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from shopdev.shop import PASSWORD, Shop

NAMES = ("users", "products", "carts")
Product = Callable[[int], dict[str, Any]]


class Writers:
    """Guests who fill carts and people who register, until they are told to stop; what was acknowledged, and when."""

    def __init__(self, shop: Shop, skus: list[str]) -> None:
        self.shop = shop
        self.skus = skus
        self.carts: list[str] = []
        self.emails: list[str] = []
        self.stocked = 0
        self.faults: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in (self._cart, self._person)]

    def _run(self, work: Any) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                work(number)
            except (AssertionError, httpx.HTTPError) as fault:
                self.faults.append(str(fault))

    def _cart(self, number: int) -> None:
        sku = self.skus[number % len(self.skus)]
        made = self.shop.call("carts", "POST", "/carts", json={"sku": sku, "quantity": 1}).json()
        self.carts.append(made["id"])
        change = {"changes": [{"sku": sku, "delta": 1}]}
        self.shop.call("products", "POST", "/stock", json=change, headers=self.shop.staff_bearer())
        self.stocked += 1

    def _person(self, _: int) -> None:
        self.emails.append(self.shop.register(f"{secrets.token_hex(8)}@example.com"))

    def acknowledged(self) -> tuple[list[str], list[str], int]:
        return list(self.carts), list(self.emails), self.stocked

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def holding(records: dict[str, list[Any]], table: str) -> str:
    """All that a table holds as one text, to look for ids and addresses in."""
    (found,) = [each for name, each in records.items() if name in (table, f"trolley_{table}")]
    return repr(found)


def require_as_before(shop: Shop, person: str, bearer: dict[str, str]) -> None:
    """Keys, passwords, catalogue, read view and what must be unique are those of the backup."""
    # Keys came back too: a token from before is one still, and so is a password.
    shop.call("users", "GET", "/me", headers=bearer)
    shop.bearer(person)
    assert shop.call("products", "GET", "/products?limit=100").json()["total"] == 20
    assert httpx.get(shop["products"].url + "/products/thing-99").status_code == 404
    found = shop.call("products", "GET", "/products/thing-0").json()
    assert found["variants"][0]["price"]["amount"] == 100
    command = [sys.executable, "-m", "products", "verify-view"]
    environment = shop["products"].environment
    verified = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout[:12]) == (0, "20 products "), verified
    # Indexes are back: what must be unique still is.
    answer = httpx.post(shop["users"].url + "/register", json={"email": person, "password": PASSWORD})
    assert answer.status_code == 409


def test_a_restored_shop_is_the_moment_of_the_backup_record_by_record(
    place: Any, tmp_path: Path, product: Product
) -> None:
    backup = tmp_path / "backup"
    shop = Shop(place.store_url)
    shop["products"].environment["VIEW_DIR"] = str(tmp_path / "view")
    skus = [f"T-{number}" for number in range(20)]
    with shop.running():
        shop.add([product(number) for number in range(20)])
        person = shop.register("before@example.com")
        bearer = shop.bearer(person)
        with Writers(shop, skus) as writers:
            while len(writers.carts) < 10 or len(writers.emails) < 2:
                assert not writers.faults, writers.faults[:3]
                time.sleep(0.02)
            carts, emails, stocked = writers.acknowledged()
            run = place.trolley("backup", backup)
            assert (run.returncode, run.stderr) == (0, ""), run
        assert writers.faults == []
        late = shop.call("carts", "POST", "/carts", json={"sku": "T-1", "quantity": 1}).json()["id"]
        dearer = product(0)
        dearer["variants"][0]["price"]["amount"] = 999
        shop.add([product(99), dearer])
    saved = place.kept(backup)
    assert all(each in holding(saved, "carts/carts") for each in carts)
    assert all(each in holding(saved, "users/users") for each in emails)
    assert late not in holding(saved, "carts/carts")
    counts = json.loads((backup / "backup.json").read_text())["counts"]
    assert {name: len(found) for name, found in saved.items() if "sqlite" not in name} == counts

    run = place.trolley("restore", backup, "--replace")
    assert (run.returncode, run.stderr) == (0, ""), run
    assert place.is_as_in(backup)

    with shop.running():
        require_as_before(shop, person, bearer)
        found = shop.call("products", "GET", "/products?limit=100").json()["items"]
        stock = sum(item["variants"][0]["stock"] for item in found)
        assert 20 * 9 + stocked <= stock <= 20 * 9 + writers.stocked


def test_a_moment_that_mongodb_keeps_no_more_is_told_and_leaves_nothing(mongod: str, tmp_path: Path) -> None:
    window = {"setParameter": 1, "minSnapshotHistoryWindowInSeconds": 0}
    stop = threading.Event()
    with MongoClient[dict[str, Any]](mongod) as client:
        kept = client.admin.command({"getParameter": 1, "minSnapshotHistoryWindowInSeconds": 1})
        for name in NAMES:
            client[f"trolley_{name}"]["much"].insert_many([{"text": "a" * 1000} for _ in range(20_000)])

        def write() -> None:
            while not stop.is_set():
                client["another"]["written"].insert_one({})

        writer = threading.Thread(target=write)
        writer.start()
        client.admin.command(window)
        command = [sys.executable, "-m", "trolley", "backup", str(tmp_path / "backup"), "--mongodb-url", mongod]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        finally:
            stop.set()
            writer.join()
            client.admin.command(
                window | {"minSnapshotHistoryWindowInSeconds": kept["minSnapshotHistoryWindowInSeconds"]}
            )
            client.drop_database("another")
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (1, "", 1), run
    assert "minSnapshotHistoryWindowInSeconds" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_many_backups_in_a_folder_leave_the_newest(sqlite_place: Any, tmp_path: Path) -> None:
    place = sqlite_place
    with Shop(place.store_url).running():
        pass
    many = tmp_path / "many"
    (many / "mine").mkdir(parents=True)
    for day in range(1, 4):
        old = many / f"2020-01-0{day}T00-00-00Z"
        old.mkdir()
        (old / "backup.json").write_text("{}")
    (many / ".2020-01-09T00-00-00Z.1.partial").mkdir()
    run = place.trolley("backup", "--into", many, "--keep", "2")
    assert (run.returncode, run.stderr) == (0, ""), run
    lock, oldest, _, foreign = sorted(path.name for path in many.iterdir())
    assert (lock, oldest, foreign) == (".lock", "2020-01-03T00-00-00Z", "mine")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("backup",), "--into"),
        (("backup", "a", "--into", "b"), "--into"),
        (("backup", "a"), "no database file"),
        (("backup", "a", "--gzip"), "--gzip"),
        (("backup", "a", "--store", "mongodb"), "--mongodb-url"),
        (("restore", "nowhere"), "backup.json"),
    ],
)
def test_wrong_use_gets_one_sentence_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    command, *others = arguments
    paths = [str(tmp_path / each) if not each.startswith("-") and each != "mongodb" else each for each in others]
    line = [sys.executable, "-m", "trolley", command, *paths, "--data", str(tmp_path / "data")]
    run = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1), run
    assert said in run.stderr
    assert not (tmp_path / "a").exists()
