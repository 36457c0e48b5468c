"""Saves that share a round trip to MongoDB: each is told the truth about its own, whatever happens to the others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from pymongo import AsyncMongoClient
from pymongo.errors import DocumentTooLarge, WriteError

from carts.cart import Cart, Facts, Line, new_cart, touched
from carts.stores.mongo import MongoCartStore
from carts.stores.mongo_saves import BATCH_SECONDS, SAVES_AT_ONCE, SLOTS
from shopkit import deadline
from shopkit.errors import RecordChanged, Unavailable
from shopkit.metrics import Metrics
from shopkit.values import Money, new_id

from .conftest import Clock
from .wire import Wire

SAVE, ASK = b"updates\x00", b"save_ids\x00"
Client = AsyncMongoClient[dict[str, Any]]


@pytest.fixture
async def wire(mongo_url: str) -> AsyncIterator[Wire]:
    async with Wire(mongo_url) as found:
        yield found


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("test", "0")


@pytest.fixture
async def store(wire: Wire, clock: Clock, metrics: Metrics) -> AsyncIterator[MongoCartStore]:
    found = MongoCartStore(wire.url, metrics, clock)
    await found.prepare()
    yield found
    await found.close()


@pytest.fixture
async def other(mongo_url: str, clock: Clock) -> AsyncIterator[MongoCartStore]:
    """Another replica's store."""
    found = MongoCartStore(mongo_url, Metrics("test", "0"), clock)
    await found.prepare()
    yield found
    await found.close()


@pytest.fixture
async def client(mongo_url: str) -> AsyncIterator[Client]:
    found: Client = AsyncMongoClient(mongo_url)
    yield found
    await found.close()


async def keep(store: MongoCartStore, clock: Clock, count: int) -> list[Cart]:
    carts = [touched(new_cart(new_id(), None, new_id(), clock()), clock()) for _ in range(count)]
    await asyncio.gather(*(store.add(cart, None) for cart in carts))
    return carts


async def save_next(store: MongoCartStore, clock: Clock, carts: list[Cart]) -> list[str]:
    """Saves each cart's next version; the names of the outcomes."""
    saves = (store.save(touched(cart, clock()), None) for cart in carts)
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    return ["saved" if outcome is None else type(outcome).__name__ for outcome in outcomes]


async def versions(store: MongoCartStore, carts: list[Cart]) -> list[int]:
    found = [await store.find(cart.id) for cart in carts]
    return [cart.version if cart else 0 for cart in found]


def round_trips(metrics: Metrics, operation: str) -> tuple[float, float]:
    """How many there were, and how many calls they carried."""
    found = [
        metrics.registry.get_sample_value(f"store_batch_size_{what}", {"operation": operation})
        for what in ("count", "sum")
    ]
    return found[0] or 0, found[1] or 0


async def test_64_saves_and_64_finds_at_once_take_a_round_trip_each(
    store: MongoCartStore, clock: Clock, metrics: Metrics
) -> None:
    carts = await keep(store, clock, 64)
    assert await save_next(store, clock, carts) == ["saved"] * 64
    assert round_trips(metrics, "save") == (1, 64)
    found = await asyncio.gather(*(store.find(cart.id) for cart in [*carts[:60], carts[0]]), store.find("no cart"))
    assert [cart.version if cart else None for cart in found] == [2] * 61 + [None]
    assert round_trips(metrics, "find") == (1, 62)


async def test_no_round_trip_carries_more_than_its_bounds(
    store: MongoCartStore, clock: Clock, metrics: Metrics
) -> None:
    carts = await keep(store, clock, SAVES_AT_ONCE + 1)
    assert set(await save_next(store, clock, carts)) == {"saved"}
    assert round_trips(metrics, "save") == (2, SAVES_AT_ONCE + 1)
    large = [with_text(cart, 300_000) for cart in carts[:7]]
    assert await save_next(store, clock, [touched(cart, clock()) for cart in large]) == ["RecordChanged"] * 7
    assert await save_next(store, clock, large) == ["saved"] * 7
    assert round_trips(metrics, "save") == (2 + 3 + 3, SAVES_AT_ONCE + 1 + 14)


def with_text(cart: Cart, characters: int) -> Cart:
    """The cart's next version, so large."""
    facts = Facts("p", "n" * characters, {}, None, Money(1, "EUR"), None, True)
    line = Line("A", 1, 1, facts.price, facts)
    return replace(cart, version=cart.version + 1, lines=(line,), fresh=frozenset("A"))


async def test_a_stale_save_fails_alone(store: MongoCartStore, other: MongoCartStore, clock: Clock) -> None:
    carts = await keep(store, clock, 5)
    await other.save(touched(carts[2], clock()), None)
    assert await save_next(store, clock, carts) == ["saved", "saved", "RecordChanged", "saved", "saved"]


async def test_of_two_saves_of_one_cart_in_one_batch_one_is_kept(store: MongoCartStore, clock: Clock) -> None:
    carts = await keep(store, clock, 2)
    outcomes = await save_next(store, clock, [carts[0], carts[1], carts[0]])
    assert sorted(outcomes) == ["RecordChanged", "saved", "saved"]
    assert outcomes[1] == "saved"
    assert await versions(store, carts) == [2, 2]


