"""THE CONTRACT of a ProductStore: each test holds for every store. Lists have a file of their own."""

import asyncio
import gc
from datetime import timedelta

import pytest

from products import product as rules
from products.product import SkuTaken, SlugTaken
from products.stock import InsufficientStock, StockChange, StockLimit, Stocks, UnknownSku
from products.store import ProductStore
from products.stores import open_store
from shopkit.errors import RecordChanged, Unavailable
from shopkit.idempotency import Replay, ReplayExists
from shopkit.metrics import Metrics

from .conftest import START, Watch, everything, product, variant

LATER = START + timedelta(minutes=1)
STRANGE = '\'"\\$gt .a {"$ne": 1} 🧵 人参 é\u0301 %_*'


def replay(name: str = "r") -> Replay:
    return Replay(name, "fingerprint", b"\x00answer", LATER)


async def test_what_is_added_comes_back_equal(store: ProductStore) -> None:
    strange = product(
        STRANGE,
        variant("A.b_c-1", 0, None, **{STRANGE: STRANGE, "$inc": "x", "a.b": ""}),
        variant("a.B_c-1", 10**12, 10**9),
        description=STRANGE * 50,
        category=STRANGE,
        tags=(STRANGE, "$where"),
        attributes={STRANGE: STRANGE, "$set": "y", "_id": "z"},
        image_url="https://pictures.example/a?b=c",
        at=START.replace(microsecond=123_000),
    )
    await store.add(strange, None)
    assert await store.find(strange.id) == strange
    assert await store.find(strange.slug) == strange
    assert await store.find_by_ids([strange.id]) == [strange]
    assert await store.find_by_skus(["a.B_c-1"]) == [strange]


async def test_the_largest_product_is_kept(store: ProductStore) -> None:
    options = {f"{number:0100}": "ü" * 1000 for number in range(3)}
    variants = [variant(f"S{number}", **options) for number in range(100)]
    large = product(
        "x" * 200, *variants, description="word " * 4000, attributes={f"{n:0100}": "ü" * 1000 for n in range(100)}
    )
    await store.add(large, None)
    assert await store.find(large.id) == large


async def test_what_was_never_added_is_not_found(store: ProductStore) -> None:
    await store.add(product(), None)
    for name in ("nothing", "", "\0", "$gt", "0190a0a0-0000-7000-8000-000000000000", "%"):
        assert await store.find(name) is None
        assert await store.find_by_ids([name]) == []
        assert await store.find_by_skus([name]) == []


async def test_a_product_asked_for_by_several_skus_comes_once(store: ProductStore) -> None:
    both, one = product("Both", variant("A"), variant("B")), product("One", variant("C"))
    for each in (both, one):
        await store.add(each, None)
    found = await store.find_by_skus(["A", "C", "B", "missing", "a"])
    assert sorted(p.name for p in found) == ["Both", "One"]
    assert await store.find_by_skus([]) == []
    assert await store.find_by_ids([]) == []


async def test_a_taken_sku_keeps_all_of_a_product_out(store: ProductStore) -> None:
    await store.add(product("First", variant("A"), slug="first"), None)
    with pytest.raises(SkuTaken) as refused:
        await store.add(product("Second", variant("B"), variant("A"), slug="second"), None)
    assert refused.value.facts == {"sku": "A"}
    assert await store.find("second") is None
    assert await store.find_by_skus(["B"]) == []
    assert len(await everything(store)) == 1


async def test_a_taken_slug_is_refused(store: ProductStore) -> None:
    await store.add(product(slug="taken"), None)
    with pytest.raises(SlugTaken):
        await store.add(product(slug="taken"), None)
    other = product()
    await store.add(other, None)
    with pytest.raises(SlugTaken):
        await store.save(rules.next_version(other, LATER, slug="taken"))
    assert await store.find(other.id) == other


async def test_skus_and_slugs_of_archived_products_stay_theirs(store: ProductStore) -> None:
    gone = product("Gone", variant("A"), slug="gone")
    await store.add(gone, None)
    await store.save(rules.archive(gone, LATER))
    with pytest.raises(SkuTaken):
        await store.add(product("New", variant("A")), None)
    with pytest.raises(SlugTaken):
        await store.add(product("New", slug="gone"), None)


async def test_a_saved_change_is_what_is_found(store: ProductStore) -> None:
    before = product("Shirt", variant("A"), variant("B"), slug="old", tags=("x",))
    await store.add(before, None)
    after = rules.next_version(before, LATER, name="Hat", slug="new", variants=(variant("C"),), tags=("y",))
    await store.save(after)
    assert await store.find(before.id) == after
    assert await store.find("new") == after
    assert await store.find("old") is None
    assert await store.find_by_skus(["A", "B"]) == []
    await store.add(product("Other", variant("A"), slug="old"), None)


