"""Facts about results: counted once for as long as nothing is written, and never those of before a write."""

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from products import product as rules
from products.listing import Facet, Query
from products.product import Product
from products.stock import StockChange
from products.store import ProductStore
from products.stores import mongo_listing, open_store, sqlite_listing
from products.stores.facts import KEPT_MAX, Facts, KeptFacts
from shopkit.metrics import Metrics

from .conftest import START, Watch, product, variant

LATER = START + timedelta(minutes=1)


async def test_no_write_is_missed_whichever_replica_made_it(store: ProductStore, store_url: str, watch: Watch) -> None:
    replica = open_store(store_url, Metrics("products", "test"), watch)
    await replica.prepare()
    one, two = product("One", variant("A", stock=1), category="Hats", tags=("x",)), product("Two", variant("B"))
    moved = rules.next_version(one, LATER, category="Tops", tags=("y",))
    writes: list[tuple[Callable[[ProductStore], Awaitable[object]], tuple[int, int, str]]] = [
        (lambda at: at.add(one, None), (1, 1, "Hats x")),
        (lambda at: at.keep_all([two]), (2, 2, "Hats x")),
        (lambda at: at.save(moved), (2, 2, "Tops y")),
        (lambda at: at.change_stock([StockChange("A", -1)], LATER, None), (2, 1, "Tops y")),
        (lambda at: at.change_stock([StockChange("A", 1), StockChange("B", 1)], LATER, None), (2, 2, "Tops y")),
        (lambda at: at.save(rules.archive(msgspec.structs.replace(moved, version=4), LATER)), (1, 1, "")),
    ]
    for number, (write, expected) in enumerate(writes):
        await write((store, replica)[number % 2])
        for asked in (store, replica, store, replica):
            everything, to_be_had = await asked.page(Query(limit=1)), await asked.page(Query(in_stock=True))
            facets = " ".join(facet.value for facet in (*everything.categories, *everything.tags))
            assert (everything.total, to_be_had.total, facets) == expected
    await replica.close()


async def test_every_page_and_order_of_a_result_has_its_facts_and_no_other_result_has_them(store: ProductStore) -> None:
    for number in range(5):
        await store.add(product(f"P{number}", category="Hats" if number else None, tags=(f"t{number}",)), None)
    for _ in range(2):
        first = await store.page(Query(limit=2, sort="name"))
        second = await store.page(Query(limit=2, sort="name", after=first.next))
        dear = await store.page(Query(sort="-price"))
        assert [page.total for page in (first, second, dear)] == [5, 5, 5]
        assert first.tags == second.tags == dear.tags
        assert (await store.page(Query(category="Hats"))).total == 4
        assert (await store.page(Query(tags=("t1",)))).categories == [Facet("Hats", 1)]


async def test_sqlite_counts_once_until_something_is_written(sqlite_url: str, watch: Watch) -> None:
    store = open_store(sqlite_url, Metrics("products", "test"), watch)
    await store.prepare()
    await store.add(product(), None)
    asked: list[str] = []
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    connection.set_trace_callback(asked.append)
    kept, decode = KeptFacts(), msgspec.json.Decoder(Product).decode

    def counts(query: Query) -> int:
        asked.clear()
        sqlite_listing.read_listing(connection, query, decode, kept)
        return sum("count(*)" in statement for statement in asked)

    assert [counts(Query()), counts(Query(sort="name")), counts(Query(limit=3))] == [2, 0, 0]
    await store.add(product(), None)
    assert [counts(Query()), counts(Query())] == [2, 0]
    connection.close()
    await store.close()


class Heard(CommandListener):
    """Counts the commands that count."""

    def __init__(self) -> None:
        self.counts = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.counts += any("$facet" in stage for stage in event.command.get("pipeline", ()))

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


async def test_mongodb_counts_once_until_something_is_written(mongo_url: str, watch: Watch) -> None:
    store = open_store(mongo_url, Metrics("products", "test"), watch)
    await store.prepare()
    heard, kept = Heard(), KeptFacts()
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
        mongo_url, event_listeners=[heard], readConcernLevel="majority", tz_aware=True
    )
    for _ in range(2):
        await store.add(product(), None)
        heard.counts = 0
        for _ in range(10):
            await mongo_listing.read_listing(client.get_default_database(), Query(), kept)
        # An idle MongoDB writes a note of its own now and then, and anything written may have changed a count.
        assert 1 <= heard.counts < 5
    await client.close()
    await store.close()


def test_kept_facts_are_those_of_one_state_and_bounded() -> None:
    kept, facts = KeptFacts(), Facts(1, [], [])
    assert kept.find(None, Query()) is None
    kept.keep(1, Query(), facts)
    assert kept.find(1, Query(sort="price", limit=7, after=(5, "x"))) is facts
    assert kept.find(2, Query()) is None
    assert kept.find(1, Query(category="c")) is None
    kept.keep(2, Query(category="c"), facts)
    assert [kept.find(state, Query()) for state in (1, 2)] == [None, None]
    for number in range(KEPT_MAX):
        kept.keep(2, Query(min_price=number), facts)
    held = [kept.find(2, Query(min_price=number)) for number in range(KEPT_MAX)]
    assert 0 < sum(found is facts for found in held) <= KEPT_MAX
    assert held[-1] is facts
