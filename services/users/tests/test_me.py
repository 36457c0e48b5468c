"""The caller's own account on the wire."""

import asyncio
from collections.abc import Callable

import pytest

from shopdev.clients import client_of
from users.app import create_app
from users.settings import Settings

from .conftest import PASSWORD, StoppedClock, Visitor

OTHER = "quite another password"


async def test_the_caller_is_shown_with_a_tag(ana: Visitor) -> None:
    answer = await ana.call("GET", "/me")
    assert (answer.status_code, answer.json()) == (200, ana.tokens["user"])
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "private, no-cache"
    again = await ana.call("GET", "/me", If_None_Match='"1"')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"1"')


async def test_a_change_makes_the_next_version(ana: Visitor, clock: StoppedClock) -> None:
    clock.forward(seconds=1)
    answer = await ana.call("PATCH", "/me", {"name": "Ana"}, If_Match='"1"')
    changed = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (changed["name"], changed["version"]) == ("Ana", 2)
    assert changed["created_at"] < changed["updated_at"]
    assert (await ana.call("GET", "/me", If_None_Match='"1"')).json() == changed


@pytest.mark.parametrize(
    ("patch", "name", "version"), [({}, "Ana", 2), ({"name": "Ana"}, "Ana", 2), ({"name": None}, "", 3)]
)
async def test_a_patch_changes_what_it_names(ana: Visitor, patch: dict[str, object], name: str, version: int) -> None:
    await ana.call("PATCH", "/me", {"name": "Ana"})
    changed = (await ana.call("PATCH", "/me", patch)).json()
    assert (changed["name"], changed["version"]) == (name, version)


@pytest.mark.parametrize(
    "member", [{"email": "b@b.test"}, {"roles": ["staff"]}, {"id": "x"}, {"name": "x" * 201}, {"name": "a\0"}]
)
async def test_nothing_else_can_be_patched(ana: Visitor, member: dict[str, object]) -> None:
    answer = await ana.call("PATCH", "/me", member)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{next(iter(member))}")
    assert (await ana.call("GET", "/me")).json() == ana.tokens["user"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/me", {"name": "Bea"}),
        ("POST", "/me/password", {"current_password": PASSWORD, "new_password": OTHER}),
        ("DELETE", "/me", {"password": PASSWORD}),
    ],
)
async def test_a_stale_precondition_changes_nothing(ana: Visitor, method: str, path: str, body: object) -> None:
    current = (await ana.call("PATCH", "/me", {"name": "Ana"})).json()
    for stale in ('"1"', 'W/"2"', '"3"'):
        answer = await ana.call(method, path, body, If_Match=stale)
        assert (answer.status_code, answer.json()["code"]) == (412, "version_conflict")
        assert answer.json()["current"] == current
    assert (await ana.call("GET", "/me")).json() == current
    assert (await ana.call(method, path, body, If_Match='"2"')).status_code in {200, 204}


async def test_20_changes_at_once_are_all_made(store_url: str, clock: StoppedClock) -> None:
    settings = Settings(store_url=store_url, log_level="error")
    apps = [create_app(settings, clock=clock) for _ in range(2)]
    async with client_of(apps[0]) as one, client_of(apps[1]) as other:
        ana = await Visitor(one, "ana@example.test").register()
        calls = [(one, other)[n % 2].patch("/me", json={"name": f"Ana {n}"}, headers=ana.bearer) for n in range(20)]
        answers = await asyncio.gather(*calls)
        made = [answer for answer in answers if answer.status_code == 200]
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert len({answer.json()["version"] for answer in made}) == len(made) >= 10
        assert (await ana.call("GET", "/me")).json()["version"] == 1 + len(made)


async def test_of_20_changes_that_name_one_version_one_is_made(ana: Visitor) -> None:
    calls = [ana.call("PATCH", "/me", {"name": f"Ana {n}"}, If_Match='"1"') for n in range(20)]
    statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
    assert sorted(statuses) == [200] + [412] * 19