async def test_a_save_that_the_server_or_the_driver_refuses_fails_alone(
    store: MongoCartStore, clock: Clock, client: Client
) -> None:
    carts = await keep(store, clock, 4)
    rule = {"version": {"$lt": 100}}
    await client.get_default_database().command({"collMod": "carts", "validator": rule})
    huge = with_text(carts[1], 17 * 1024 * 1024)
    nexts = [touched(carts[0], clock()), huge, replace(carts[2], version=100), replace(carts[3], version=2**63)]
    await client.get_default_database()["carts"].update_one(
        {"_id": carts[2].id}, {"$set": {"version": 99}}, bypass_document_validation=True
    )
    outcomes = await asyncio.gather(*(store.save(cart, None) for cart in nexts), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), DocumentTooLarge, WriteError, OverflowError]
    assert await save_next(store, clock, [nexts[0]]) == ["saved"]


async def test_a_cart_that_is_gone_stays_gone(store: MongoCartStore, clock: Clock, client: Client) -> None:
    carts = await keep(store, clock, 3)
    await client.get_default_database()["carts"].delete_one({"_id": carts[1].id})
    assert await save_next(store, clock, carts) == ["saved", "RecordChanged", "saved"]
    assert await versions(store, carts) == [2, 0, 2]


async def test_where_an_answer_is_lost_each_is_told_what_became_of_it(
    store: MongoCartStore, other: MongoCartStore, clock: Clock, wire: Wire
) -> None:
    carts = await keep(store, clock, 5)
    await other.save(touched(carts[3], clock()), None)
    wire.losing[SAVE] = 1
    assert await save_next(store, clock, carts) == ["saved", "saved", "saved", "RecordChanged", "saved"]
    assert wire.losing[SAVE] == 0
    assert await versions(store, carts) == [2, 2, 2, 2, 2]


async def test_where_all_answers_are_lost_all_are_told_so(store: MongoCartStore, clock: Clock, wire: Wire) -> None:
    carts = await keep(store, clock, 3)
    wire.losing[SAVE] = 9
    assert await save_next(store, clock, carts) == ["Unavailable"] * 3
    wire.losing[SAVE] = 0
    assert await versions(store, carts) == [2] * 3


@pytest.mark.parametrize(("more", "outcome"), [(1, "saved"), (SLOTS - 1, "saved"), (SLOTS, "TooManySince")])
async def test_a_save_is_known_though_others_saved_on_top_of_it(
    store: MongoCartStore, other: MongoCartStore, clock: Clock, wire: Wire, more: int, outcome: str
) -> None:
    carts = await keep(store, clock, 2)

    async def others_save() -> None:
        for _ in range(more):
            found = await other.find(carts[0].id)
            assert found is not None
            await other.save(touched(found, clock()), None)

    wire.losing[SAVE] = 1
    wire.before[ASK + b"\x01"] = others_save
    assert await save_next(store, clock, carts) == [outcome, "saved"]
    assert await versions(store, carts) == [2 + more, 2]


async def test_a_save_of_long_ago_is_told_as_such_however_many_came_since(
    store: MongoCartStore, other: MongoCartStore, clock: Clock
) -> None:
    carts = await keep(store, clock, 3)
    for old in carts[:2]:
        newer = old
        for _ in range(3 * SLOTS):
            newer = touched(newer, clock())
            await other.save(newer, None)
    assert await save_next(store, clock, carts) == ["RecordChanged", "RecordChanged", "saved"]
    assert await save_next(store, clock, carts[:1]) == ["RecordChanged"]


async def test_a_cart_in_a_transaction_holds_up_nobody_else(
    store: MongoCartStore, clock: Clock, client: Client
) -> None:
    carts = await keep(store, clock, 6)

    async def hurried(cart: Cart) -> None:
        deadline.start(4)
        await store.save(touched(cart, clock()), None)

    async with client.start_session() as session, await session.start_transaction():
        collection = client.get_default_database()["carts"]
        await collection.update_one({"_id": carts[2].id}, {"$set": {"record": "half"}}, session=session)
        outcomes = await asyncio.gather(*(hurried(cart) for cart in carts), return_exceptions=True)
        kinds = [None if outcome is None else type(outcome) for outcome in outcomes]
        assert kinds == [None, None, Unavailable, None, None, None]
        started = asyncio.get_running_loop().time()
        held = asyncio.create_task(hurried(carts[2]))
        nexts = [touched(cart, clock()) for cart in carts if cart is not carts[2]]
        assert await save_next(store, clock, nexts) == ["saved"] * 5
        assert asyncio.get_running_loop().time() - started < BATCH_SECONDS
        await session.abort_transaction()
    await held
    assert await versions(store, [carts[2]]) == [2]


async def test_a_caller_who_leaves_takes_no_other_along(store: MongoCartStore, clock: Clock) -> None:
    carts = await keep(store, clock, 3)
    saves = [asyncio.create_task(store.save(touched(cart, clock()), None)) for cart in carts]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    saves[1].cancel()
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), asyncio.CancelledError, type(None)]
    with pytest.raises(RecordChanged):
        await store.save(touched(carts[0], clock()), None)


async def test_a_record_that_cannot_be_read_fails_alone(store: MongoCartStore, clock: Clock, client: Client) -> None:
    carts = await keep(store, clock, 3)
    await client.get_default_database()["carts"].update_one({"_id": carts[1].id}, {"$set": {"record": "{"}})
    found = await asyncio.gather(*(store.find(cart.id) for cart in carts), return_exceptions=True)
    assert [isinstance(each, Cart) for each in found] == [True, False, True]
