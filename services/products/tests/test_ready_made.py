"""What stands ready is answered as the framework answers it, to the last header."""

import asyncio
from typing import Any

import httpx
import pytest

from .conftest import body

FRESH = {"Cache-Control": "no-cache"}
Told = tuple[int, dict[str, str], bytes]


def told(answer: httpx.Response) -> Told:
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    assert len(answer.headers["x-request-id"]) > 0
    return answer.status_code, headers, answer.content


@pytest.fixture
async def made(client: httpx.AsyncClient) -> dict[str, Any]:
    made: dict[str, Any] = (await client.post("/products", json=body("A", "Tea pot", category="Kitchen"))).json()
    await client.post("/products", json=body("B", "Tea cup", category="Kitchen"))
    return made


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_a_product_by_id_and_slug(
    client: httpx.AsyncClient, made: dict[str, Any], method: str, prefix: str
) -> None:
    for name in (made["id"], made["slug"]):
        path = f"{prefix}/products/{name}"
        for more in ({}, {"If-None-Match": '"1"'}, {"If-None-Match": 'W/"1", "7"'}, {"If-None-Match": '"2"'}):
            ready = told(await client.request(method, path, headers=more))
            assert ready == told(await client.request(method, path, headers=more | FRESH))
            assert ready[0] == (304 if '"1"' in more.get("If-None-Match", "") else 200)


@pytest.mark.parametrize("query", ["", "?q=tea&sort=price", "?category=Kitchen&limit=1", "?q=nothing"])
async def test_a_list_that_was_asked_for_before(client: httpx.AsyncClient, made: dict[str, Any], query: str) -> None:
    first, again = [told(await client.get(f"/products{query}")) for _ in range(2)]
    assert first == again == told(await client.get(f"/products{query}", headers=FRESH))
    assert told(await client.head(f"/products{query}")) == (first[0], first[1], b"")


async def test_nothing_that_stood_ready_outlives_a_change(client: httpx.AsyncClient, made: dict[str, Any]) -> None:
    paths = [f"/products/{made['id']}", f"/products/{made['slug']}", "/products?category=Kitchen", "/products?sku=A"]
    for number in range(3):
        for path in paths * 2:
            assert (await client.get(path)).status_code == 200
        renamed = {"name": f"Name {number}", "slug": f"name-{number}"}
        assert (await client.patch(paths[0], json=renamed)).status_code == 200
        assert (await client.get(paths[1])).status_code == 404
        paths[1] = f"/products/name-{number}"
        for path in paths:
            assert f"Name {number}" in (await client.get(path)).text


async def test_only_a_plain_request_for_a_product_stands_ready(client: httpx.AsyncClient, made: dict[str, Any]) -> None:
    product_id = made["id"]
    for path in (f"/x/products/{product_id}", f"/products/x/{product_id}", f"/products/{product_id}/variants"):
        assert (await client.get(path)).status_code == 404
    # A faulty query is refused each time.
    for _ in range(2):
        assert (await client.get("/products?limit=0")).status_code == 422


async def test_readers_and_writers_at_once_never_see_an_older_version(
    client: httpx.AsyncClient, made: dict[str, Any]
) -> None:
    path = f"/products/{made['id']}"
    seen: list[int] = []

    async def read() -> None:
        while not seen or seen[-1] < 21:
            seen.append((await client.get(path)).json()["version"])
            await asyncio.sleep(0)

    async def write() -> None:
        for number in range(20):
            answer = await client.patch(path, json={"name": f"Name {number}"})
            # Whoever was told of the change reads it, or a later one.
            assert (await client.get(path)).json()["version"] >= answer.json()["version"]

    await asyncio.gather(read(), write())
    assert seen == sorted(seen)