async def test_a_new_password_ends_all_other_sessions(ana: Visitor) -> None:
    other = await Visitor(ana.client, ana.email).login()
    answer = await ana.call("POST", "/me/password", {"current_password": PASSWORD, "new_password": OTHER})
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await ana.try_password(PASSWORD)).status_code == 401
    assert (await ana.try_password(OTHER)).status_code == 200
    assert (await other.refresh()).json()["code"] == "unauthenticated"
    assert (await ana.refresh()).status_code == 200


@pytest.mark.parametrize("weak", ["short", "password", "ANA@example.test", "x" * 257])
async def test_a_new_password_has_to_be_a_good_one(ana: Visitor, weak: str) -> None:
    answer = await ana.call("POST", "/me/password", {"current_password": PASSWORD, "new_password": weak})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/new_password")
    assert (await ana.try_password(PASSWORD)).status_code == 200


async def test_asking_for_the_password_again_counts_as_signing_in(ana: Visitor) -> None:
    changes = [
        ("POST", "/me/password", {"current_password": "wrong", "new_password": OTHER}),
        ("DELETE", "/me", {"password": "wrong"}),
    ]
    for method, path, body in changes * 5:
        answer = await ana.call(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    for answer in (await ana.call(*changes[0]), await ana.call(*changes[1]), await ana.try_password(PASSWORD)):
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert (await ana.call("GET", "/me")).json()["version"] == 1


async def test_an_export_holds_the_account_and_its_open_sessions(ana: Visitor, clock: StoppedClock) -> None:
    ended = await Visitor(ana.client, ana.email).login()
    await ended.client.post("/logout", json={"refresh_token": ended.tokens["refresh_token"]})
    clock.forward(seconds=1)
    await ana.refresh()
    answer = await ana.call("GET", "/me/export")
    export = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert export["user"] == ana.tokens["user"]
    assert len(export["sessions"]) == 1
    session = export["sessions"][0]
    assert set(session) == {"id", "created_at", "last_used_at", "expires_at", "user_agent", "address"}
    assert session["id"] == ana.tokens["refresh_token"].split(".")[0]
    assert session["user_agent"].startswith("python-httpx")
    assert session["address"] == "127.0.0.1"
    assert session["created_at"] < session["last_used_at"] < session["expires_at"]
    assert "carts" in export["elsewhere"]


async def test_a_deleted_account_is_gone_with_its_sessions_and_its_address(ana: Visitor) -> None:
    answer = await ana.call("DELETE", "/me", {"password": PASSWORD})
    assert (answer.status_code, answer.content) == (204, b"")
    for method, path, body in (
        ("GET", "/me", None),
        ("PATCH", "/me", {"name": "Ana"}),
        ("POST", "/me/password", {"current_password": PASSWORD, "new_password": OTHER}),
        ("GET", "/me/export", None),
        ("DELETE", "/me", {"password": PASSWORD}),
    ):
        gone = await ana.call(method, path, body)
        assert (gone.status_code, gone.json()["code"]) == (401, "unauthenticated")
        assert gone.headers["www-authenticate"] == "Bearer"
    assert (await ana.try_password(PASSWORD)).json()["code"] == "invalid_credentials"
    assert (await ana.refresh()).json()["code"] == "unauthenticated"
    again = await Visitor(ana.client, ana.email).register()
    assert again.tokens["user"]["id"] != ana.tokens["user"]["id"]


async def test_nobody_sees_or_changes_somebody_else(ana: Visitor, visitor: Callable[[str], Visitor]) -> None:
    bo = await visitor("bo@example.test").register()
    await bo.call("PATCH", "/me", {"name": "Bo"})
    await bo.call("POST", "/me/password", {"current_password": PASSWORD, "new_password": OTHER})
    await bo.call("DELETE", "/me", {"password": OTHER})
    assert (await ana.call("GET", "/me")).json() == ana.tokens["user"]
    assert (await ana.refresh()).status_code == 200
