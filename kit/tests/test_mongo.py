"""MongoDB as a store: migrations run once, changes are whole, and a server that is away is Unavailable."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import lock
from pymongo.errors import DuplicateKeyError, OperationFailure

from shopdev.mongod import Mongod
from shopkit import deadline
from shopkit.errors import Unavailable
from shopkit.idempotency import KEPT, Replay, ReplayExists
from shopkit.metrics import Metrics
from shopkit.mongo import Database, Migration, Mongo, Session
from shopkit.values import now

Open = Callable[..., Mongo]


def runs(counts: dict[str, int], name: str, seconds: float = 0.0) -> Migration:
    """A migration that counts its runs, on both sides of a wait."""

    async def migration(database: Database) -> None:
        counts[name] = counts.get(name, 0) + 1
        await asyncio.sleep(seconds)
        await database["log"].insert_one({"step": name})

    return migration


async def steps(mongo: Mongo) -> list[str]:
    async with mongo.call("steps") as database:
        return [each["step"] async for each in database["log"].find().sort("$natural", 1)]


@pytest.fixture
async def open_mongo(mongo_url: str, metrics: Metrics) -> AsyncIterator[Open]:
    opened: list[Mongo] = []

    def open_(*migrations: Migration) -> Mongo:
        opened.append(Mongo(mongo_url, "kit", migrations, metrics))
        return opened[-1]

    yield open_
    for each in opened:
        await each.close()


@pytest.fixture
async def mongo(open_mongo: Open) -> Mongo:
    prepared = open_mongo()
    await prepared.prepare()
    return prepared


async def test_each_migration_runs_once_though_three_replicas_start_at_once(open_mongo: Open) -> None:
    counts: dict[str, int] = {}
    migrations = [runs(counts, name, 0.05) for name in ("first", "second", "third")]
    replicas = [open_mongo(*migrations) for _ in range(3)]
    await asyncio.gather(*(replica.prepare() for replica in replicas))
    assert counts == {"first": 1, "second": 1, "third": 1}
    assert await steps(replicas[0]) == ["first", "second", "third"]


async def test_a_later_version_runs_only_what_is_new(open_mongo: Open) -> None:
    counts: dict[str, int] = {}
    await open_mongo(runs(counts, "first")).prepare()
    await open_mongo(runs(counts, "first"), runs(counts, "second")).prepare()
    assert counts == {"first": 1, "second": 1}


async def claim(mongo: Mongo, number: int, lease_left: timedelta) -> None:
    """Leaves the database as a replica does that died in migration `number`."""
    async with mongo.call("claim") as database:
        await database["migrations"].insert_one({"_id": number, "done": False, "until": now() + lease_left})


async def test_a_migration_that_a_crash_cut_short_runs_again_after_its_lease(mongo: Mongo, open_mongo: Open) -> None:
    counts: dict[str, int] = {}
    await claim(mongo, 2, timedelta(seconds=-1))
    await asyncio.gather(*(open_mongo(runs(counts, "first", 0.05)).prepare() for _ in range(3)))
    assert counts == {"first": 1}


async def test_a_migration_at_work_elsewhere_is_waited_for(mongo: Mongo, open_mongo: Open) -> None:
    counts: dict[str, int] = {}
    await claim(mongo, 2, timedelta(seconds=60))
    waits = asyncio.create_task(open_mongo(runs(counts, "first")).prepare())
    await asyncio.wait([waits], timeout=0.3)
    assert not waits.done()
    async with mongo.call("finish") as database:
        await database["migrations"].update_one({"_id": 2}, {"$set": {"done": True}})
    await waits
    assert counts == {}


async def test_nothing_answers_before_it_is_prepared(open_mongo: Open) -> None:
    unprepared = open_mongo()
    with pytest.raises(Unavailable, match="not open yet"):
        async with unprepared.call("find"):
            pytest.fail("there is nothing to call")
    await unprepared.close()


async def test_a_server_that_dies_is_unavailable_and_comes_back(tmp_path: Path, metrics: Metrics) -> None:
    server = Mongod(tmp_path / "mongod")
    await asyncio.to_thread(server.start)
    mongo = Mongo(server.url, "kit", [], metrics)
    try:
        await mongo.prepare()
        server.kill()
        with pytest.raises(Unavailable):
            await mongo.ping()
        deadline.start(0.2)
        started = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await mongo.find_replay("id", now())
        assert asyncio.get_running_loop().time() - started < 1
        await asyncio.to_thread(server.start)
        deadline.start(10)
        assert await mongo.find_replay("id", now()) is None
    finally:
        await mongo.close()
        server.stop()


async def test_what_a_server_refuses_for_good_is_no_matter_of_waiting(mongo: Mongo) -> None:
    with pytest.raises(OperationFailure):
        async with mongo.call("nonsense") as database:
            await database.command("noSuchCommand")
    await mongo.change("add", None, adding("a"))
    with pytest.raises(DuplicateKeyError):
        await mongo.change("add", None, adding("a"))


def adding(name: str, failure: Exception | None = None) -> Callable[[Database, Session | None], Any]:
    async def work(database: Database, session: Session | None) -> str:
        await database["things"].insert_one({"_id": name}, session=session)
        if failure is not None:
            raise failure
        return name

    return work


async def things(mongo: Mongo) -> list[str]:
    async with mongo.call("things") as database:
        return [each["_id"] async for each in database["things"].find().sort("_id")]


async def test_a_change_and_its_answer_are_kept_together_or_not_at_all(mongo: Mongo) -> None:
    replay = Replay("id", "print", b"sealed", now() + KEPT)
    with pytest.raises(KeyError):
        await mongo.change("add", replay, adding("a", KeyError("changed its mind")))
    assert await mongo.find_replay("id", now()) is None
    assert await mongo.change("add", replay, adding("a")) == "a"
    assert await mongo.find_replay("id", now()) == replay
    with pytest.raises(ReplayExists):
        await mongo.change("add", replay, adding("b"))
    assert await mongo.change("add", None, adding("c")) == "c"
    assert await things(mongo) == ["a", "c"]


async def test_of_many_at_once_with_one_key_one_has_its_effect(mongo: Mongo) -> None:
    replay = Replay("id", "print", b"sealed", now() + KEPT)
    changes = (mongo.change("add", replay, adding(str(n))) for n in range(8))
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert sum(isinstance(outcome, ReplayExists) for outcome in outcomes) == 7
    assert await things(mongo) == [winner]


async def test_an_expired_answer_stands_in_nobodys_way(mongo: Mongo) -> None:
    moment = now()
    await mongo.change("add", Replay("id", "print", b"old", moment), adding("a"))
    assert await mongo.find_replay("id", moment) is None
    await mongo.change("add", Replay("id", "print", b"new", moment + KEPT), adding("b"))
    found = await mongo.find_replay("id", moment)
    assert found is not None
    assert found.answer == b"new"


async def test_transactions_in_each_others_way_both_take_effect(mongo: Mongo) -> None:
    async with mongo.call("add") as database:
        await database["counts"].insert_one({"_id": 1, "n": 0})

    async def add_one(database: Database, session: Session) -> None:
        found = await database["counts"].find_one({"_id": 1}, session=session)
        assert found is not None
        await database["counts"].update_one({"_id": 1}, {"$set": {"n": found["n"] + 1}}, session=session)

    await asyncio.gather(*(mongo.transaction("count", add_one) for _ in range(5)))
    async with mongo.call("count") as database:
        found = await database["counts"].find_one({"_id": 1})
    assert found == {"_id": 1, "n": 5}


async def test_a_call_that_is_cancelled_while_its_time_runs_out_leaves_the_drivers_lock_alone(mongo: Mongo) -> None:
    guard = lock._async_create_lock()
    condition = lock._async_create_condition(guard)

    async def wait() -> None:
        async with guard:
            await lock._async_cond_wait(condition, 0.01)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    async with guard:
        # Its time is up, but the lock that it must have again is held here.
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.sleep(0.05)
        # Had it left, it would have given back a lock that is not its own.
        assert not waiting.done()
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)
    assert not guard.locked()
