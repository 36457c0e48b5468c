"""The contract of products: the committed document, what it promises under random calls, and who may call what."""

from pathlib import Path

import httpx
import pytest

from products.app import create_app
from products.settings import Settings
from shopdev.clients import Process, client_of
from shopdev.contract import fuzz, routes_of, written
from shopdev.people import People

from .conftest import body, settings

PRICE = {"amount": 1, "currency": "EUR"}
# Every route: its body, and who may call it.
ROUTES: dict[tuple[str, str], tuple[object, str]] = {
    ("GET", "/products"): (None, "all"),
    ("GET", "/products/{product}"): (None, "all"),
    ("GET", "/changes"): (None, "all"),
    ("GET", "/images/{file}"): (None, "all"),
    ("POST", "/products"): (body("NEW"), "staff"),
    ("PATCH", "/products/{product}"): ({"name": "Changed"}, "staff"),
    ("DELETE", "/products/{product}"): (None, "staff"),
    ("PUT", "/products/{product}/variants/{sku}"): ({"price": PRICE}, "staff"),
    ("DELETE", "/products/{product}/variants/{sku}"): (None, "staff"),
    ("POST", "/products/batch"): ({"items": [body("NEW")]}, "staff"),
    ("POST", "/stock"): ({"changes": [{"sku": "SHIRT", "delta": 1}]}, "staff"),
}


def test_the_committed_document_is_what_the_service_serves() -> None:
    committed = Path(__file__).parents[1] / "openapi.json"
    assert committed.read_text() == written(create_app(Settings())), "run: make contracts"


def test_every_route_has_a_row() -> None:
    assert set(routes_of(create_app(Settings()))) == ROUTES.keys()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_only_staff_change_the_catalogue(
    client: httpx.AsyncClient, people: People, route: tuple[str, str]
) -> None:
    method, template = route
    content, who = ROUTES[route]
    before = (await client.post("/products", json=body(stock=5))).json()
    path = template.format(product="shirt", sku="SHIRT", file="none.svg")
    for headers, status in [
        ({"Authorization": "Basic dTpw"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer x.y.z"}, 401),
        (people.bearer("customer"), 403),
        (people.bearer("other", "customer", "stafff"), 403),
        (people.bearer("staff-1", "staff", exp=1), 401),
        (people.bearer("staff-1", "staff", aud="other"), 401),
        (people.bearer("staff-1", "staff", iss="https://other.example"), 401),
        (people.bearer("staff-1", "staff", typ="JWT"), 401),
        (people.bearer("staff-1", "staff", alg="none"), 401),
        (people.bearer("staff-1", "staff", alg="HS256", key="k" * 32), 401),
        (people.bearer("staff-1", "staff", kid="unknown"), 401),
    ]:
        answer = await client.request(method, path, json=content, headers=headers)
        if who == "all":
            assert answer.status_code in {200, 404}
            continue
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), headers
        assert (answer.headers.get("WWW-Authenticate") == "Bearer") == (status == 401)
    del client.headers["authorization"]
    for prefix in ("", "/api/v1"):
        anonymous = await client.request(method, prefix + path, json=content)
        assert anonymous.status_code in ({200, 404} if who == "all" else {401})
    assert (await client.get("/products/shirt")).json() == before
    assert (await client.get("/products")).json()["total"] == 1


async def test_random_calls_find_no_server_error_and_no_undocumented_answer(sqlite_url: str, people: People) -> None:
    async with Process("products", STORE_URL=sqlite_url, USERS_URL=people.url) as service:
        await fuzz(service.url, people.bearer("staff-1", "staff"), 6)


FAULTS: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"   ", 400),
    (b"{", 400),
    (b"\xff\xfe", 400),
    (b'{"name":NaN}', 400),
    (b'{"name":"a","name":"b"}', 400),
    (b'{"name":"x","attributes":{"a":"1","a":"2"}}', 400),
    (b'{"name":"\\ud800"}', 400),
    (b"[" * 5000, 400),
    (b"[]", 422),
    (b'"x"', 422),
    (b"null", 422),
    (b'{"name":"a\\u0000"}', 422),
    (b'{"stock":1e400}', 422),
    (b'{"stock":99999999999999999999999999}', 422),
    (b'{"stock":true}', 422),
    (b'{"$set":{"name":"x"}}', 422),
    (b'{"name":{"$gt":""}}', 422),
    (b'{"description":"' + b"x" * 70_000 + b'"}', 413),
    (b"x" * 10_000_000, 413),
]


@pytest.mark.parametrize(("method", "path"), [("POST", "/products"), ("PATCH", "/products/shirt")])
async def test_bad_bodies_are_problems_and_change_nothing(client: httpx.AsyncClient, method: str, path: str) -> None:
    before = (await client.post("/products", json=body())).json()
    for content, status in FAULTS:
        answer = await client.request(method, path, content=content, headers={"Content-Type": "application/json"})
        told = (answer.status_code, answer.headers["content-type"])
        assert told == (status, "application/problem+json"), content[:80]
    assert (await client.get("/products/shirt")).json() == before
    assert (await client.get("/products")).json()["total"] == 1


async def test_other_media_types_are_refused(client: httpx.AsyncClient) -> None:
    for media_type in ("text/plain", "application/xml", "", "multipart/form-data"):
        answer = await client.post("/products", content=b"{}", headers={"Content-Type": media_type})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), media_type


async def test_unknown_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    unknown = await client.get("/nothing/here")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    wrong = await client.put("/products")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= {method.strip() for method in wrong.headers["allow"].split(",")}


async def test_with_users_down_all_can_read_and_staff_are_told(sqlite_url: str, people: People) -> None:
    apart = settings(sqlite_url, people)
    down = Settings(store_url=apart.store_url, users_url="http://127.0.0.1:9", log_level="error")
    async with client_of(create_app(down)) as client:
        assert (await client.get("/products")).status_code == 200
        refused = await client.post("/products", json=body(), headers=people.bearer("staff-1", "staff"))
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
