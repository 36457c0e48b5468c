"""Batches: every item on its own, in the order given."""

from typing import Any

import httpx

from products.batch import Item, lanes, skus_of

from .conftest import body, product, variant

PRICE = {"amount": 500, "currency": "EUR"}


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


def test_skus_are_read_from_whatever_an_item_is() -> None:
    assert skus_of({"sku": "A", "variants": [{"sku": "B"}, {"sku": 5}, 7, {}]}) == ["A", "B"]
    for nothing in (None, 5, [], "A", {}, {"sku": ["A"]}, {"variants": {"sku": "A"}}):
        assert skus_of(nothing) == []


def test_items_that_touch_the_same_follow_each_other_and_others_do_not() -> None:
    known = [product("Known", variant("K1"), variant("K2"))]
    named = [["A"], ["K1"], ["B"], [], ["K2"], ["A", "C"], ["D", "B"], ["C"], []]
    items = [Item(number, {}, skus) for number, skus in enumerate(named)]
    found = [[item.number for item in lane] for lane in lanes(items, known)]
    assert sorted(found) == [[0, 5, 7], [1, 4], [2, 6], [3], [8]]
