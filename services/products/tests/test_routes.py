"""The wire of single products: status, headers, body and problems."""

from typing import Any

import httpx
import pytest

from .conftest import Watch, body

TWO = [
    {"sku": "S", "options": {"size": "S"}, "price": {"amount": 900, "currency": "EUR"}, "stock": 0},
    {"sku": "M", "options": {"size": "M"}, "price": {"amount": 1000, "currency": "EUR"}, "stock": 3},
]


async def test_a_product_of_one_variant_is_added_and_found(client: httpx.AsyncClient) -> None:
    added = await client.post("/products", json=body(stock=4))
    assert added.status_code == 201
    found = added.json()
    assert added.headers["location"] == f"/products/{found['id']}"
    assert added.headers["etag"] == '"1"'
    assert found == {
        "id": found["id"],
        "slug": "shirt",
        "name": "Shirt",
        "description": "",
        "category": None,
        "tags": [],
        "attributes": {},
        "image_url": None,
        "status": "active",
        "variants": [{"sku": "SHIRT", "options": {}, "price": {"amount": 1999, "currency": "EUR"}, "stock": 4}],
        "price_from": {"amount": 1999, "currency": "EUR"},
        "in_stock": True,
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
    }
    for name in (found["id"], "shirt"):
        shown = await client.get(f"/products/{name}")
        assert (shown.status_code, shown.json(), shown.headers["etag"]) == (200, found, '"1"')


async def test_a_product_of_several_variants_is_kept_as_given(shop: httpx.AsyncClient) -> None:
    content = {
        "name": "Ärmelshirt ‹weiß›",
        "variants": TWO,
        "description": "Line\nline",
        "category": "Tops",
        "tags": ["b", "a", "b"],
        "attributes": {"$gt": "", "a.b": "c", "": "x"} | {"__proto__": "$where"},
        "image_url": "/images/shirt.svg",
        "slug": "hemd-weiß",
    }
    del content["attributes"][""]
    added = (await shop.post("/products", json=content)).json()
    shown = (await shop.get("/products/hemd-weiß")).json()
    assert shown == added
    assert {name: shown[name] for name in content} == content | {"tags": ["b", "a"]}
    assert shown["price_from"]["amount"] == 900
    assert shown["in_stock"] is True


async def test_location_and_paths_are_the_same_under_the_prefix(client: httpx.AsyncClient) -> None:
    added = await client.post("/api/v1/products", json=body())
    assert added.headers["location"].startswith("/api/v1/products/")
    assert (await client.get(added.headers["location"])).json() == added.json()


