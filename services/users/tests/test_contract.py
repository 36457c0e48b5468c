"""The contract of users: the committed document, what it promises under random calls, and who may call what."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from shopdev.clients import Process
from shopdev.contract import fuzz, routes_of, written
from users.app import create_app
from users.settings import Settings

from .conftest import PASSWORD, StoppedClock, Visitor

# Every route: a body that ana could send, and what somebody who is signed in, but not ana, gets for it.
OTHER = "quite another password"
OPEN: dict[tuple[str, str], tuple[object, int]] = {
    ("POST", "/register"): ({"email": "new@example.test", "password": PASSWORD}, 201),
    ("POST", "/login"): ({"email": "ana@example.test", "password": OTHER}, 401),
    ("POST", "/token/refresh"): ({"refresh_token": "a.b.c"}, 401),
    ("POST", "/logout"): ({"refresh_token": "a.b.c"}, 401),
    ("GET", "/.well-known/jwks.json"): (None, 200),
}
SIGNED_IN: dict[tuple[str, str], tuple[object, int]] = {
    ("GET", "/me"): (None, 200),
    ("PATCH", "/me"): ({"name": "Mallory"}, 200),
    ("POST", "/me/password"): ({"current_password": PASSWORD, "new_password": OTHER}, 401),
    ("GET", "/me/export"): (None, 200),
    ("DELETE", "/me"): ({"password": PASSWORD}, 401),
}


def test_the_committed_document_is_what_the_service_serves() -> None:
    committed = Path(__file__).parents[1] / "openapi.json"
    assert committed.read_text() == written(create_app(Settings())), "run: make contracts"


def test_every_route_has_a_row() -> None:
    assert set(routes_of(create_app(Settings()))) == OPEN.keys() | SIGNED_IN.keys()


@pytest.fixture
async def mallory(client: httpx.AsyncClient) -> Visitor:
    return await Visitor(client, "mallory@example.test", "a password of her own").register()


@pytest.mark.parametrize("route", SIGNED_IN, ids=" ".join)
async def test_nobody_sees_or_changes_another_account(
    ana: Visitor, mallory: Visitor, clock: StoppedClock, route: tuple[str, str]
) -> None:
    body, foreign = SIGNED_IN[route]
    anonymous = await ana.client.request(*route, json=body)
    answer = await mallory.call(*route, body)
    assert (anonymous.status_code, answer.status_code) == (401, foreign)
    assert anonymous.headers["www-authenticate"] == "Bearer"
    for text in (anonymous.text, answer.text):
        assert ana.email not in text
        assert ana.tokens["user"]["id"] not in text
    assert (await ana.call("GET", "/me")).json() == ana.tokens["user"]
    clock.forward(seconds=906)
    expired = await ana.call(*route, body)
    assert (expired.status_code, expired.json()["code"]) == (401, "unauthenticated")
    ana.tokens = (await ana.refresh()).json()
    assert ana.tokens["user"]["version"] == 1


@pytest.mark.parametrize("route", OPEN, ids=" ".join)
async def test_what_is_open_to_all_tells_nothing_of_an_account(
    ana: Visitor, visitor: Callable[[str], Visitor], route: tuple[str, str]
) -> None:
    body, status = OPEN[route]
    headers: dict[str, str]
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = await ana.client.request(*route, json=body, headers=headers)
        assert answer.status_code == (409 if headers and status == 201 else status)
        assert ana.email not in answer.text
        assert ana.tokens["user"]["id"] not in answer.text
    assert (await ana.call("GET", "/me")).json() == ana.tokens["user"]


async def test_random_calls_find_no_server_error_and_no_undocumented_answer(sqlite_url: str) -> None:
    async with Process("users", STORE_URL=sqlite_url) as service, httpx.AsyncClient(base_url=service.url) as client:
        ana = await Visitor(client, "ana@example.test").register()
        await fuzz(service.url, ana.bearer, 8)
