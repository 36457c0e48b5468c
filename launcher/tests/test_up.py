"""`trolley up` in earnest: real processes, real ports, a shop that can be used."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from shopdev.fixtures import require
from shopdev.mongod import Mongod, MongodUnavailable, find_mongod

Start = Callable[..., Any]


def total(launcher: Any) -> int:
    """How many products the shop has."""
    found: int = httpx.get(f"{launcher.url('products')}/products", params={"limit": 1}).json()["total"]
    return found


@pytest.fixture
def assert_nothing_is_left(running: Any) -> Callable[[dict[str, int]], None]:
    """Checks that none of the processes is left, nor any that they started."""

    def check(children: dict[str, int]) -> None:
        assert [process for process in running() if process.group in children.values()] == []

    return check


def cut_short(launcher: Any) -> None:
    """Ends everything as a power failure would."""
    children = launcher.children()
    launcher.process.kill()
    for pid in children.values():
        os.killpg(pid, signal.SIGKILL)
    launcher.process.wait()


def test_a_shop_opens_closes_and_opens_again(
    start: Start, tmp_path: Path, assert_nothing_is_left: Callable[[dict[str, int]], None]
) -> None:
    cut_short(start().wait_for("route=/register"))
    first = start().wait_ready()
    staff_file = tmp_path / "data" / "staff.json"
    password = first.staff["password"]
    assert staff_file.stat().st_mode & 0o777 == 0o600
    assert first.staff["email"] == "staff@trolley.example"
    assert first.output.count(password) == 1
    assert "staff" in first.sign_in()["user"]["roles"]
    assert 190 <= total(first) <= 220
    picture = httpx.get(f"{first.url('products')}/products/enamel-saucepan").json()["image_url"]
    assert "<svg" in httpx.get(f"{first.url('products')}{picture}").text
    assert_pages_work(first, picture)
    secret = secret_of(first)
    cart = httpx.post(f"{first.url('carts')}/carts", json={"sku": "KIT-013", "quantity": 1})
    assert cart.status_code == 201

    children = first.children()
    assert set(children) == {"users", "products", "carts", "storefront"}
    assert first.stop() < 5
    assert first.process.returncode == 0
    assert_nothing_is_left(children)

    second = start().wait_ready()
    assert password not in second.output
    assert secret_of(second) == secret
    assert str(staff_file) in second.output
    assert 190 <= total(second) <= 220
    kept = httpx.get(f"{second.url('carts')}/carts/current", headers={"Cart-Token": cart.json()["token"]})
    assert kept.json()["lines"] == cart.json()["lines"]

    # A service that dies takes the others along, and is named.
    children = second.children()
    os.kill(children["carts"], signal.SIGKILL)
    assert second.process.wait(10) == 1
    second.wait_for("The carts service was ended by signal 9")
    assert_nothing_is_left(children)


def assert_pages_work(launcher: Any, picture: str) -> None:
    """The storefront shows a product of the sample with its picture, and its address is told first."""
    shop = launcher.url("storefront")
    assert picture.startswith("/images/")
    assert "<svg" in httpx.get(f"{shop}{picture}").text
    assert "Enamel Saucepan" in httpx.get(f"{shop}/p/enamel-saucepan").text
    assert f"s): {shop}\n" in launcher.output
    assert f"{shop}/admin" in launcher.output


def secret_of(launcher: Any) -> str:
    """What the storefront encrypts its cookies with: kept for the owner alone, shown nowhere."""
    file = launcher.data / "session.json"
    assert file.stat().st_mode & 0o777 == 0o600
    secret: str = json.loads(file.read_text())
    assert len(secret) >= 32
    assert secret not in launcher.output
    return secret


def test_with_mongodb_it_starts_a_mongod_of_its_own(
    start: Start, assert_nothing_is_left: Callable[[dict[str, int]], None]
) -> None:
    require_mongod()
    launcher = start("--store", "mongodb", "--empty").wait_ready()
    children = launcher.children()
    assert set(children) == {"users", "products", "carts", "storefront", "mongod"}
    assert total(launcher) == 0
    assert "staff" in launcher.sign_in()["user"]["roles"]
    assert launcher.stop(signal.SIGTERM) < 5
    assert launcher.process.returncode == 0
    assert_nothing_is_left(children)


def test_a_mongod_on_its_old_folder_takes_writes_on_a_new_port(tmp_path: Path) -> None:
    require_mongod()
    for number in range(2):
        with Mongod(tmp_path) as url, MongoClient(url) as client:
            client.shop.starts.insert_one({"_id": number})
            assert client.shop.starts.count_documents({}) == number + 1


def require_mongod() -> None:
    """Skips where no mongod can be had, or fails where one has to be."""
    try:
        find_mongod()
    except MongodUnavailable as error:
        require("mongo", str(error))
