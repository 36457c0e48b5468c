"""`trolley restore`: as it was, and never half."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from shopdev.clients import Process
from shopdev.shop import Shop
from trolley.folder import DataFolder

Product = Callable[[int], dict[str, Any]]


def test_what_is_there_is_replaced_only_when_that_is_asked_for(place: Any, tmp_path: Path, product: Product) -> None:
    backup = tmp_path / "backup"
    shop = Shop(place.store_url)
    with shop.running():
        shop.add([product(1)])
        assert place.trolley("backup", backup).returncode == 0
        shop.add([product(2)])
        before = place.records()
        if place.mongodb:
            run = place.trolley("restore", backup, "--replace")
            assert (run.returncode, run.stdout, "stop its services" in run.stderr) == (2, "", True), run
    run = place.trolley("restore", backup)
    assert (run.returncode, run.stdout, "--replace" in run.stderr) == (2, "", True), run
    with DataFolder(place.data):
        run = place.trolley("restore", backup, "--replace")
    assert (run.returncode, run.stdout, "in use" in run.stderr) == (2, "", True), run
    again = place.trolley("backup", backup)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)
    assert place.records() == before


def test_a_backup_that_is_damaged_or_foreign_changes_nothing(place: Any, tmp_path: Path, product: Product) -> None:
    backup = tmp_path / "backup"
    shop = Shop(place.store_url)
    with shop.running():
        shop.add([product(1)])
        assert place.trolley("backup", backup).returncode == 0
    before = place.records()

    def refused(word: str) -> None:
        run = place.trolley("restore", backup, "--replace")
        assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1), run
        assert word in run.stderr
        assert place.records() == before

    manifest = (backup / "backup.json").read_text()
    file = next(path for path in backup.rglob("*") if path.name in ("products.db", "products.bson"))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused("damaged")
    file.unlink()
    refused("missing")
    file.write_bytes(content)
    (backup / "more").write_text("more")
    refused("foreign")
    (backup / "more").unlink()
    (backup / "backup.json").write_text(manifest.replace('"format": 1', '"format": 9'))
    refused("version")
    (backup / "backup.json").write_text("[")
    refused("damaged")
    (backup / "backup.json").unlink()
    refused("backup.json")


def has_begun(place: Any) -> bool:
    """Whether a restore has written anything."""
    if not place.mongodb:
        return any(place.data.glob("*restoring"))
    with MongoClient[dict[str, Any]](place.mongodb) as client:
        return any("restoring" in name for name in client["trolley_users"].list_collection_names())


def test_a_restore_that_is_killed_can_be_repeated(place: Any, tmp_path: Path, product: Product) -> None:
    backup = tmp_path / "backup"
    shop = Shop(place.store_url)
    with shop.running():
        shop.add([product(number) for number in range(300)])
        assert place.trolley("backup", backup).returncode == 0
        shop.add([product(number) for number in range(300, 310)])
    # Whole are what was there and what comes; at each of some moments what is there is that, or says that it is half.
    whole = [place.comparable(records) for records in (place.records(), place.kept(backup))]
    command = [sys.executable, "-m", "trolley", "restore", str(backup), "--replace", *place.options]
    for moment in range(6):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while process.poll() is None and not has_begun(place):
            time.sleep(0.001)
        time.sleep(moment * 0.03)
        process.kill()
        process.communicate()
        after = tmp_path / f"after-{moment}"
        run = place.trolley("backup", after)
        if run.returncode:
            assert "half restored" in run.stderr
        else:
            assert place.comparable(place.kept(after)) in whole
    run = place.trolley("restore", backup, "--replace")
    assert (run.returncode, run.stderr) == (0, ""), run
    assert place.is_as_in(backup)


def test_what_is_half_restored_is_refused_until_the_restore_is_repeated(place: Any, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    with Shop(place.store_url).running():
        zipped = ["--gzip"] if place.mongodb else []
        assert place.trolley("backup", backup, *zipped).returncode == 0
    if place.mongodb:
        with MongoClient[dict[str, Any]](place.mongodb) as client:
            client["trolley_carts"]["restoring"].insert_one({"_id": 1})
    else:
        (place.data / "restoring").touch()
        up = place.trolley("up", "--data", place.data)
        assert (up.returncode, "half restored" in up.stderr) == (2, True), up
    run = place.trolley("backup", tmp_path / "another")
    assert (run.returncode, "half restored" in run.stderr) == (1 if place.mongodb else 2, True), run
    assert [path for path in tmp_path.iterdir() if "another" in path.name] == []
    assert place.trolley("restore", backup).returncode == 2
    run = place.trolley("restore", backup, "--replace")
    assert (run.returncode, run.stderr) == (0, ""), run
    assert place.is_as_in(backup)


def test_no_reader_sees_a_product_of_before_the_restore(place: Any, tmp_path: Path, product: Product) -> None:
    backup = tmp_path / "backup"
    shop = Shop(place.store_url)
    settings = shop["products"].environment
    settings["VIEW_DIR"] = str(place.data / "products-view")
    # Another replica, whose folder no restore knows of.
    other = Process(
        "products", STORE_URL=settings["STORE_URL"], USERS_URL=shop["users"].url, VIEW_DIR=str(tmp_path / "view")
    )
    dearer = product(1) | {"variants": [product(50)["variants"][0] | {"sku": "T-1"}]}
    with shop.running():
        asyncio.run(other.start())
        shop.add([product(1), product(2)])
        assert place.trolley("backup", backup).returncode == 0
        shop.add([dearer, product(3)])
        while httpx.get(f"{other.url}/products/thing-3").status_code != 200:
            time.sleep(0.05)
        other.stop()
    run = place.trolley("restore", backup, "--replace")
    assert (run.returncode, run.stderr) == (0, ""), run
    with shop.running():
        # More than there was before: the other one's place in the feed is behind the store's again.
        shop.add([product(number) for number in range(10, 30)])
        asyncio.run(other.start())
        try:
            for url in (shop["products"].url, other.url):
                assert httpx.get(f"{url}/products").json()["total"] == 22
                assert httpx.get(f"{url}/products/thing-3").status_code == 404
                assert httpx.get(f"{url}/products/thing-1").json()["variants"][0]["price"]["amount"] == 101
            command = [sys.executable, "-m", "products", "verify-view"]
            assert subprocess.run(command, env=other.environment, timeout=60, check=False).returncode == 0
            run = place.trolley("products", "verify-view")
            assert run.stdout.startswith("22 products compared: the view and the store are the same."), run
        finally:
            other.stop()


def test_a_shop_at_work_is_not_restored_and_one_beside_it_is(place: Any, tmp_path: Path, product: Product) -> None:
    backup = tmp_path / "backup"
    shop = Shop(place.store_url)
    with shop.running():
        shop.add([product(1)])
        assert place.trolley("backup", backup).returncode == 0
        before = place.records()
        run = place.trolley("restore", backup, "--replace")
        assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1), run
        assert "stop" in run.stderr
        assert place.records() == before
        assert shop.call("products", "GET", "/products/thing-1").is_success
        if not place.mongodb:
            beside = place.beside(tmp_path / "beside")
            assert beside.trolley("restore", backup).returncode == 0
            assert beside.is_as_in(backup)


@pytest.mark.parametrize("options", [(), ("--store", "mongodb")])
def test_the_shop_of_one_machine_goes_on_while_it_is_backed_up(
    start: Callable[..., Any], tmp_path: Path, options: tuple[str, ...]
) -> None:
    launcher = start(*options, "--empty").wait_ready()

    def trolley(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "trolley", *arguments, "--data", str(launcher.data), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)

    run = trolley("backup", str(tmp_path / "backup"))
    assert (run.returncode, run.stderr) == (0, ""), run
    run = trolley("restore", str(tmp_path / "backup"), "--replace")
    assert (run.returncode, "in use" in run.stderr) == (2, True), run
    launcher.sign_in()
    launcher.stop()
    run = trolley("restore", str(tmp_path / "backup"), "--replace")
    assert (run.returncode, run.stderr) == (0, ""), run
    launcher = start(*options).wait_ready()
    launcher.sign_in()
    assert httpx.get(launcher.url("products") + "/products").json()["total"] == 0


def test_a_restore_that_stopped_midway_is_noticed_and_repeated(
    sqlite_place: Any, tmp_path: Path, product: Product
) -> None:
    place, backup = sqlite_place, tmp_path / "backup"
    shop = Shop(place.store_url)
    with shop.running():
        shop.add([product(1)])
        assert place.trolley("backup", backup).returncode == 0
        shop.add([product(2)])
    # The last of the three cannot be put into its place.
    (place.data / "carts.db").unlink()
    (place.data / "carts.db").mkdir()
    run = place.trolley("restore", backup, "--replace")
    assert (run.returncode, len(run.stderr.splitlines())) == (1, 1), run
    assert "Repeat it" in run.stderr
    for command in (("backup", tmp_path / "second"), ("up",), ("restore", backup)):
        run = place.trolley(*command)
        assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1), run
        assert "--replace" in run.stderr
    (place.data / "carts.db").rmdir()
    assert place.trolley("restore", backup, "--replace").returncode == 0
    assert place.is_as_in(backup)
