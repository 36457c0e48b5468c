"""The read view where something is wrong: with its files, its place in the feed, its folder, its disk, its store."""

import asyncio
import os
import resource
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from products.app import create_app
from products.view import documents
from products.view.checking import is_sound
from products.view.home import CURRENT, current
from products.view.view import ECHO_SECONDS
from shopdev.clients import Process, client_of
from shopdev.mongod import Mongod, find_mongod
from shopdev.people import People
from shopkit.values import new_id

from .conftest import Watch, body, settings
from .views import (
    assert_same,
    break_position,
    eventually,
    fill,
    has_total,
    index_in_use,
    indexes,
    running,
    service,
    staff_at,
)

COUNT = 50


def damaged(ending: str, change: Callable[[Path], None]) -> Callable[[Path], None]:
    """Changes the files of the index in use whose names end so."""

    def damage(home: Path) -> None:
        folder = current(home)
        assert folder is not None
        files = list(folder.glob(f"*{ending}"))
        assert files
        for file in files:
            change(file)

    return damage


def flip(file: Path) -> None:
    """A few bits fall over in the middle."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 4] = bytes(byte ^ 0xFF for byte in content[middle : middle + 4])
    file.write_bytes(content)


def halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def point_at(name: str) -> Callable[[Path], None]:
    """The home says that something else is in use."""

    def point(home: Path) -> None:
        (home / CURRENT).write_text(name)

    return point


def empty_folder(home: Path) -> None:
    folder = current(home)
    assert folder is not None
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "meta.json").write_text("{}")


DAMAGES = {
    **{f"half of {ending}": damaged(ending, halve) for ending in (".store", ".term", "meta.json")},
    **{f"bits of {ending}": damaged(ending, flip) for ending in (".store", ".term", ".idx", ".fast")},
    **{f"no {ending}": damaged(ending, Path.unlink) for ending in (".store", "meta.json", ".pos")},
    "another's files": empty_folder,
    "nothing": point_at(""),
    "no such": point_at(f"index-{new_id()}"),
    "elsewhere": point_at("../store"),
}


@pytest.fixture
async def used(sqlite_url: str, people: People, watch: Watch, tmp_path: Path) -> Path:
    """A view of COUNT products that a service has left behind."""
    await fill(sqlite_url, COUNT, watch)
    async with running(sqlite_url, tmp_path / "used", people) as client:
        assert await eventually(lambda: has_total(client, COUNT))
    return tmp_path / "used"


async def position_in(home: Path) -> str:
    index = await index_in_use(home)
    index.close()
    assert index.state is not None
    return index.state.position


async def test_what_is_damaged_is_built_anew_and_never_served(sqlite_url: str, people: People, used: Path) -> None:
    for name, damage in DAMAGES.items():
        home = used.with_name(f"view-{new_id()}")
        shutil.copytree(used, home)
        before = current(home)
        damage(home)
        async with client_of(create_app(settings(sqlite_url, people, view_dir=str(home)))) as client:
            assert await eventually(lambda client=client: has_total(client, COUNT)), name
            await assert_same(sqlite_url, home, COUNT)
        after = current(home)
        assert after != before, name
        assert after is not None
        assert indexes(home) == {after.name}, name


async def test_an_index_that_is_whole_is_sound(used: Path) -> None:
    folder = current(used)
    assert folder is not None
    assert is_sound(folder)


async def test_an_index_of_another_form_is_built_anew(
    sqlite_url: str, people: People, used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = current(used)
    position = await position_in(used)
    with monkeypatch.context() as older:
        older.setattr("products.view.index.FORM", documents.FORM - 1)
        await break_position(used, position)
    async with running(sqlite_url, used, people) as client:
        assert await eventually(lambda: has_total(client, COUNT))
        await assert_same(sqlite_url, used, COUNT)
    assert current(used) != before


async def test_the_view_of_another_store_is_not_served(
    sqlite_url: str, people: People, used: Path, watch: Watch, tmp_path: Path
) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    await fill(other, 3, watch)
    async with running(other, used, people) as client:
        # Whatever is answered is of this store.
        assert await eventually(lambda: has_total(client, 3))
        await assert_same(other, used, 3)
        assert 'view_rebuilds_total{reason="position_lost"} 1.0' in (await client.get("/metrics")).text


async def test_what_is_no_index_stays_in_the_folder(sqlite_url: str, people: People, used: Path) -> None:
    (used / "photos").mkdir()
    (used / (theirs := new_id())).mkdir()
    (used / "letter").touch()
    await break_position(used)
    async with running(sqlite_url, used, people) as client:
        assert await eventually(lambda: has_total(client, COUNT))
    folder = current(used)
    assert folder is not None
    assert indexes(used) == {"photos", theirs, folder.name}
    assert (used / "letter").exists()


async def test_a_store_that_goes_back_in_time_is_read_again(
    sqlite_url: str, people: People, used: Path, tmp_path: Path
) -> None:
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    copy = tmp_path / "copy.db"
    shutil.copy(database, copy)
    async with running(sqlite_url, used, people) as client:
        assert (await client.post("/products", json=body())).status_code == 201
        assert await has_total(client, COUNT + 1)
        # Until then the index may hold what it does not say.
        await asyncio.sleep(2 * ECHO_SECONDS)
    for leftover in database.parent.glob("store.db*"):
        leftover.unlink()
    shutil.copy(copy, database)
    async with running(sqlite_url, used, people) as client:
        assert await eventually(lambda: has_total(client, COUNT))
        await assert_same(sqlite_url, used, COUNT)


async def test_a_store_that_is_set_back_under_a_running_service_is_read_again(
    sqlite_url: str, people: People, used: Path, tmp_path: Path
) -> None:
    database = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=10)
    before = sqlite3.connect(tmp_path / "before.db")
    database.backup(before)
    async with running(sqlite_url, used, people) as client:
        assert (await client.post("/products", json=body())).status_code == 201
        # Else this write is one that the feed has not told yet.
        await asyncio.sleep(0.5)
        before.backup(database)
        assert await eventually(lambda: has_total(client, COUNT))
        assert (await client.post("/products", json=body())).status_code == 201
        assert await eventually(lambda: has_total(client, COUNT + 1))
        await assert_same(sqlite_url, used, COUNT + 1)
    database.close()
    before.close()


async def test_reads_go_on_while_a_lost_feed_is_made_up_for(
    mongo_url: str, people: People, watch: Watch, tmp_path: Path
) -> None:
    """Somebody renames the collection and puts a copy in its place: to the feed it is another one."""
    home = tmp_path / "view"
    await fill(mongo_url, 1500, watch)
    database = AsyncMongoClient(mongo_url).get_default_database()
    async with running(mongo_url, home, people) as client:
        assert await eventually(lambda: has_total(client, 1500))
        before = current(home)
        failed: list[int] = []
        done = asyncio.Event()

        async def read() -> None:
            while not done.is_set():
                for path in ("/products?limit=3&q=number", "/products?limit=1"):
                    failed.append((await client.get(path)).status_code)

        reading = asyncio.create_task(read())
        await database["products"].aggregate([{"$out": "copy"}])
        await database["copy"].rename("products", dropTarget=True)

        async def is_rebuilt() -> bool:
            return current(home) not in (before, None)

        assert await eventually(is_rebuilt)
        await asyncio.sleep(0.5)
        done.set()
        await reading
        assert set(failed) == {200}
        assert await has_total(client, 1500)
        assert 'view_rebuilds_total{reason="position_lost"}' in (await client.get("/metrics")).text
        await assert_same(mongo_url, home, 1500)
    await database.client.close()


@pytest.mark.parametrize("token", ["", "00", "8263", "no token"])
async def test_a_token_that_means_nothing_is_a_lost_position(
    token: str, mongo_url: str, people: People, watch: Watch, tmp_path: Path
) -> None:
    home = tmp_path / "view"
    await fill(mongo_url, 5, watch)
    for _ in range(2):
        async with client_of(create_app(settings(mongo_url, people, view_dir=str(home)))) as client:
            assert await eventually(lambda client=client: has_total(client, 5))
            await assert_same(mongo_url, home, 5)
        collection = (await position_in(home)).partition(" ")[0]
        await break_position(home, f"{collection} {token}")


async def test_what_one_replica_writes_the_other_reads_within_a_second(
    store_url: str, people: People, tmp_path: Path
) -> None:
    async with running(store_url, tmp_path / "one", people) as one, running(store_url, tmp_path / "two", people) as two:
        for number in range(5):
            name = f"Teapot {number}"
            added = await one.post("/products", json=body(f"S-{number}", name, slug=f"teapot-{number}"))
            began = time.monotonic()
            for path, read in (
                ("/products", lambda answer: answer["total"]),
                (f"/products?q=teapot+{number}", lambda answer: answer["total"] and answer["items"][0]["name"]),
            ):
                wanted = number + 1 if path == "/products" else name
                assert read((await one.get(path)).json()) == wanted

                async def is_read(path: str = path, read: Callable = read, wanted: object = wanted) -> bool:
                    return read((await two.get(path)).json()) == wanted

                assert await eventually(is_read, 3)
            assert time.monotonic() - began < 1
            assert (await two.get(f"/products/{added.json()['id']}")).json() == added.json()
        told = (await two.get("/metrics")).text
        assert "view_lag_seconds_count 5.0" in told


async def test_reads_go_on_for_as_long_as_the_database_is_down(
    tmp_path: Path, people: People, mongo_server: str, watch: Watch
) -> None:
    find_mongod()
    server = Mongod(tmp_path / "mongod")
    home = tmp_path / "view"
    url = (await asyncio.to_thread(server.start)).replace("/?", "/products?")
    try:
        await fill(url, 20, watch)
        async with running(url, home, people) as client:
            assert await eventually(lambda: has_total(client, 20))
            shirt = (await client.post("/products", json=body())).json()
            await asyncio.to_thread(server.kill)
            for _ in range(3):
                for path in (f"/products/{shirt['id']}", "/products/shirt"):
                    assert (await client.get(path)).json() == shirt
                for path in ("/products?sku=SHIRT", "/products?q=shirt", f"/products?id={shirt['id']}"):
                    assert (await client.get(path)).json()["items"] == [shirt]
                assert await has_total(client, 21)
                assert (await client.post("/products", json=body("B"))).status_code == 503
            await asyncio.to_thread(server.start)

            async def is_written() -> bool:
                return (await client.post("/products", json=body("C", "Cup"))).status_code == 201

            assert await eventually(is_written)
            assert (await client.get("/products/cup")).status_code == 200
            assert await eventually(lambda: has_total(client, 22))
            await assert_same(url, home, 22)
    finally:
        server.stop()


async def test_a_folder_belongs_to_one_process_at_a_time(
    store_url: str, people: People, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "view"

    async def is_told() -> bool:
        return "Another process uses VIEW_DIR" in "".join(capfd.readouterr())

    first = await service(store_url, home, people).start()
    second = service(store_url, home, people)
    starting = asyncio.create_task(second.start())
    assert await eventually(is_told, 30)
    async with staff_at(first, people) as client:
        assert (await client.post("/products", json=body())).status_code == 201
        await assert_same(store_url, home, 1)
    first.kill()
    try:
        await starting
        async with staff_at(second, people) as client:
            assert await eventually(lambda: has_total(client, 1))
            assert (await client.post("/products", json=body("CUP", "Cup"))).status_code == 201
            assert await has_total(client, 2)
            await assert_same(store_url, home, 2)
    finally:
        second.stop()


async def test_a_disk_that_takes_no_more_ends_no_service_and_shows_nothing_old(
    mongo_url: str, people: People, tmp_path: Path
) -> None:
    home = tmp_path / "view"
    started = service(mongo_url, home, people)
    async with started, staff_at(started, people) as client, running(mongo_url, tmp_path / "other", people) as other:
        shirt = (await client.post("/products", json=body(stock=1))).json()
        limit_files(started, 10)
        changed = await other.patch("/products/shirt", json={"name": "New"})

        async def is_known() -> bool:
            return (await client.get(f"/products/{shirt['id']}")).json()["version"] == changed.json()["version"]

        assert await eventually(is_known)
        assert (await client.get("/products")).status_code == 503
        assert (await client.patch("/products/shirt", json={"name": "Newer"})).status_code == 200
        assert (await client.get("/products/shirt")).json()["name"] == "Newer"
        limit_files(started, resource.RLIM_INFINITY)
        assert await eventually(lambda: has_total(client, 1))
        assert (await client.get("/products")).json()["items"][0]["name"] == "Newer"
        assert 'view_rebuilds_total{reason="fault"}' in (await client.get("/metrics")).text
        await assert_same(mongo_url, home, 1)


def limit_files(started: Process, size: int) -> None:
    """From now on no file of the service's can grow beyond so many bytes."""
    assert started._process is not None
    resource.prlimit(started._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
