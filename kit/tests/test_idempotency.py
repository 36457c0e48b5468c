"""Idempotency-Key: however often a request is sent, it happens once, and all are answered as the first."""

import asyncio
from typing import Any

import httpx
import pytest
from cryptography.fernet import InvalidToken
from litestar import Response

from shopdev.people import People
from shopkit.errors import NotFound, VersionConflict
from shopkit.idempotency import KEPT, IdempotencyKeyReused, Key, Replay, ReplayExists

from .conftest import NameTaken, Shelf, ThingOut, Tiny, Watch
from .test_problems import assert_problem

FIRST = {"Idempotency-Key": "first"}
THING = {"name": "a", "weight": 2.5}


async def test_a_repeated_request_gets_the_first_answer(client: httpx.AsyncClient, shelf: Shelf) -> None:
    first = await client.post("/things", json=THING, headers=FIRST)
    again = await client.post("/things", json=dict(reversed(THING.items())), headers=FIRST)
    assert (again.status_code, again.content) == (201, first.content)
    assert [again.headers[name] for name in ("ETag", "Location", "Content-Type")] == [
        first.headers[name] for name in ("ETag", "Location", "Content-Type")
    ]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert shelf.changes == 1


async def test_without_a_key_each_request_counts(client: httpx.AsyncClient, shelf: Shelf) -> None:
    assert (await client.post("/things", json=THING)).status_code == 201
    assert_problem(await client.post("/things", json=THING), 409, "name_taken")
    assert shelf.replays == {}


async def test_another_payload_under_the_same_key_is_refused(client: httpx.AsyncClient, shelf: Shelf) -> None:
    await client.post("/things", json=THING, headers=FIRST)
    for other in ({"name": "b"}, {**THING, "weight": 2.6}, {**THING, "parts": [{"size": 1}]}):
        assert_problem(await client.post("/things", json=other, headers=FIRST), 422, "idempotency_key_reused")
    assert shelf.changes == 1


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"a b", b"\xc3\xa9", b"a\tb", b" "])
async def test_a_key_that_is_no_visible_ascii_is_refused(client: httpx.AsyncClient, key: bytes) -> None:
    answer = await client.post("/things", json=THING, headers=[(b"Idempotency-Key", key)])
    assert_problem(answer, 422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == "#/header/Idempotency-Key"


async def test_the_longest_and_strangest_keys_are_kept_apart(client: httpx.AsyncClient) -> None:
    keys = ["x" * 255, "x" * 254, "~", "!", '"quoted"', "{}"]
    made = [
        await client.post("/things", json={"name": str(n)}, headers={"Idempotency-Key": k}) for n, k in enumerate(keys)
    ]
    assert {answer.status_code for answer in made} == {201}


async def test_each_caller_has_keys_of_their_own(tiny: Tiny, people: People, shelf: Shelf) -> None:
    async with tiny(people.url) as client:
        for name, headers in (("a", people.bearer("one")), ("b", people.bearer("two")), ("c", {})):
            answer = await client.post("/things", json={"name": name}, headers={**headers, **FIRST})
            assert (answer.status_code, answer.json()["name"]) == (201, name)
    assert shelf.changes == 3


async def test_a_refusal_is_not_kept(client: httpx.AsyncClient, shelf: Shelf) -> None:
    assert (await client.post("/things", json={"name": ""}, headers=FIRST)).status_code == 422
    await client.post("/things", json=THING)
    assert_problem(await client.post("/things", json=THING, headers=FIRST), 409, "name_taken")
    shelf.things.clear()
    answer = await client.post("/things", json=THING, headers=FIRST)
    assert (answer.status_code, "Idempotency-Replayed" in answer.headers) == (201, False)


async def test_a_key_is_kept_for_a_day(client: httpx.AsyncClient, shelf: Shelf, watch: Watch) -> None:
    await client.post("/things", json=THING, headers=FIRST)
    watch.advance(seconds=KEPT.total_seconds() - 1)
    assert "Idempotency-Replayed" in (await client.post("/things", json=THING, headers=FIRST)).headers
    watch.advance(seconds=1)
    assert_problem(await client.post("/things", json=THING, headers=FIRST), 409, "name_taken")


async def test_while_the_first_is_at_work_others_are_told_to_wait(client: httpx.AsyncClient, shelf: Shelf) -> None:
    first = asyncio.create_task(client.post("/things", json={"name": "slow"}, headers=FIRST))
    await shelf.entered.wait()
    second = await client.post("/things", json={"name": "slow"}, headers=FIRST)
    assert_problem(second, 409, "idempotency_in_flight")
    assert second.headers["Retry-After"] == "1"
    assert (await client.post("/things", json=THING, headers={"Idempotency-Key": "other"})).status_code == 201
    shelf.gate.set()
    assert (await first).status_code == 201
    assert "Idempotency-Replayed" in (await client.post("/things", json={"name": "slow"}, headers=FIRST)).headers


async def test_a_request_that_was_cut_short_can_be_sent_again(client: httpx.AsyncClient, shelf: Shelf) -> None:
    cut = await client.post("/things", json={"name": "slow"}, headers={**FIRST, "Request-Timeout-Ms": "20"})
    assert_problem(cut, 504, "deadline_exceeded")
    shelf.gate.set()
    assert (await client.post("/things", json={"name": "slow"}, headers=FIRST)).status_code == 201
    assert shelf.changes == 1


@pytest.mark.parametrize("refused", [ReplayExists, NameTaken, NotFound, VersionConflict])
async def test_a_request_another_replica_did_meanwhile_is_answered_as_there(
    tiny: Tiny, shelf: Shelf, refused: type[Exception]
) -> None:
    async with tiny() as here, tiny() as there:
        theirs = await there.post("/things", json=THING, headers=FIRST)
        kept, shelf.replays = shelf.replays, {}

        async def overtaken(thing: ThingOut, replay: Replay | None) -> None:
            shelf.replays = kept
            raise refused

        shelf.add = overtaken  # type: ignore[method-assign]
        ours = await here.post("/things", json=THING, headers=FIRST)
    assert (ours.status_code, ours.content) == (201, theirs.content)
    assert ours.headers["Idempotency-Replayed"] == "true"


def key(secret: str = "k", scope: str = "person", payload: bytes = b"{}") -> Key:
    return Key(secret, scope, payload, Watch())


def test_what_is_kept_tells_nothing_without_the_key() -> None:
    answer: Response[Any] = Response(b'{"token": "the secret"}', status_code=201, headers={"Location": "/secret"})
    kept = key("my-key").remember(answer)
    text = repr(kept)
    assert "secret" not in text
    assert "my-key" not in text
    assert "person" not in text
    assert key("my-key").replay(kept).content == b'{"token": "the secret"}'


def test_scope_and_key_cannot_be_mixed_up() -> None:
    ids = {key("b", "a").id, key("a", "b").id, key("b", "a\nb").id, key("ab", "").id, key("", "ab").id}
    assert len(ids) == 5


def test_a_tampered_answer_is_never_given() -> None:
    kept = key().remember(Response(b"{}"))
    for strange in (b"", b"x" * 100, kept.answer[:-4] + b"AAA="):
        with pytest.raises(InvalidToken):
            key().replay(Replay(kept.id, kept.fingerprint, strange, kept.expires_at))


def test_an_answer_is_given_for_its_own_payload_alone() -> None:
    kept = key(payload=b"{}").remember(Response(b"{}"))
    with pytest.raises(IdempotencyKeyReused):
        key(payload=b"[]").replay(kept)
