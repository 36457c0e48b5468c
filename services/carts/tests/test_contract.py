"""The contract of carts: the committed document, what it promises under random calls, and who may call what."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from carts.app import create_app
from carts.settings import Settings
from shopdev.clients import Process, client_of
from shopdev.contract import fuzz, routes_of, written
from shopdev.people import People

from .conftest import Products, new_guest

# Every route: its body, and what an anonymous caller and somebody else get for a cart that is not theirs.
LINE, QUANTITY = {"sku": "A", "quantity": 1}, {"quantity": 1}
ROUTES: dict[tuple[str, str], tuple[object, int, int]] = {
    ("POST", "/carts"): ({}, 201, 201),
    ("GET", "/carts/current"): (None, 404, 404),
    ("GET", "/carts/{cart_id}"): (None, 404, 404),
    ("DELETE", "/carts/{cart_id}"): (None, 404, 404),
    ("POST", "/carts/{cart_id}/lines"): (LINE, 404, 404),
    ("PUT", "/carts/{cart_id}/lines/{sku}"): (QUANTITY, 404, 404),
    ("PATCH", "/carts/{cart_id}/lines"): ({"changes": [LINE]}, 404, 404),
    ("DELETE", "/carts/{cart_id}/lines/{sku}"): (None, 404, 404),
    ("GET", "/carts/{cart_id}/history"): (None, 404, 404),
    ("POST", "/carts/{cart_id}/undo"): ({"version": 1}, 404, 404),
    ("POST", "/carts/merge"): ({}, 401, 422),
}


def test_the_committed_document_is_what_the_service_serves() -> None:
    committed = Path(__file__).parents[1] / "openapi.json"
    assert committed.read_text() == written(create_app(Settings())), "run: make contracts"


def test_every_route_has_a_row() -> None:
    assert set(routes_of(create_app(Settings()))) == ROUTES.keys()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_nobody_sees_or_changes_what_is_not_theirs(
    client: httpx.AsyncClient, people: People, route: tuple[str, str]
) -> None:
    method, template = route
    body, anonymous, foreign = ROUTES[route]
    guest = await new_guest(client, ("A", 7))
    mine = (await client.post("/carts", json={"sku": "A", "quantity": 7}, headers=people.bearer("owner"))).json()
    for cart_id in (guest.id, mine["id"]):
        path = template.format(cart_id=cart_id, sku="A")
        for headers, status in [
            ({}, anonymous),
            ({"Cart-Token": "somebody-elses"}, anonymous),
            (people.bearer("stranger"), foreign),
            (people.bearer("staff", "staff"), foreign),
            (people.bearer("owner", exp=1), 401),
            (people.bearer("owner", aud="other"), 401),
            (people.bearer("owner", iss="https://other.example"), 401),
            (people.bearer("owner", typ="JWT"), 401),
            (people.bearer("owner", alg="none"), 401),
            (people.bearer("owner", alg="HS256", key="k" * 32), 401),
            (people.bearer("owner", kid="unknown"), 401),
            ({"Authorization": "Basic dTpw"}, 401),
            ({"Authorization": "Bearer"}, 401),
        ]:
            answer = await client.request(method, path, json=body, headers=headers)
            # A stranger who has been given a cart of their own by POST /carts adds to it from then on.
            assert answer.status_code in {status, 200 if route == ("POST", "/carts") else status}, (
                headers,
                answer.text,
            )
            assert cart_id not in answer.text
            if status == 401:
                assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await guest.get()).json()["lines"][0]["quantity"] == 7
    after = (await client.get(f"/carts/{mine['id']}", headers=people.bearer("owner"))).json()
    assert (after["version"], after["lines"][0]["quantity"]) == (1, 7)


async def test_a_key_that_was_rotated_out_opens_nothing_more(settings: Settings, people: People) -> None:
    old = people.bearer("user")
    async with client_of(create_app(settings)) as client:
        assert (await client.get("/carts/current", headers=old)).status_code == 404
        people.rotate()
        assert (await client.get("/carts/current", headers=people.bearer("user"))).status_code == 404
        assert (await client.get("/carts/current", headers=old)).status_code == 401


async def test_random_calls_find_no_server_error_and_no_undocumented_answer(
    settings: Settings, people: People, products: Products
) -> None:
    environment = {"STORE_URL": settings.store_url, "USERS_URL": people.url, "PRODUCTS_URL": products.url}
    async with Process("carts", **environment) as service:
        await fuzz(service.url, people.bearer("user"))


async def test_users_down_stops_only_those_who_are_signed_in(settings: Settings, people: People) -> None:
    async with client_of(create_app(replace(settings, users_url="http://127.0.0.1:9"))) as client:
        guest = await new_guest(client)
        assert (await guest.get()).status_code == 200
        answer = await client.get("/carts/current", headers=people.bearer("user"))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