async def test_a_save_that_takes_a_sku_changes_nothing(store: ProductStore) -> None:
    mine, other = product("Mine", variant("A")), product("Other", variant("B"))
    for each in (mine, other):
        await store.add(each, None)
    with pytest.raises(SkuTaken):
        await store.save(rules.put_variant(mine, variant("B"), LATER))
    assert await store.find(mine.id) == mine
    assert await store.find_by_skus(["A", "B"]) in ([mine, other], [other, mine])


async def test_a_stale_save_is_refused(store: ProductStore) -> None:
    first = product("Shirt")
    await store.add(first, None)
    await store.save(rules.next_version(first, LATER, name="Hat"))
    with pytest.raises(RecordChanged):
        await store.save(rules.next_version(first, LATER, name="Scarf"))
    with pytest.raises(RecordChanged):
        await store.save(rules.next_version(product("Never added"), LATER, name="x"))
    found = await store.find(first.id)
    assert found is not None
    assert (found.name, found.version) == ("Hat", 2)


async def test_of_20_racing_savers_exactly_one_wins(store: ProductStore) -> None:
    first = product("Shirt")
    await store.add(first, None)
    changes = [store.save(rules.next_version(first, LATER, name=f"Name {number}")) for number in range(20)]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType"] + ["RecordChanged"] * 19
    found = await store.find(first.id)
    assert found is not None
    assert found.name == f"Name {outcomes.index(None)}"