async def test_who_has_the_product_already_gets_304(client: httpx.AsyncClient) -> None:
    await client.post("/products", json=body())
    again = await client.get("/products/shirt", headers={"If-None-Match": '"1"'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"1"')
    assert (await client.get("/products/shirt", headers={"If-None-Match": '"2"'})).status_code == 200


async def test_what_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    for name in ("nothing", "0190a0a0-0000-7000-8000-000000000000", "%00", "%F0%9F%98%80", "$gt"):
        answer = await client.get(f"/products/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), name


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"name": "x" * 201}, "#/name"),
        ({"name": "a\0b"}, "#/name"),
        ({"name": {"$gt": ""}}, "#/name"),
        ({"sku": "a b"}, "#/sku"),
        ({"sku": "ü"}, "#/sku"),
        ({"sku": "x" * 65}, "#/sku"),
        ({"sku": "x\n"}, "#/sku"),
        ({"price": None}, "#/price"),
        ({"price": {"amount": -1, "currency": "EUR"}}, "#/price/amount"),
        ({"price": {"amount": 1.5, "currency": "EUR"}}, "#/price/amount"),
        ({"price": {"amount": "3", "currency": "EUR"}}, "#/price/amount"),
        ({"price": {"amount": 10**30, "currency": "EUR"}}, "#/price/amount"),
        ({"price": {"amount": 1, "currency": "eur"}}, "#/price/currency"),
        ({"price": {"amount": 1, "currency": "EUR", "tax": 1}}, "#/price/tax"),
        ({"stock": -1}, "#/stock"),
        ({"stock": 10**9 + 1}, "#/stock"),
        ({"variants": TWO}, "#/sku"),
        ({"image_url": "javascript:alert(1)"}, "#/image_url"),
        ({"image_url": "data:image/png;base64,xx"}, "#/image_url"),
        ({"image_url": "//elsewhere.example/x.png"}, "#/image_url"),
        ({"image_url": "/\\elsewhere.example/x.png"}, "#/image_url"),
        ({"tags": ["ok", ""]}, "#/tags/1"),
        ({"tags": [f"{n}" for n in range(51)]}, "#/tags"),
        ({"attributes": {"a": 5}}, "#/attributes"),
        ({"attributes": {f"{n}": "" for n in range(101)}}, "#/attributes"),
        ({"slug": "Not A Slug"}, "#/slug"),
        ({"slug": "batch"}, "#/slug"),
        ({"slug": "0190a0a0-0000-7000-8000-000000000000"}, "#/slug"),
        ({"id": "x"}, "#/id"),
        ({"status": "archived"}, "#/status"),
    ],
)
async def test_a_bad_product_is_refused_with_the_place(
    client: httpx.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    answer = await client.post("/products", json=body() | change)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert (await client.get("/products")).json()["total"] == 0


@pytest.mark.parametrize(
    ("variants", "pointer"),
    [
        ([], "#/variants"),
        ([{**TWO[0], "sku": f"S{n}"} for n in range(101)], "#/variants"),
        ([TWO[0], TWO[0]], "#/variants/1/sku"),
        ([TWO[0], {**TWO[1], "price": {"amount": 1, "currency": "USD"}}], "#/variants/1/price/currency"),
        ([{**TWO[0], "colour": "red"}], "#/variants/0/colour"),
        ([{"sku": "S"}], "#/variants/0/price"),
    ],
)
async def test_bad_variants_are_refused_with_the_place(
    client: httpx.AsyncClient, variants: list[Any], pointer: str
) -> None:
    answer = await client.post("/products", json={"name": "Shirt", "variants": variants})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        ({"sku": "S"}, "#/price"),
        ({"price": TWO[0]["price"]}, "#/sku"),
        ({}, "#/variants"),
        ({"stock": 1}, "#/variants"),
    ],
)
async def test_half_a_variant_is_refused(client: httpx.AsyncClient, form: dict[str, Any], pointer: str) -> None:
    answer = await client.post("/products", json={"name": "Shirt", **form})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_a_taken_sku_or_slug_is_a_conflict(shop: httpx.AsyncClient) -> None:
    await shop.post("/products", json=body("ONE"))
    sku = await shop.post("/products", json=body("ONE", "Other"))
    slug = await shop.post("/products", json=body("TWO", slug="shirt"))
    assert (sku.status_code, sku.json()["code"], sku.json()["sku"]) == (409, "sku_taken", "ONE")
    assert (slug.status_code, slug.json()["code"]) == (409, "slug_taken")
    assert (await shop.get("/products")).json()["total"] == 1


async def test_products_of_one_name_get_slugs_of_their_own(shop: httpx.AsyncClient) -> None:
    slugs = [(await shop.post("/products", json=body(f"S{n}"))).json()["slug"] for n in range(5)]
    assert slugs[:3] == ["shirt", "shirt-2", "shirt-3"]
    assert len(set(slugs)) == 5


