"""POST /register on the wire."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from shopdev.clients import client_of
from shopdev.contract import written
from shopkit.service import Application
from users.app import create_app
from users.settings import Settings

from .conftest import PASSWORD, StoppedClock, Visitor

ANA = {"email": " Ana@Example.test ", "password": PASSWORD, "name": " Ana "}


async def test_a_registration_answers_the_user(client: httpx.AsyncClient, clock: StoppedClock) -> None:
    answer = await client.post("/api/v1/register", json=ANA)
    user = answer.json()
    moment = clock().isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert answer.status_code == 201
    assert user == {
        "id": user["id"],
        "email": "Ana@Example.test",
        "name": "Ana",
        "roles": ["customer"],
        "version": 1,
        "created_at": moment,
        "updated_at": moment,
    }
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == "/api/v1/me"


@pytest.mark.parametrize("name", [{}, {"name": None}, {"name": "  "}])
async def test_who_gives_no_name_has_the_empty_one(client: httpx.AsyncClient, name: dict[str, str | None]) -> None:
    answer = await client.post("/register", json={"email": "ana@example.test", "password": PASSWORD, **name})
    assert answer.json()["name"] == ""


@pytest.mark.parametrize("email", ["ana@example.test", "ANA@EXAMPLE.TEST", " ana@example.test\n"])
async def test_a_taken_address_is_a_conflict(client: httpx.AsyncClient, email: str) -> None:
    await client.post("/register", json=ANA)
    answer = await client.post("/register", json={"email": email, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


async def test_20_registrations_of_one_address_at_once_make_one_account(store_url: str, clock: StoppedClock) -> None:
    settings = Settings(store_url=store_url, log_level="error")
    apps = [create_app(settings, clock=clock) for _ in range(2)]
    async with client_of(apps[0]) as one, client_of(apps[1]) as other:
        calls = [(one, other)[n % 2].post("/register", json=ANA) for n in range(20)]
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
        signed_in = await Visitor(other, "ana@example.test").login()
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    assert signed_in.tokens["user"] == made


BAD_EMAILS = ["", "ana", "ana smith@example.test", f"{'a' * 287}@example.test", "x" * 2000, "a\0b@example.test"]
BAD_PASSWORDS = ["", "1234567", "x" * 257, "x" * 2000, "Password1", "ANA@example.test", "with\0zero and more"]
BAD_NAMES = ["x" * 201, "a\0b", 5, ["Ana"], {"$gt": ""}]


@pytest.mark.parametrize(
    ("member", "value"),
    [("email", value) for value in (*BAD_EMAILS, None, 5, {"$gt": ""}, ["ana@example.test"])]
    + [("password", value) for value in (*BAD_PASSWORDS, None, 12345678, {"$ne": ""})]
    + [("name", value) for value in BAD_NAMES],
)
async def test_a_bad_member_is_refused_at_its_pointer(client: httpx.AsyncClient, member: str, value: object) -> None:
    answer = await client.post("/register", json={**ANA, member: value})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert problem["errors"][0]["pointer"] == f"#/{member}"
    assert (await client.post("/register", json=ANA)).status_code == 201


@pytest.mark.parametrize("missing", ["email", "password"])
async def test_a_missing_member_is_refused(client: httpx.AsyncClient, missing: str) -> None:
    body = {name: value for name, value in ANA.items() if name != missing}
    assert (await client.post("/register", json=body)).json()["errors"][0]["pointer"] == f"#/{missing}"


async def test_nobody_registers_as_staff(client: httpx.AsyncClient) -> None:
    answer = await client.post("/register", json={**ANA, "roles": ["staff"]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/roles")


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"", "application/json", 400, "invalid_request"),
        (b"{", "application/json", 400, "invalid_request"),
        (b'{"email": "a@b.test", "email": "b@b.test"}', "application/json", 400, "invalid_request"),
        (b'{"email": "a@b.test", "email": "b@b.test", "password": "12 34 56 78"}', "application/json", 400, None),
        (b'{"email": "\xff@b.test", "password": "12 34 56 78"}', "application/json", 400, "invalid_request"),
        (b'{"email": "\\ud800@b.test", "password": "12 34 56 78"}', "application/json", 400, "invalid_request"),
        (b"[]", "application/json", 422, "invalid_request"),
        (b"NaN", "application/json", 400, "invalid_request"),
        (b"email=a", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b'{"name": "' + b"x" * 10_000_000 + b'"}', "application/json", 413, "too_large"),
    ],
)
async def test_a_body_that_is_no_object_of_ours_is_refused(
    client: httpx.AsyncClient, body: bytes, media_type: str, status: int, code: str | None
) -> None:
    answer = await client.post("/register", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status
    assert answer.json()["code"] == (code or "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_repeated_key_replays_the_first_answer(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await client.post("/register", json=ANA, headers=key)
    again = await client.post("/register", json=ANA, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["location"] == first.headers["location"]


async def test_a_key_with_another_body_is_refused(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k1"}
    await client.post("/register", json=ANA, headers=key)
    answer = await client.post("/register", json={**ANA, "password": "another one, please"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_one_key_used_20_times_at_once_makes_one_account(store_url: str, clock: StoppedClock) -> None:
    settings = Settings(store_url=store_url, log_level="error")
    apps = [create_app(settings, clock=clock) for _ in range(2)]
    async with client_of(apps[0]) as one, client_of(apps[1]) as other:
        key = {"Idempotency-Key": "k1"}
        calls = [(one, other)[n % 2].post("/register", json=ANA, headers=key) for n in range(20)]
        answers = await asyncio.gather(*calls)
        codes = {(answer.status_code, answer.json().get("code")) for answer in answers}
        assert codes <= {(201, None), (409, "idempotency_in_flight"), (409, "email_taken")}
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
        replayed = await other.post("/register", json=ANA, headers=key)
        assert replayed.headers["idempotency-replayed"] == "true"


async def test_registrations_from_one_network_are_limited(sqlite_url: str, clock: StoppedClock) -> None:
    app = create_app(Settings(store_url=sqlite_url, register_burst=2, log_level="error"), clock=clock)
    async with client_of(app) as client:
        people = [{"email": f"p{n}@example.test", "password": PASSWORD} for n in range(5)]
        answers = [await client.post("/register", json=person) for person in people[:3]]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].headers["retry-after"] == "2"
        assert answers[2].headers["ratelimit-policy"] == '"register";q=2;w=4'
        clock.forward(seconds=2)
        answers = [await client.post("/register", json=person) for person in people[3:]]
        assert [answer.status_code for answer in answers] == [201, 429]


async def test_a_refused_registration_takes_no_place(sqlite_url: str, clock: StoppedClock) -> None:
    app = create_app(Settings(store_url=sqlite_url, register_burst=1, log_level="error"), clock=clock)
    async with client_of(app) as client:
        for _ in range(3):
            assert (await client.post("/register", json={**ANA, "password": "short"})).status_code == 422
        assert (await client.post("/register", json=ANA)).status_code == 201


async def test_registrations_are_counted(client: httpx.AsyncClient, visitor: Callable[[str], Visitor]) -> None:
    await visitor("ana@example.test").register()
    await client.post("/register", json=ANA)
    text = (await client.get("/metrics")).text
    assert 'registrations_total{outcome="ok"} 1.0' in text
    assert 'registrations_total{outcome="email_taken"} 1.0' in text


async def test_no_answer_nor_export_holds_the_hash(app: Application, client: httpx.AsyncClient) -> None:
    await client.post("/register", json=ANA)
    ana = await Visitor(client, "ana@example.test").login()
    for path in ("/me", "/me/export"):
        assert "argon2" not in (await ana.call("GET", path)).text
    assert "password_hash" not in written(app)
