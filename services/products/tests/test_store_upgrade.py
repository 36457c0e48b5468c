"""A MongoDB as version 0.1.0 left it, with what it searched and sorted by, is brought up to date."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from products import product as rules
from products.listing import Query
from products.product import Product
from products.store import ProductStore
from products.stores import open_store
from products.stores.mongo import CLEARED_AT_ONCE, drop_search
from products.stores.mongo_record import to_document
from products.words import name_key, words_of
from shopkit.metrics import Metrics
from shopkit.mongo import Database

from .conftest import START, Watch, catalogue_of, everything, product, variant
from .views import eventually

LATER = START + timedelta(minutes=1)
DEAD = {"words", "price_from", "name_key"}
NEEDED = {"_id_", "slug_1", "variants.sku_1"}


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        yield client.get_default_database()


@pytest.fixture
def replicas(mongo_url: str, watch: Watch) -> list[ProductStore]:
    return [open_store(mongo_url, Metrics("products", "test"), watch) for _ in range(3)]


def old_document(kept: Product) -> dict[str, Any]:
    labels = " ".join([kept.category or "", *kept.tags])
    words = {"name": kept.name, "labels": labels, "description": kept.description}
    return to_document(kept) | {
        "price_from": kept.price_from.amount,
        "name_key": name_key(kept.name),
        "words": {field: words_of(text) for field, text in words.items()},
    }


async def leave_behind(database: Database, products: list[Product]) -> None:
    """What 0.1.0 made and wrote."""
    collection = database["products"]
    await collection.create_index("slug", unique=True)
    await collection.create_index("variants.sku", unique=True)
    for key in ("price_from", "name_key", "created_at", "category", "tags"):
        await collection.create_index([("status", 1), (key, 1), ("_id", 1)])
    weights = {"words.name": 100, "words.labels": 10, "words.description": 1}
    text = [(field, "text") for field in weights]
    await collection.create_index(text, weights=weights, default_language="none", name="search")
    await collection.insert_many([old_document(each) for each in products])
    await database["migrations"].insert_many([{"_id": number, "done": True} for number in (1, 2)])


async def assert_lean(database: Database) -> None:
    assert set(await database["products"].index_information()) == NEEDED
    assert await database["products"].count_documents({"$or": [{name: {"$exists": True}} for name in DEAD]}) == 0


async def test_replicas_that_start_together_upgrade_it_once_and_all_is_found(
    database: Database, replicas: list[ProductStore], watch: Watch
) -> None:
    variants = variant("A", 300, None, size="M"), variant("B", 200)
    shirt = product("Éclair shirt", *variants, tags=("new",), category="Tops")
    products = [shirt, *(product(f"Cup {number}") for number in range(CLEARED_AT_ONCE * 2))]
    await leave_behind(database, products)
    assert len(await database["products"].index_information()) == 9
    await asyncio.gather(*(replica.prepare() for replica in replicas))
    await assert_lean(database)
    store = replicas[0]
    assert sorted(await everything(store), key=lambda each: each.id) == products
    assert await store.find(shirt.slug) == shirt
    assert await store.find_by_skus(["B"]) == [shirt]
    async with catalogue_of(store, watch) as catalogue:
        assert catalogue.page(Query()).total == len(products)
        assert catalogue.page(Query(words=("eclair",), sort="relevance")).products == [shirt]
    await asyncio.gather(*(replica.close() for replica in replicas))


async def test_an_upgrade_that_was_cut_short_is_finished(database: Database, replicas: list[ProductStore]) -> None:
    products = [product(f"Cup {number}") for number in range(3)]
    await leave_behind(database, products)
    await database["products"].drop_index("search")
    await database["products"].update_one({"_id": products[0].id}, {"$unset": {"words": ""}})
    await database["migrations"].insert_one({"_id": 3, "done": False, "until": START - timedelta(days=365)})
    store = replicas[0]
    await store.prepare()
    await assert_lean(database)
    assert sorted(await everything(store), key=lambda each: each.id) == products
    await store.close()


async def test_a_replica_at_work_reads_what_older_ones_write_and_goes_on_while_it_is_upgraded(
    database: Database, replicas: list[ProductStore], watch: Watch
) -> None:
    store = replicas[0]
    await store.prepare()
    async with catalogue_of(store, watch) as catalogue:
        shirt, cup = product("Shirt"), product("Cup")
        await database["products"].insert_many([old_document(shirt), old_document(cup)])
        assert [await store.find(each.id) for each in (shirt, cup)] == [shirt, cup]

        async def shows(*expected: Product) -> bool:
            return catalogue.page(Query(sort="name")).products == list(expected)

        assert await eventually(lambda: shows(cup, shirt))
        await drop_search(database)
        await assert_lean(database)
        changed = rules.next_version(shirt, LATER, name="Changed")
        await database["products"].replace_one({"_id": shirt.id}, old_document(changed))
        assert await eventually(lambda: shows(changed, cup))
        await store.save(rules.next_version(changed, LATER, name="Saved"))
        await assert_lean(database)
    await store.close()
