"""Carts when things go wrong: repeated and racing requests, neighbours down, bad input."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from carts.app import create_app
from carts.settings import Settings
from shopdev.clients import Process, client_of
from shopdev.people import People

from .conftest import Clock, Guest, Products, new_guest, quantities


async def test_a_repeated_key_replays_the_first_answer(client: httpx.AsyncClient) -> None:
    keyed = {"Idempotency-Key": "first"}
    made = await client.post("/carts", json={"sku": "A", "quantity": 1}, headers=keyed)
    again = await client.post("/carts", json={"quantity": 1, "sku": "A"}, headers=keyed)
    assert (again.status_code, again.content) == (201, made.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["ETag"] == made.headers["ETag"]
    assert again.headers["Location"] == made.headers["Location"]
    guest = Guest(client, made.json())
    first = await guest.add("A", 2, headers={"Idempotency-Key": "second"})
    await guest.add("B", 1)
    replayed = await guest.add("A", 2, headers={"Idempotency-Key": "second"})
    assert (replayed.content, quantities((await guest.get()).json())) == (first.content, {"A": 3, "B": 1})


async def test_a_key_counts_though_its_request_changed_nothing(client: httpx.AsyncClient, people: People) -> None:
    bearer = people.bearer("user")
    await client.post("/carts", json={"sku": "A", "quantity": 1}, headers=bearer)
    keyed = bearer | {"Idempotency-Key": "k"}
    first = await client.post("/carts", json={}, headers=keyed)
    await client.post("/carts", json={"sku": "A", "quantity": 1}, headers=bearer)
    again = await client.post("/carts", json={}, headers=keyed)
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    other = await client.post("/carts", json={"sku": "A", "quantity": 1}, headers=keyed)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_merge_makes_nobody_elses_keys_forgotten(store_url: str, settings: Settings, people: People) -> None:
    async with client_of(create_app(replace(settings, store_url=store_url))) as client:
        guest, other = await new_guest(client), await new_guest(client, ("B", 1))
        await guest.add("A", 1, headers={"Idempotency-Key": "k"})
        await client.post("/carts/merge", json={}, headers=people.bearer("user") | other.headers)
        await guest.add("A", 1, headers={"Idempotency-Key": "k"})
        assert quantities((await guest.get()).json()) == {"A": 1}


async def test_a_key_is_for_one_request_of_one_caller(client: httpx.AsyncClient, people: People) -> None:
    guest, other = await new_guest(client), await new_guest(client)
    key = {"Idempotency-Key": "k"}
    assert (await guest.add("A", 1, headers=key)).status_code == 200
    reused = await guest.add("A", 2, headers=key)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await other.add("A", 2, headers=key)).status_code == 200
    made = await client.post("/carts", json={}, headers=key | people.bearer("user"))
    assert made.status_code == 201
    for bad in ("", "x" * 256, "with space"):
        answer = await guest.add("A", 1, headers={"Idempotency-Key": bad})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_key_used_many_times_at_once_has_one_effect(settings: Settings, clock: Clock) -> None:
    async with client_of(create_app(settings, clock=clock)) as one, client_of(create_app(settings, clock=clock)) as two:
        guest = await new_guest(one)
        calls = [
            (one, two)[n % 2].post(
                f"/carts/{guest.id}/lines",
                json={"sku": "A", "quantity": 1},
                headers=guest.headers | {"Idempotency-Key": "k"},
            )
            for n in range(10)
        ]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"idempotency_in_flight"}
        assert quantities((await guest.get()).json()) == {"A": 1}


async def test_a_refused_request_may_be_tried_again_with_its_key(guest: Guest, products: Products) -> None:
    key = {"Idempotency-Key": "k"}
    assert (await guest.add("FEW", 4, headers=key)).status_code == 409
    products.sell("FEW", stock=4)
    assert (await guest.add("FEW", 4, headers=key)).status_code == 200


async def test_20_writers_on_one_cart_lose_nothing(store_url: str, settings: Settings, clock: Clock) -> None:
    settings = replace(settings, store_url=store_url)
    async with client_of(create_app(settings, clock=clock)) as one, client_of(create_app(settings, clock=clock)) as two:
        guest = await new_guest(one)
        body = {"sku": "A", "quantity": 1}
        calls = [
            (one, two)[n % 2].post(f"/carts/{guest.id}/lines", json=body, headers=guest.headers) for n in range(20)
        ]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} == {200}
        assert quantities((await guest.get()).json()) == {"A": 20}
        assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 22))


async def test_two_first_adds_of_a_user_at_once_end_in_one_cart(settings: Settings, people: People) -> None:
    bearer = people.bearer("user")
    async with client_of(create_app(settings)) as one, client_of(create_app(settings)) as two:
        calls = [(one, two)[n % 2].post("/carts", json={"sku": "A", "quantity": 1}, headers=bearer) for n in range(6)]
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
        assert quantities((await one.get("/carts/current", headers=bearer)).json()) == {"A": 6}


async def test_merging_twice_at_once_counts_once(store_url: str, settings: Settings, people: People) -> None:
    settings, bearer = replace(settings, store_url=store_url), people.bearer("user")
    async with client_of(create_app(settings)) as one, client_of(create_app(settings)) as two:
        guest = await new_guest(one, ("A", 3))
        calls = [(one, two)[n % 2].post("/carts/merge", json={}, headers=bearer | guest.headers) for n in range(6)]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert quantities((await one.get("/carts/current", headers=bearer)).json()) == {"A": 3}


async def test_with_products_down_what_was_seen_can_be_read_and_added(
    client: httpx.AsyncClient, products: Products
) -> None:
    guest = await new_guest(client, ("A", 1), ("FEW", 1))
    products.down = True
    cart = (await guest.get()).json()
    assert (cart["stale"], quantities(cart)) == (True, {"A": 1, "FEW": 1})
    assert quantities((await guest.add("A", 1)).json()) == {"A": 2, "FEW": 1}
    assert (await guest.add("FEW", 3)).status_code == 409
    unknown = await guest.add("B", 1)
    assert (unknown.status_code, unknown.json()["code"]) == (503, "catalogue_unavailable")
    assert int(unknown.headers["Retry-After"]) >= 1
    assert (await guest.set("A", 0)).status_code == 200
    assert (await guest.call("DELETE", "/lines/B")).status_code == 200


async def test_a_replica_that_never_saw_the_catalogue_reads_carts_from_their_record(
    settings: Settings, products: Products, clock: Clock
) -> None:
    async with client_of(create_app(settings, clock=clock)) as first:
        guest = await new_guest(first, ("A", 2))
    products.down = True
    async with client_of(create_app(settings, clock=clock)) as second:
        cart = (await second.get(f"/carts/{guest.id}", headers=guest.headers)).json()
        assert (cart["stale"], cart["subtotal"], cart["lines"][0]["name"]) == (
            True,
            {"amount": 2000, "currency": "EUR"},
            "The A",
        )


async def test_when_products_is_back_prices_are_fresh_again(client: httpx.AsyncClient, products: Products) -> None:
    guest = await new_guest(client, ("A", 1))
    products.down = True
    assert (await guest.get()).json()["stale"] is True
    products.down = False
    products.sell("A", 1250)
    cart = (await guest.get()).json()
    assert (cart["stale"], cart["subtotal"]["amount"]) == (False, 1250)
    assert [(notice["code"], notice["old"]["amount"], notice["new"]["amount"]) for notice in cart["notices"]] == [
        ("price_changed", 1000, 1250)
    ]


async def test_a_service_whose_database_is_down_says_so_and_recovers(settings: Settings, tmp_path: Any) -> None:
    (tmp_path / "folder").write_text("in the way")
    settings = replace(settings, store_url=f"sqlite:///{tmp_path}/folder/carts.db")
    async with client_of(create_app(settings)) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
        assert ready.json()["checks"]["store"] != "ok"
        assert (await client.get("/healthz")).status_code == 200
        refused = await client.post("/carts", json={})
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert "Retry-After" in refused.headers
        (tmp_path / "folder").unlink()
        for _ in range(100):
            if (await client.get("/readyz")).status_code == 200:
                break
            await asyncio.sleep(0.05)
        assert (await client.post("/carts", json={})).status_code == 201


async def test_kill_9_loses_no_acknowledged_write(store_url: str, people: People, products: Products) -> None:
    environment = {"STORE_URL": store_url, "USERS_URL": people.url, "PRODUCTS_URL": products.url}
    service = await Process("carts", **environment).start()
    acknowledged: dict[str, int] = {}
    headers: dict[str, str] = {}

    async def write(number: int) -> None:
        async with httpx.AsyncClient(base_url=service.url) as client:
            guest = await new_guest(client)
            headers[guest.id] = guest.token
            for count in range(1, 1000):
                acknowledged[guest.id] = count - 1
                await guest.set("A", count)
                if number == 0 and count == 30:
                    service.kill()

    outcomes = await asyncio.gather(*(write(number) for number in range(8)), return_exceptions=True)
    assert all(isinstance(outcome, httpx.TransportError) for outcome in outcomes), outcomes
    async with Process("carts", **environment) as again, httpx.AsyncClient(base_url=again.url) as client:
        for cart_id, count in acknowledged.items():
            cart = (await client.get(f"/carts/{cart_id}", headers={"Cart-Token": headers[cart_id]})).json()
            assert quantities(cart).get("A", 0) in (count, count + 1)
    assert sum(acknowledged.values()) > 100


LINE_FAULTS: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"   ", 400),
    (b"{", 400),
    (b"\xff\xfe", 400),
    (b'{"sku":"A","quantity":NaN}', 400),
    (b'{"sku":"A","quantity":1,"quantity":2}', 400),
    (b"[" * 5000, 400),
    (b"[]", 422),
    (b"null", 422),
    (b"{}", 422),
    (b'{"sku":"A"}', 422),
    (b'{"sku":"A","quantity":1,"price":1}', 422),
    (b'{"sku":"A","quantity":0}', 422),
    (b'{"sku":"A","quantity":-1}', 422),
    (b'{"sku":"A","quantity":1000}', 422),
    (b'{"sku":"A","quantity":1.5}', 422),
    (b'{"sku":"A","quantity":"3"}', 422),
    (b'{"sku":"A","quantity":true}', 422),
    (b'{"sku":"A","quantity":null}', 422),
    (b'{"sku":"A","quantity":1e400}', 422),
    (b'{"sku":"A","quantity":99999999999999999999999999}', 422),
    (b'{"sku":{"$gt":""},"quantity":1}', 422),
    (b'{"$where":"1","sku":"A","quantity":1}', 422),
    (b'{"sku":"","quantity":1}', 422),
    (b'{"sku":"A\\u0000","quantity":1}', 422),
    ('{"sku":"日本","quantity":1}'.encode(), 422),
    (b'{"sku":"A\\n","quantity":1}', 422),
    (b'{"sku":"' + b"A" * 65 + b'","quantity":1}', 422),
    (b'{"sku":"A","quantity":1,"x":"' + b"x" * 70_000 + b'"}', 413),
    (b"x" * 10_000_000, 413),
]


@pytest.mark.parametrize(("body", "status"), LINE_FAULTS, ids=lambda value: str(value)[:40])
async def test_bad_bodies_are_problems_and_change_nothing(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    guest = await new_guest(client, ("A", 1))
    before = (await guest.get()).content
    answer = await guest.call("POST", "/lines", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["instance"]) == (status, answer.headers["X-Request-ID"])
    assert problem["type"] == f"https://trolley.example/problems/{problem['code']}"
    if status == 422:
        assert problem["errors"][0]["pointer"].startswith("#")
    assert (await guest.get()).content == before


async def test_a_body_of_another_kind_is_415(guest: Guest) -> None:
    answer = await guest.call(
        "POST", "/lines", content=b"sku=A", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_half_a_line_or_both_forms_are_refused(client: httpx.AsyncClient) -> None:
    for body in ({"sku": "A"}, {"quantity": 1}, {"sku": "A", "quantity": 1, "lines": []}):
        assert (await client.post("/carts", json=body)).status_code == 422
    guest = await new_guest(client)
    for change in ({"sku": "A"}, {"sku": "A", "quantity": 1, "delta": 1}):
        answer = await guest.call("PATCH", "/lines", json={"changes": [{"sku": "B", "delta": 1}, change]})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/changes/1")


async def test_metrics_count_changes_conflicts_and_store_calls(client: httpx.AsyncClient) -> None:
    guest = await new_guest(client, ("A", 1))
    await guest.add("NONE", 1)
    text = (await client.get("/metrics")).text
    assert 'carts_changed_total{kind="added",outcome="ok"} 1.0' in text
    assert 'carts_changed_total{kind="added",outcome="unknown_sku"} 1.0' in text
    assert "conflicts_retried_total 0.0" in text
    assert 'store_call_duration_seconds_count{operation="add",outcome="ok"} 1.0' in text
    assert 'http_requests_total{method="POST",route="/carts/{cart_id}/lines",status="422"} 1.0' in text
