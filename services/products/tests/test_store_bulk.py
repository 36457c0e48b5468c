"""THE CONTRACT of a ProductStore, many products at once: each is kept or refused as if it were alone."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import BulkWriteError, OperationFailure

from products import product as rules
from products.product import Product, SkuTaken
from products.store import ProductStore
from products.stores.mongo import refusals_in
from shopkit.errors import RecordChanged

from .conftest import START, everything, product, variant

LATER = START + timedelta(minutes=1)
STRANGE = '\'"\\$gt .a {"$ne": 1} $version $$ROOT 🧵 人参 é\u0301 %_*'


def later(before: Product, **changes: Any) -> Product:
    return rules.next_version(before, LATER, **changes)


async def kept(store: ProductStore, *products: Product) -> tuple[Product, ...]:
    for each in products:
        await store.add(each, None)
    return products


def kinds(outcomes: list[Any]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]


async def test_new_products_and_next_versions_are_kept_together(store: ProductStore) -> None:
    (old,) = await kept(store, product("Old", variant("A"), variant("B")))
    new, changed = product("New", variant("C")), later(old, name="Changed", variants=(variant("A"), variant("D")))
    assert await store.keep_all([new, changed]) == [None, None]
    assert await store.find(new.id) == new
    assert await store.find(old.id) == changed
    assert await store.find_by_skus(["B"]) == []
    assert await store.find_by_skus(["D"]) == [changed]
    assert sorted(each.name for each in await everything(store)) == ["Changed", "New"]


async def test_nothing_to_keep_is_kept(store: ProductStore) -> None:
    assert await store.keep_all([]) == []


async def test_whatever_a_product_holds_comes_back_equal(store: ProductStore) -> None:
    strange = product(
        STRANGE,
        variant("A.b_c-1", 0, None, **{STRANGE: STRANGE, "$inc": "x", "a.b": ""}),
        description=STRANGE * 50,
        category=STRANGE,
        tags=(STRANGE, "$where"),
        attributes={STRANGE: STRANGE, "$set": "y", "_id": "z"},
    )
    assert await store.keep_all([strange]) == [None]
    assert await store.find(strange.id) == strange
    large = tuple(variant(f"S{number}", **{f"{n:0100}": "ü" * 1000 for n in range(3)}) for number in range(100))
    changed = later(strange, name="$name", description="$$ROOT " * 2000, variants=large)
    assert await store.keep_all([changed]) == [None]
    assert await store.find(strange.id) == changed


async def test_each_is_refused_for_its_own_reason_and_the_others_are_kept(store: ProductStore) -> None:
    first, second, third = await kept(
        store, product("1", variant("A"), slug="one"), product("2", variant("B"), slug="two"), product("3")
    )
    await store.save(later(third, name="Three"))
    new, changed = product("New"), later(first, name="One")
    outcomes = await store.keep_all(
        [
            product("x", variant("X1"), variant("B")),
            new,
            product("x", variant("X2"), slug="two"),
            changed,
            later(third, name="too late"),
            later(product("x", variant("X3")), name="never added"),
            later(second, variants=(variant("B"), variant("A"))),
            later(second, slug="one"),
        ]
    )
    expected = ["SkuTaken", "NoneType", "SlugTaken", "NoneType", "RecordChanged", "RecordChanged", "SkuTaken"]
    assert kinds(outcomes) == [*expected, "SlugTaken"]
    assert [outcomes[0].facts, outcomes[6].facts] == [{"sku": "B"}, {"sku": "A"}]
    assert [await store.find(each.id) for each in (new, first, second)] == [new, changed, second]
    assert await store.find_by_skus(["X1", "X2", "X3"]) == []
    assert len(await everything(store)) == 4


async def test_of_those_that_exclude_each_other_exactly_one_is_kept(store: ProductStore) -> None:
    (old,) = await kept(store, product("Old"))
    twins = [product(f"Twin {number}", variant("T"), slug=f"t{number}") for number in range(3)]
    namesakes = [product(f"Namesake {number}", slug="name") for number in range(3)]
    versions = [later(old, name=f"Version {number}") for number in range(3)]
    outcomes = await store.keep_all([*twins, *namesakes, *versions])
    for group, refusal in ((0, "SkuTaken"), (3, "SlugTaken"), (6, "RecordChanged")):
        assert sorted(kinds(outcomes[group : group + 3])) == ["NoneType", refusal, refusal]
    assert await store.find_by_skus(["T"]) == [twins[outcomes[:3].index(None)]]
    assert await store.find("name") == namesakes[outcomes[3:6].index(None)]
    assert await store.find(old.id) == versions[outcomes[6:].index(None)]


async def test_of_racing_products_with_the_same_skus_each_sku_has_one(store: ProductStore) -> None:
    async def race(number: int) -> list[tuple[str, Product]]:
        skus = [f"S{sku}" for sku in range(20)]
        mine = [product(f"{number} {sku}", variant(sku)) for sku in (skus if number % 2 else skus[::-1])]
        outcomes = await store.keep_all(mine)
        assert all(outcome is None or isinstance(outcome, SkuTaken) for outcome in outcomes)
        return [(each.variants[0].sku, each) for each, outcome in zip(mine, outcomes, strict=True) if outcome is None]

    won = [pair for pairs in await asyncio.gather(*(race(number) for number in range(8))) for pair in pairs]
    assert len(won) == 20
    for sku, winner in won:
        assert await store.find_by_skus([sku]) == [winner]


async def test_of_racing_changes_each_product_has_one(store: ProductStore) -> None:
    olds = await kept(store, *(product(f"Old {number}") for number in range(20)))

    async def race(number: int) -> list[Product]:
        mine = [later(old, name=f"{number}") for old in (olds if number % 2 else olds[::-1])]
        outcomes = await store.keep_all(mine)
        assert all(outcome is None or isinstance(outcome, RecordChanged) for outcome in outcomes)
        return [each for each, outcome in zip(mine, outcomes, strict=True) if outcome is None]

    won = [each for winners in await asyncio.gather(*(race(number) for number in range(8))) for each in winners]
    found = await store.find_by_ids([old.id for old in olds])
    assert sorted(won, key=lambda each: each.id) == sorted(found, key=lambda each: each.id)
    assert len(won) == 20


@pytest.mark.parametrize(
    ("write_errors", "concerns", "code"),
    [
        ([{"index": 0, "code": 11000, "errmsg": "duplicate"}, {"index": 1, "code": 91, "errmsg": "stopping"}], [], 91),
        ([], [{"code": 64, "errmsg": "not on a majority"}], 64),
    ],
)
def test_what_mongodb_refuses_for_reasons_of_its_own_is_no_products_fault(
    write_errors: list[Any], concerns: list[Any], code: int
) -> None:
    failed = BulkWriteError({"writeErrors": write_errors, "writeConcernErrors": concerns})
    with pytest.raises(OperationFailure) as raised:
        refusals_in(failed)
    assert raised.value.code == code