async def test_a_repeated_request_with_a_key_adds_once(shop: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await shop.post("/products", json=body(), headers=key)
    again = await shop.post("/products", json=body(), headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    other = await shop.post("/products", json=body(amount=1), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await shop.get("/products")).json()["total"] == 1


async def test_a_key_is_forgotten_after_a_day(shop: httpx.AsyncClient, watch: Watch) -> None:
    key = {"Idempotency-Key": "k1"}
    await shop.post("/products", json=body(), headers=key)
    watch.advance(hours=25)
    assert (await shop.post("/products", json=body(), headers=key)).json()["code"] == "sku_taken"


async def test_an_archived_product_is_shown_but_not_listed(client: httpx.AsyncClient) -> None:
    added = (await client.post("/products", json=body())).json()
    gone = await client.delete(f"/products/{added['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await client.delete(f"/products/{added['id']}")).status_code == 204
    shown = (await client.get("/products/shirt")).json()
    assert (shown["status"], shown["version"]) == ("archived", 2)
    assert (await client.get("/products")).json()["items"] == []
    assert (await client.get("/products?sku=SHIRT")).json()["items"] == [shown]
    back = await client.patch(f"/products/{added['id']}", json={"status": "active"})
    assert back.json()["status"] == "active"
    assert (await client.get("/products")).json()["total"] == 1


async def test_a_stale_if_match_changes_nothing_and_shows_the_present_product(client: httpx.AsyncClient) -> None:
    added = (await client.post("/products", json=body(stock=3) | {"slug": "s"})).json()
    now = (await client.patch("/products/s", json={"name": "New"}, headers={"If-Match": '"1"'})).json()
    assert now["version"] == 2
    stale = {"If-Match": '"1"'}
    content = {"price": added["price_from"]}
    for answer in (
        await client.patch("/products/s", json={"name": "Newer"}, headers=stale),
        await client.delete("/products/s", headers=stale),
        await client.put("/products/s/variants/X", json=content, headers=stale),
        await client.delete("/products/s/variants/SHIRT", headers=stale),
    ):
        assert (answer.status_code, answer.json()["code"]) == (412, "version_conflict")
        assert answer.json()["current"] == now
    assert (await client.get("/products/s")).json() == now


async def test_variants_are_added_replaced_and_removed(shop: httpx.AsyncClient, watch: Watch) -> None:
    await shop.post("/products", json={"name": "Shirt", "variants": TWO})
    watch.advance(minutes=1)
    large = {"options": {"size": "L"}, "price": {"amount": 500, "currency": "EUR"}, "stock": None}
    put = await shop.put("/products/shirt/variants/L", json=large)
    assert put.status_code == 200
    assert put.json()["variants"] == [*TWO, {"sku": "L", **large}]
    assert put.json()["price_from"]["amount"] == 500
    assert (put.json()["updated_at"], put.headers["etag"]) == ("2026-03-01T12:01:00Z", '"2"')
    again = await shop.put("/products/shirt/variants/L", json=large)
    assert again.json() == put.json()
    removed = await shop.delete("/products/shirt/variants/S")
    assert (removed.status_code, [v["sku"] for v in removed.json()["variants"]]) == (200, ["M", "L"])
    assert (await shop.delete("/products/shirt/variants/S")).status_code == 404
    assert (await shop.get("/products?sku=S&sku=L")).json()["missing"] == ["S"]
    await shop.delete("/products/shirt/variants/M")
    last = await shop.delete("/products/shirt/variants/L")
    assert (last.status_code, last.json()["code"]) == (409, "last_variant")


async def test_a_variant_that_does_not_fit_is_refused(client: httpx.AsyncClient) -> None:
    await client.post("/products", json=body("A", "One"))
    await client.post("/products", json=body("B", "Two"))
    price = {"price": {"amount": 1, "currency": "EUR"}}
    taken = await client.put("/products/one/variants/B", json=price)
    assert (taken.status_code, taken.json()["code"]) == (409, "sku_taken")
    currency = await client.put("/products/one/variants/C", json={"price": {"amount": 1, "currency": "USD"}})
    assert (currency.status_code, currency.json()["errors"][0]["pointer"]) == (422, "#/price/currency")
    sku = await client.put("/products/one/variants/a%20b", json=price)
    assert (sku.status_code, sku.json()["errors"][0]["pointer"]) == (422, "#/path/sku")
    assert (await client.put("/products/none/variants/C", json=price)).status_code == 404
    assert (await client.get("/products/one")).json()["version"] == 1


async def test_a_hundred_and_first_variant_is_refused(client: httpx.AsyncClient) -> None:
    price = {"amount": 1, "currency": "EUR"}
    await client.post(
        "/products", json={"name": "Many", "variants": [{"sku": f"S{n}", "price": price} for n in range(100)]}
    )
    full = await client.put("/products/many/variants/S100", json={"price": price})
    assert (full.status_code, full.json()["code"]) == (409, "variant_limit")
    assert (await client.put("/products/many/variants/S99", json={"price": price, "stock": 1})).status_code == 200
