"""Answers that stand ready are those the framework would give, to the last header; they need no place and no time."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from shopkit.edge import Ready
from shopkit.metrics import Metrics

from .conftest import Shelf, ThingOut, Tiny
from .test_problems import assert_problem

THING = ThingOut("1", "a", version=3)
BODY = b'{"id":"1","name":"a","version":3}'


class Asked:
    """Has thing 1 ready, and `/things?limit=5`; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []

    def __call__(self, path: str, query: bytes, headers: Mapping[bytes, bytes]) -> Ready | None:
        self.asked.append((path, query))
        if headers.get(b"cache-control") == b"no-cache":
            return None
        if path == "/things" and query == b"limit=5":
            return Ready("/things", b"[5]")
        return Ready("/things/{thing}", BODY, "3") if path == "/things/1" and not query else None


@pytest.fixture
def asked(shelf: Shelf) -> Asked:
    shelf.things["1"] = THING
    return Asked()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("path", ["/things/1", "/things?limit=5"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"If-None-Match": '"3"'}, {"If-None-Match": '"2", W/"3"'}, {"If-None-Match": "*"}, {"If-None-Match": '"2"'}],
    ids=str,
)
async def test_the_fast_way_and_the_frameworks_give_the_same_answer(
    tiny: Tiny, asked: Asked, method: str, prefix: str, path: str, headers: dict[str, str]
) -> None:
    headers = {"X-Request-ID": "mine", **headers}
    answers = []
    for more in ({}, {"ready_made": asked}):
        async with tiny(edge=more) as client:
            answer = await client.request(method, prefix + path, headers=headers)
            answers.append((answer.status_code, sorted(answer.headers.multi_items()), answer.content))
    assert answers[0] == answers[1]
    assert asked.asked == [(path.partition("?")[0], path.partition("?")[2].encode())]


async def test_only_reading_is_ever_ready(tiny: Tiny, asked: Asked) -> None:
    async with tiny(edge={"ready_made": asked}) as client:
        assert (await client.put("/things/1", json={"name": "b"})).json()["version"] == 4
        assert_problem(await client.patch("/things/1"), 405, "method_not_allowed")
    assert asked.asked == []


async def test_what_does_not_stand_ready_is_the_frameworks(tiny: Tiny, asked: Asked, shelf: Shelf) -> None:
    shelf.things["1"] = ThingOut("1", "newer", version=4)
    async with tiny(edge={"ready_made": asked}) as client:
        assert (await client.get("/things/1")).json()["version"] == 3
        assert (await client.get("/things/1", headers={"Cache-Control": "no-cache"})).json()["version"] == 4
        assert_problem(await client.get("/things/2"), 404, "not_found")


async def test_they_are_counted_and_logged_as_their_route(
    tiny: Tiny, asked: Asked, metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    async with tiny(edge={"ready_made": asked}) as client:
        await client.get("/api/v1/things/1", headers={"X-Request-ID": "r-1"})
    labels = {"method": "GET", "route": "/things/{thing}", "status": "200"}
    assert metrics.registry.get_sample_value("http_requests_total", labels) == 1
    (line,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (line["route"], line["request_id"], line["status"]) == ("/things/{thing}", "r-1", 200)


async def test_they_are_given_though_every_place_is_taken(tiny: Tiny, asked: Asked, shelf: Shelf) -> None:
    async with tiny(max_in_flight=1, edge={"ready_made": asked}) as client:
        first = asyncio.create_task(client.get("/wait"))
        await shelf.entered.wait()
        assert (await client.get("/things/1")).status_code == 200
        assert (await client.get("/things/2")).status_code == 503
        shelf.gate.set()
        assert (await first).status_code == 200


async def test_a_failure_to_find_out_is_an_answer_too(tiny: Tiny) -> None:
    def broken(*_: Any) -> Ready | None:
        raise KeyError("the secret")

    async with tiny(edge={"ready_made": broken}) as client:
        answer = await client.get("/things/1")
    assert_problem(answer, 500, "internal")
    assert "secret" not in answer.text
