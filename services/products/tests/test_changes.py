"""The wire of changes: PATCH, stock, pictures."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from products.app import create_app
from shopdev.clients import client_of
from shopdev.people import People

from .conftest import Watch, body, settings


async def test_a_patch_changes_what_it_names(client: httpx.AsyncClient, watch: Watch) -> None:
    before = (await client.post("/products", json=body(stock=3, attributes={"a": "1", "b": "2"}, tags=["x"]))).json()
    watch.advance(hours=1)
    content = {"name": "Hat", "attributes": {"a": None, "$c": "3"}, "price": {"amount": 5}, "tags": None, "stock": None}
    answer = await client.patch(
        f"/products/{before['id']}", json=content, headers={"Content-Type": "application/merge-patch+json"}
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    price = {"amount": 5, "currency": "EUR"}
    assert answer.json() == before | {
        "name": "Hat",
        "attributes": {"b": "2", "$c": "3"},
        "tags": [],
        "variants": [{"sku": "SHIRT", "options": {}, "price": price, "stock": None}],
        "price_from": price,
        "version": 2,
        "updated_at": "2026-03-01T13:00:00Z",
    }
    again = await client.patch(f"/products/{before['id']}", json=content)
    assert again.json() == answer.json()


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"id": "x"}, "#/id"),
        ({"version": 7}, "#/version"),
        ({"price_from": {"amount": 1, "currency": "EUR"}}, "#/price_from"),
        ({"in_stock": True}, "#/in_stock"),
        ({"name": None}, "#/name"),
        ({"name": ""}, "#/name"),
        ({"status": "deleted"}, "#/status"),
        ({"status": None}, "#/status"),
        ({"variants": None}, "#/variants"),
        ({"variants": []}, "#/variants"),
        ({"price": {"amount": -1}}, "#/price/amount"),
        ({"price": None}, "#/price"),
        ({"price": {"amount": None}}, "#/price/amount"),
        ({"attributes": {"a": 1}}, "#/attributes"),
        ({"attributes": {"": "x"}}, "#/attributes"),
        ({"slug": "No Slug"}, "#/slug"),
        ({"image_url": "javascript:1"}, "#/image_url"),
        ({"stock": 1, "variants": [{"sku": "A", "price": {"amount": 1, "currency": "EUR"}}]}, "#/variants"),
    ],
)
async def test_a_bad_patch_is_refused_with_the_place(
    client: httpx.AsyncClient, patch: dict[str, Any], pointer: str
) -> None:
    before = (await client.post("/products", json=body())).json()
    answer = await client.patch("/products/shirt", json=patch)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]
    assert (await client.get("/products/shirt")).json() == before


async def test_a_patch_cannot_take_what_another_product_has(client: httpx.AsyncClient) -> None:
    await client.post("/products", json=body("A", "One"))
    await client.post("/products", json=body("B", "Two"))
    assert (await client.patch("/products/two", json={"sku": "A"})).json()["code"] == "sku_taken"
    assert (await client.patch("/products/two", json={"slug": "one"})).json()["code"] == "slug_taken"
    assert (await client.patch("/products/none", json={})).status_code == 404
    assert (await client.get("/products/two")).json()["version"] == 1


async def test_20_racing_patches_lose_nothing(shop: httpx.AsyncClient) -> None:
    await shop.post("/products", json=body())
    patches = [shop.patch("/products/shirt", json={"attributes": {f"a{n}": "x"}}) for n in range(20)]
    assert {answer.status_code for answer in await asyncio.gather(*patches)} == {200}
    after = (await shop.get("/products/shirt")).json()
    assert (len(after["attributes"]), after["version"]) == (20, 21)


async def test_of_20_racing_patches_of_one_version_one_wins(shop: httpx.AsyncClient) -> None:
    await shop.post("/products", json=body())
    match = {"If-Match": '"1"'}
    patches = [shop.patch("/products/shirt", json={"name": f"N{n}"}, headers=match) for n in range(20)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*patches))
    assert statuses == [200] + [412] * 19
    assert (await shop.get("/products/shirt")).json()["version"] == 2


async def test_stock_is_changed_all_or_nothing(shop: httpx.AsyncClient) -> None:
    await shop.post("/products", json=body("A", "One", stock=5))
    await shop.post("/products", json=body("B", "Two", stock=1))
    await shop.post("/products", json=body("C", "Three"))
    changes = [
        {"sku": "A", "delta": -2},
        {"sku": "B", "delta": 1},
        {"sku": "A", "delta": -1},
        {"sku": "C", "delta": -9},
    ]
    done = await shop.post("/stock", json={"changes": changes})
    assert (done.status_code, done.json()) == (
        200,
        {
            "changes": [
                {"sku": "A", "delta": -3, "stock": 2},
                {"sku": "B", "delta": 1, "stock": 2},
                {"sku": "C", "delta": -9, "stock": None},
            ]
        },
    )
    short = await shop.post("/stock", json={"changes": [{"sku": "A", "delta": -1}, {"sku": "B", "delta": -3}]})
    assert (short.status_code, short.json()["code"]) == (409, "insufficient_stock")
    assert short.json()["skus"] == [{"sku": "B", "available": 2, "wanted": 3}]
    unknown = await shop.post("/stock", json={"changes": [{"sku": "A", "delta": -1}, {"sku": "X", "delta": 3}]})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_sku")
    assert [fault["pointer"] for fault in unknown.json()["errors"]] == ["#/changes/1/sku"]
    found = (await shop.get("/products?sku=A&sku=B&sku=C")).json()["items"]
    assert [(item["variants"][0]["stock"], item["version"]) for item in found] == [(2, 2), (2, 2), (None, 1)]


async def test_a_repeated_change_of_stock_with_a_key_happens_once(shop: httpx.AsyncClient) -> None:
    await shop.post("/products", json=body("A", stock=5))
    content = {"changes": [{"sku": "A", "delta": -2}]}
    answers = [await shop.post("/stock", json=content, headers={"Idempotency-Key": "k"}) for _ in range(3)]
    assert [answer.json()["changes"][0]["stock"] for answer in answers] == [3, 3, 3]
    assert "idempotency-replayed" not in answers[0].headers
    racing = [shop.post("/stock", json=content, headers={"Idempotency-Key": "k2"}) for _ in range(5)]
    assert {answer.status_code for answer in await asyncio.gather(*racing)} <= {200, 409}
    assert (await shop.get("/products/shirt")).json()["variants"][0]["stock"] == 1


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({}, "#/changes"),
        ({"changes": []}, "#/changes"),
        ({"changes": [{"sku": "A", "delta": 1}] * 101}, "#/changes"),
        ({"changes": [{"sku": "A", "delta": 1.5}]}, "#/changes/0/delta"),
        ({"changes": [{"sku": "A", "delta": 10**9 + 1}]}, "#/changes/0/delta"),
        ({"changes": [{"sku": "A", "delta": -(10**9) - 1}]}, "#/changes/0/delta"),
        ({"changes": [{"sku": {"$gt": ""}, "delta": 1}]}, "#/changes/0/sku"),
        ({"changes": [{"sku": "A"}]}, "#/changes/0/delta"),
        ({"changes": [{"sku": "A", "delta": 1, "stock": 1}]}, "#/changes/0/stock"),
    ],
)
async def test_bad_changes_of_stock_are_refused_with_the_place(
    client: httpx.AsyncClient, content: Any, pointer: str
) -> None:
    await client.post("/products", json=body("A", stock=5))
    answer = await client.post("/stock", json=content)
    assert (answer.status_code, [fault["pointer"] for fault in answer.json()["errors"]]) == (422, [pointer])
    assert (await client.get("/products/shirt")).json()["version"] == 1


async def test_50_racing_for_20_pieces_on_the_wire(shop: httpx.AsyncClient) -> None:
    await shop.post("/products", json=body("A", stock=20))
    taking = [shop.post("/stock", json={"changes": [{"sku": "A", "delta": -1}]}) for _ in range(50)]
    answers = await asyncio.gather(*taking)
    assert sorted(answer.status_code for answer in answers) == [200] * 20 + [409] * 30
    left = sorted(answer.json()["changes"][0]["stock"] for answer in answers if answer.status_code == 200)
    assert left == list(range(20))


async def test_changes_are_counted(client: httpx.AsyncClient) -> None:
    await client.post("/products", json=body("A", stock=1))
    await client.post("/products", json=body("A"))
    await client.patch("/products/shirt", json={"name": "Hat"})
    for _ in range(2):
        await client.post("/stock", json={"changes": [{"sku": "A", "delta": -1}]})
    text = (await client.get("/metrics")).text
    for line in (
        'products_changed_total{kind="added",outcome="ok"} 1.0',
        'products_changed_total{kind="added",outcome="sku_taken"} 1.0',
        'products_changed_total{kind="changed",outcome="ok"} 1.0',
        'stock_changes_total{outcome="ok"} 1.0',
        'stock_changes_total{outcome="insufficient_stock"} 1.0',
        "conflicts_retried_total 0.0",
    ):
        assert line in text.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, and things that are none, and one outside."""
    (tmp_path / "secret.svg").write_text("outside")
    inside = tmp_path / "images"
    (inside / "folder.svg").mkdir(parents=True)
    for name in ("shirt-1.svg", "hat.jpg", "notes.txt", ".hidden.svg", "UPPER.svg"):
        (inside / name).write_text(f"<svg>{name}</svg>")
    return inside


async def test_a_picture_is_served_safely(folder: Path, sqlite_url: str, people: People) -> None:
    async with client_of(create_app(settings(sqlite_url, people, images_dir=str(folder)))) as client:
        answer = await client.get("/images/shirt-1.svg")
        assert (answer.status_code, answer.text) == (200, "<svg>shirt-1.svg</svg>")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["cache-control"] == "public, max-age=86400"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
        assert (await client.get("/api/v1/images/hat.jpg")).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    "name",
    [
        "none.svg",
        "notes.txt",
        ".hidden.svg",
        "UPPER.svg",
        "folder.svg",
        "..%2Fsecret.svg",
        "%2e%2e/secret.svg",
        "a%00.svg",
    ],
)
async def test_nothing_but_pictures_of_the_folder_is_served(
    folder: Path, sqlite_url: str, people: People, name: str
) -> None:
    async with client_of(create_app(settings(sqlite_url, people, images_dir=str(folder)))) as client:
        assert (await client.get(f"/images/{name}")).status_code == 404


async def test_without_a_folder_there_are_no_pictures(client: httpx.AsyncClient) -> None:
    assert (await client.get("/images/shirt-1.svg")).status_code == 404
