"""Batches: every item on its own, in the order given."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from products.app import create_app
from products.batch import Item, lanes, skus_of
from shopdev.clients import client_of
from shopdev.people import People

from .conftest import Watch, body, product, settings, variant

# From the store, whichever replica wrote it.
FRESH = {"Cache-Control": "no-cache"}
PRICE = {"amount": 500, "currency": "EUR"}


@pytest.fixture
async def replica(shop: httpx.AsyncClient, store_url: str, people: People) -> AsyncIterator[httpx.AsyncClient]:
    """A second service on the same store as `shop`."""
    async with client_of(create_app(settings(store_url, people))) as opened:
        opened.headers.update(shop.headers)
        yield opened


async def placed(client: httpx.AsyncClient, *items: Any) -> list[dict[str, Any]]:
    answer = await client.post("/products/batch", json={"items": items})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def test_new_skus_are_added_and_known_ones_change(shop: httpx.AsyncClient) -> None:
    old = (await shop.post("/products", json=body("OLD", "Old", tags=["x"]))).json()
    results = await placed(
        shop,
        body("NEW", "New"),
        {"sku": "OLD", "price": {"amount": 7}, "stock": 2},
        {"name": "Many", "variants": [{"sku": "M1", "price": PRICE}, {"sku": "M2", "price": PRICE}]},
        {"sku": "M2", "stock": 4, "name": "Many more"},
    )
    assert [result["status"] for result in results] == [201, 200, 201, 200]
    assert results[1]["id"] == old["id"]
    assert results[2]["id"] == results[3]["id"]
    items = (await shop.get("/products?sku=NEW&sku=OLD&sku=M1")).json()["items"]
    assert [item["id"] for item in items] == [result["id"] for result in results[:3]]
    assert (items[1]["name"], items[1]["tags"], items[1]["version"]) == ("Old", ["x"], 2)
    assert items[1]["variants"][0] == {"sku": "OLD", "options": {}, "price": PRICE | {"amount": 7}, "stock": 2}
    assert (items[2]["name"], [v["stock"] for v in items[2]["variants"]]) == ("Many more", [None, 4])


async def test_a_bad_item_stops_no_other(client: httpx.AsyncClient) -> None:
    await client.post("/products", json=body("TAKEN", "Taken", slug="taken"))
    bad: list[tuple[Any, int, str, str | None]] = [
        (5, 422, "invalid_request", "#"),
        ({}, 422, "invalid_request", "#/name"),
        ({"name": "x"}, 422, "invalid_request", "#/variants"),
        (body("A b"), 422, "invalid_request", "#/sku"),
        (body("NEW", price={"amount": -1, "currency": "EUR"}), 422, "invalid_request", "#/price/amount"),
        (body("NEW", colour="red"), 422, "invalid_request", "#/colour"),
        (body({"$gt": ""}), 422, "invalid_request", "#/sku"),  # type: ignore[arg-type]
        (body("NEW", slug="taken"), 409, "slug_taken", None),
        ({"sku": "TAKEN", "id": "x"}, 422, "invalid_request", "#/id"),
        ({"sku": "TAKEN", "name": ""}, 422, "invalid_request", "#/name"),
    ]
    items = [item for each in bad for item in (each[0], body(f"OK-{bad.index(each)}"))]
    results = await placed(client, *items)
    assert [result["status"] for result in results[1::2]] == [201] * len(bad)
    for (_, status, code, pointer), result in zip(bad, results[::2], strict=True):
        problem = result["problem"]
        assert (result["status"], problem["status"], problem["code"]) == (status, status, code)
        assert [fault["pointer"] for fault in problem.get("errors", [])] == ([pointer] if pointer else [])
        assert problem["type"].endswith(code)
        assert problem["instance"]
        assert "id" not in result
    assert (await client.get("/products/taken")).json()["version"] == 1
    assert (await client.get("/products")).json()["total"] == 1 + len(bad)


async def test_later_items_see_what_earlier_ones_did(shop: httpx.AsyncClient) -> None:
    results = await placed(
        shop,
        body("A", "One"),
        body("A", "Two"),
        {"sku": "A", "stock": 9},
        {"sku": "A", "variants": []},
        {"variants": [{"sku": "A", "price": PRICE}, {"sku": "B", "price": PRICE}]},
        {"sku": "B", "stock": 1},
        {"sku": "B", "price": {"currency": "USD"}},
    )
    assert [result["status"] for result in results] == [201, 200, 200, 422, 200, 200, 422]
    found = (await shop.get("/products?sku=A")).json()["items"][0]
    assert (found["name"], found["slug"], found["version"]) == ("Two", "one", 5)
    assert [(v["sku"], v["stock"]) for v in found["variants"]] == [("A", None), ("B", 1)]


async def test_an_item_cannot_join_two_products(client: httpx.AsyncClient) -> None:
    await placed(client, body("A", "One"), body("B", "Two"))
    both = {"variants": [{"sku": "A", "price": PRICE}, {"sku": "B", "price": PRICE}]}
    (result,) = await placed(client, both)
    assert (result["status"], result["problem"]["code"]) == (409, "sku_taken")


async def test_an_archived_product_stays_archived_unless_told(client: httpx.AsyncClient) -> None:
    await placed(client, body("A"))
    await client.delete("/products/shirt")
    await placed(client, {"sku": "A", "stock": 1})
    assert (await client.get("/products/shirt")).json()["status"] == "archived"
    await placed(client, {"sku": "A", "status": "active"})
    assert (await client.get("/products/shirt")).json()["status"] == "active"


async def test_an_empty_batch_is_an_empty_answer(client: httpx.AsyncClient) -> None:
    assert await placed(client) == []


async def test_a_repeated_batch_with_a_key_gets_the_first_answer(shop: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k"}
    content = {"items": [body("A"), body("B"), 5]}
    first = await shop.post("/products/batch", json=content, headers=key)
    again = await shop.post("/products/batch", json=content, headers=key)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    other = await shop.post("/products/batch", json={"items": []}, headers=key)
    assert other.json()["code"] == "idempotency_key_reused"
    assert [item["version"] for item in (await shop.get("/products?sku=A&sku=B")).json()["items"]] == [1, 1]


async def test_500_items_are_taken_within_the_deadline_and_501_are_not(shop: httpx.AsyncClient) -> None:
    items = [body(f"S{n}", f"Shirt {n}", description="word " * 100, tags=["a", "b"]) for n in range(501)]
    assert (await shop.post("/products/batch", json={"items": items})).status_code == 422
    assert (await shop.get("/products")).json()["total"] == 0
    assert {result["status"] for result in await placed(shop, *items[:500])} == {201}
    assert (await shop.get("/products")).json()["total"] == 500


async def test_a_batch_may_be_larger_than_other_bodies_but_not_without_end(client: httpx.AsyncClient) -> None:
    items = [body(f"S{n}", description="x" * 19_000) for n in range(100)]
    assert {result["status"] for result in await placed(client, *items)} == {201}
    large = await client.post("/products/batch", json={"items": items * 3})
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


async def test_what_changes_nothing_writes_nothing(shop: httpx.AsyncClient, watch: Watch) -> None:
    items = [body(f"S{n}", f"Shirt {n}", tags=["a"], stock=n) for n in range(60)]
    first = await placed(shop, *items)
    before = (await shop.get("/products?limit=100")).json()["items"]
    watch.advance(hours=1)
    again = await placed(shop, *items)
    assert [(result["status"], result["id"]) for result in again] == [(200, result["id"]) for result in first]
    assert (await shop.get("/products?limit=100")).json()["items"] == before
    dearer = await placed(shop, *(item | {"price": PRICE} for item in items))
    assert {result["status"] for result in dearer} == {200}
    after = (await shop.get("/products?limit=100")).json()["items"]
    assert {(item["version"], item["price_from"]["amount"]) for item in after} == {(2, 500)}


async def test_products_of_one_name_get_slugs_of_their_own(shop: httpx.AsyncClient) -> None:
    results = await placed(shop, *(body(f"S{n}", "Shirt") for n in range(60)), body("X", slug="shirt"))
    assert [result["status"] for result in results] == [201] * 60 + [409]
    assert results[60]["problem"]["code"] == "slug_taken"
    items = (await shop.get("/products?limit=100")).json()["items"]
    slugs = {item["slug"] for item in items}
    assert {"shirt", "shirt-2", "shirt-3"} < slugs
    assert len(slugs) == 60


async def test_many_items_of_one_product_follow_each_other(shop: httpx.AsyncClient) -> None:
    changes = [{"sku": "A", "stock": n} for n in range(60)]
    others = [body(f"S{n}", f"Shirt {n}") for n in range(60)]
    mixed = [item for pair in zip(changes, others, strict=True) for item in pair]
    results = await placed(shop, body("A", stock=100), *mixed)
    assert [result["status"] for result in results] == [201] + [200, 201] * 60
    found = (await shop.get("/products?sku=A")).json()["items"][0]
    assert (found["variants"][0]["stock"], found["version"]) == (59, 61)


async def test_large_products_keep_their_order_among_small_ones(shop: httpx.AsyncClient) -> None:
    large = [
        {"name": f"Large {n}", "variants": [{"sku": f"L{n}-{k}", "price": PRICE} for k in range(100)]} for n in range(3)
    ]
    results = await placed(shop, body("A"), large[0], 5, large[1], {"sku": "L0-7", "stock": 7}, large[2], body("A"))
    assert [result["status"] for result in results] == [201, 201, 422, 201, 200, 201, 200]
    assert results[4]["id"] == results[1]["id"]
    assert results[6]["id"] == results[0]["id"]
    (found,) = (await shop.get("/products?sku=L0-99")).json()["items"]
    assert (found["name"], found["variants"][7]["stock"], len(found["variants"])) == ("Large 0", 7, 100)


async def there_are(count: int, *replicas: httpx.AsyncClient) -> None:
    """Each replica lists so many products; what another one wrote, within a second."""
    for each in replicas:
        for _ in range(100):
            listed = (await each.get("/products")).raise_for_status().json()
            if listed["total"] == count:
                break
            await asyncio.sleep(0.01)
        assert listed["total"] == count


@pytest.mark.parametrize("slug", [None, "of-{sku}"])
async def test_racing_batches_with_the_same_skus_make_each_product_once(
    shop: httpx.AsyncClient, replica: httpx.AsyncClient, slug: str | None
) -> None:
    for turn in range(3):
        skus = [f"s{turn}-{n}" for n in range(300)]
        items = [body(sku, sku) | ({"slug": slug.format(sku=sku)} if slug else {}) for sku in skus]
        orders = [items, items[::-1], items[150:] + items[:150], items]
        clients = [shop, replica, shop, replica]
        answers = await asyncio.gather(*(placed(c, *order) for c, order in zip(clients, orders, strict=True)))
        told = [
            (item["sku"], result.get("id"), result["status"])
            for order, results in zip(orders, answers, strict=True)
            for item, result in zip(order, results, strict=True)
        ]
        assert Counter(status for _, _, status in told) == {201: 300, 200: 900}
        ids = {(sku, id_) for sku, id_, _ in told}
        assert len(ids) == 300
        kept = set()
        for start in range(0, 300, 100):
            named = await shop.get("/products", params={"sku": skus[start : start + 100]}, headers=FRESH)
            kept |= {(item["variants"][0]["sku"], item["id"]) for item in named.json()["items"]}
        assert kept == ids
        await there_are(300 * (turn + 1), shop, replica)


@pytest.mark.parametrize("slug", ["{sku}", "{sku}-{batch}"])
async def test_of_racing_batches_with_other_contents_the_last_written_wins_and_none_is_refused(
    shop: httpx.AsyncClient, replica: httpx.AsyncClient, slug: str
) -> None:
    for turn in range(3):
        skus = [f"s{turn}-{n}" for n in range(100)]
        batches = [
            [body(sku, f"{sku} of {batch}", slug=slug.format(sku=sku, batch=batch), stock=batch) for sku in skus]
            for batch in range(2)
        ]
        answers = await asyncio.gather(placed(shop, *batches[0]), placed(replica, *batches[1]))
        kept = (await shop.get("/products", params={"sku": skus}, headers=FRESH)).json()["items"]
        for found, written, told in zip(kept, zip(*batches, strict=True), zip(*answers, strict=True), strict=True):
            assert sorted(result["status"] for result in told) == [200, 201]
            assert {result["id"] for result in told} == {found["id"]}
            last = written[[result["status"] for result in told].index(200)]
            assert [found[name] for name in ("name", "slug", "version")] == [last["name"], last["slug"], 2]
            assert found["variants"][0]["stock"] == last["stock"]
        await there_are(100 * (turn + 1), shop, replica)


async def test_of_items_with_one_slug_the_first_has_it_unless_they_are_one_product(shop: httpx.AsyncClient) -> None:
    await placed(shop, body("OLD", slug="old"))
    results = await placed(
        shop,
        body("A", "One", slug="same"),
        body("B", "Two", slug="same"),
        body("A", "Three", slug="same"),
        body("NEW", slug="old"),
        {"sku": "OLD", "slug": "moved"},
        body("NEW", slug="old"),
        {"sku": "OLD", "slug": "wanted"},
        body("LATE", slug="wanted"),
    )
    assert [result["status"] for result in results] == [201, 409, 200, 409, 200, 201, 200, 409]
    assert {result["problem"]["code"] for result in results if result["status"] == 409} == {"slug_taken"}
    found = (await shop.get("/products?sku=A&sku=OLD&sku=NEW&sku=B&sku=LATE")).json()
    assert [(item["name"], item["slug"]) for item in found["items"]] == [
        ("Three", "same"),
        ("Shirt", "wanted"),
        ("Shirt", "old"),
    ]
    assert found["missing"] == ["B", "LATE"]


async def test_a_batch_and_buyers_of_the_same_products_lose_nothing_to_each_other(shop: httpx.AsyncClient) -> None:
    items = [body(f"S{n}", f"Shirt {n}", stock=100) for n in range(60)]
    await placed(shop, *items)
    dearer = [{"sku": item["sku"], "price": PRICE} for item in items]
    # Two of each batch: the second changes nothing, or what the first was too late for.
    batches = [placed(shop, *dearer), placed(shop, *dearer[::-1])]
    taken = [{"changes": [{"sku": f"S{n % 60}", "delta": -1}]} for n in range(180)]
    *answers, first, second = await asyncio.gather(*(shop.post("/stock", json=t) for t in taken), *batches)
    assert {answer.status_code for answer in answers} == {200}
    assert {result["status"] for result in first + second} == {200}
    found = (await shop.get("/products?limit=100")).json()["items"]
    assert {(p["price_from"]["amount"], p["variants"][0]["stock"], p["version"]) for p in found} == {(500, 97, 5)}


def test_skus_are_read_from_whatever_an_item_is() -> None:
    assert skus_of({"sku": "A", "variants": [{"sku": "B"}, {"sku": 5}, 7, {}]}) == ["A", "B"]
    for nothing in (None, 5, [], "A", {}, {"sku": ["A"]}, {"variants": {"sku": "A"}}):
        assert skus_of(nothing) == []


def test_items_that_touch_the_same_follow_each_other_and_others_do_not() -> None:
    known = [product("Known", variant("K1"), variant("K2"))]
    named = [["A"], ["K1"], ["B"], [], ["K2"], ["A", "C"], ["D", "B"], ["C"], []]
    items = [Item(number, {"variants": [{"sku": sku} for sku in skus]}) for number, skus in enumerate(named)]
    found = [[item.number for item in lane] for lane in lanes(items, known)]
    assert sorted(found) == [[0, 5, 7], [1, 4], [2, 6], [3], [8]]
    k, other = product("K", variant("K"), slug="of-k"), product("L", variant("L"), slug="of-l")
    contents = [{"sku": "L"}, {"sku": "K", "slug": "x"}, {"sku": "A", "slug": "of-k"}, {"sku": "B"}, {"slug": "x"}]
    found = [[item.number for item in lane] for lane in lanes([*map(Item, range(5), contents)], [k, other])]
    assert sorted(found) == [[0], [1, 2, 4], [3]]