async def test_of_20_racing_products_with_one_sku_exactly_one_is_added(store: ProductStore) -> None:
    racing = [product(f"P{number}", variant("ONE"), variant(f"OWN-{number}")) for number in range(20)]
    outcomes = await asyncio.gather(*(store.add(each, None) for each in racing), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType"] + ["SkuTaken"] * 19
    assert await store.find_by_skus(["ONE"]) == [racing[outcomes.index(None)]]
    assert len(await store.find_by_skus([f"OWN-{number}" for number in range(20)])) == 1


async def test_stock_changes_over_several_products_all_or_none(store: ProductStore) -> None:
    shirt, hat = (
        product("Shirt", variant("A", stock=5), variant("B", stock=None)),
        product("Hat", variant("C", stock=1)),
    )
    for each in (shirt, hat):
        await store.add(each, None)
    changes = [StockChange("A", -1), StockChange("C", 1), StockChange("B", -3), StockChange("A", -1)]
    assert await store.change_stock(changes, LATER, None) == {"A": 3, "C": 2, "B": None}
    short = [StockChange("A", -1), StockChange("C", -3)]
    with pytest.raises(InsufficientStock):
        await store.change_stock(short, LATER, None)
    with pytest.raises(UnknownSku):
        await store.change_stock([StockChange("A", -1), StockChange("X", 1)], LATER, None)
    found = {p.name: p for p in await store.find_by_skus(["A", "C"])}
    assert [(p.version, p.updated_at, [v.stock for v in p.variants]) for p in (found["Shirt"], found["Hat"])] == [
        (2, LATER, [3, None]),
        (2, LATER, [2]),
    ]


@pytest.mark.parametrize(
    ("delta", "outcome"),
    [(-5, 0), (4, 9), (0, 5), (-6, InsufficientStock), (10**9 - 5, 10**9), (10**9 - 4, StockLimit)],
)
async def test_stock_of_one_sku_stays_in_its_bounds(
    store: ProductStore, delta: int, outcome: int | type[Exception]
) -> None:
    await store.add(product("Shirt", variant("A", stock=1), variant("B", stock=5)), None)
    changes = [StockChange("B", delta)]
    if isinstance(outcome, int):
        assert await store.change_stock(changes, LATER, None) == {"B": outcome}
    else:
        with pytest.raises(outcome):
            await store.change_stock(changes, LATER, None)
    (found,) = await store.find_by_skus(["B"])
    changed = isinstance(outcome, int) and outcome != 5
    assert [v.stock for v in found.variants] == [1, outcome if changed else 5]
    assert (found.version, found.updated_at) == ((2, LATER) if changed else (1, START))


async def test_one_sku_that_is_not_counted_or_not_there(store: ProductStore) -> None:
    await store.add(product("Shirt", variant("A", stock=None)), None)
    assert await store.change_stock([StockChange("A", -7)], LATER, None) == {"A": None}
    with pytest.raises(UnknownSku):
        await store.change_stock([StockChange("X", 1)], LATER, None)
    assert [p.version for p in await store.find_by_skus(["A"])] == [1]


@pytest.mark.parametrize("keyed", [False, True])
async def test_50_racing_for_20_pieces_take_exactly_20(store: ProductStore, keyed: bool) -> None:
    await store.add(product("Shirt", variant("A", stock=20), variant("B", stock=0)), None)

    async def take(number: int) -> bool:
        def remember(_: Stocks) -> Replay:
            return replay(f"r{number}")

        try:
            await store.change_stock([StockChange("A", -1)], LATER, remember if keyed else None)
        except InsufficientStock:
            return False
        return True

    assert sum(await asyncio.gather(*(take(number) for number in range(50)))) == 20
    (found,) = await store.find_by_skus(["A"])
    assert ([v.stock for v in found.variants], found.version) == ([0, 0], 21)


async def test_racing_changes_over_two_products_lose_nothing(store: ProductStore) -> None:
    await store.add(product("Shirt", variant("A", stock=10)), None)
    await store.add(product("Hat", variant("B", stock=0)), None)

    async def move(number: int) -> bool:
        pair = [StockChange("A", -1), StockChange("B", 1)]
        try:
            await store.change_stock(pair if number % 2 else pair[::-1], LATER, None)
        except InsufficientStock:
            return False
        return True

    assert sum(await asyncio.gather(*(move(number) for number in range(16)))) == 10
    found = {p.name: p.variants[0].stock for p in await store.find_by_skus(["A", "B"])}
    assert found == {"Shirt": 0, "Hat": 10}


async def test_an_answer_is_kept_with_its_change_or_neither_is(store: ProductStore) -> None:
    added = product("Shirt", variant("A", stock=1))
    await store.add(added, replay())
    assert await store.find_replay("r") == replay()
    with pytest.raises(ReplayExists):
        await store.add(product("Other", variant("B")), replay())
    assert await store.find_by_skus(["B"]) == []
    with pytest.raises(ReplayExists):
        await store.change_stock([StockChange("A", 1)], LATER, lambda _: replay())
    assert await store.find(added.id) == added
    with pytest.raises(SkuTaken):
        await store.add(product("Again", variant("A")), replay("other"))
    assert await store.find_replay("other") is None


async def test_an_answer_can_be_made_of_what_is_left(store: ProductStore) -> None:
    await store.add(product("Shirt", variant("A", stock=1), variant("B", stock=2)), None)
    told: list[Stocks] = []

    def remember(stocks: Stocks) -> Replay:
        told.append(dict(stocks))
        return replay()

    await store.change_stock([StockChange("A", 1), StockChange("B", 2)], LATER, remember)
    assert told[-1] == {"A": 2, "B": 4}
    assert await store.find_replay("r") == replay()


async def test_an_answer_is_kept_alone_once_and_for_its_time(store: ProductStore, watch: Watch) -> None:
    await store.keep_replay(replay())
    with pytest.raises(ReplayExists):
        await store.keep_replay(replay())
    watch.moment = LATER
    assert await store.find_replay("r") is None
    assert await store.find_replay("never") is None


async def test_two_replicas_may_start_at_the_same_moment(store_url: str, watch: Watch) -> None:
    replicas = [open_store(store_url, Metrics("products", "test"), watch) for _ in range(2)]
    await asyncio.gather(*(replica.prepare() for replica in replicas))
    added = product("Shirt", variant("A"))
    await replicas[0].add(added, None)
    assert await replicas[1].find(added.slug) == added
    with pytest.raises(SkuTaken):
        await replicas[1].add(product("Other", variant("A")), None)
    assert await everything(replicas[1]) == [added]
    for replica in replicas:
        await replica.close()


async def test_what_was_kept_is_there_after_opening_again(store_url: str, watch: Watch) -> None:
    added = product()
    for opened in (open_store(store_url, Metrics("products", "test"), watch) for _ in range(2)):
        await opened.prepare()
        await opened.ping()
        if await opened.find(added.id) is None:
            await opened.add(added, None)
        assert await opened.find(added.id) == added
        await opened.close()


@pytest.mark.parametrize("url", ["sqlite:////proc/nothing/here.db", "mongodb://127.0.0.1:1/products"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_store_that_cannot_be_reached_says_so(url: str, watch: Watch) -> None:
    down = open_store(url, Metrics("products", "test"), watch)
    for asked in (down.find("x"), down.add(product(), None), down.keep_all([product()]), down.position()):
        with pytest.raises(Unavailable):
            await asked
    with pytest.raises(Unavailable):
        await down.prepare()
    await down.close()
    # PyMongo forgets the socket of an attempt to connect that is cut short: it is told of here, not in another test.
    del down
    gc.collect()
