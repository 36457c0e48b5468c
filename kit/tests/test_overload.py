"""Under more load than it can take a service refuses work, at once and fairly, and is well otherwise."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from shopkit.metrics import Metrics

from .conftest import Shelf, Tiny
from .test_problems import assert_problem

Headers = dict[str, str]
GREEDY = {"Authorization": "Bearer greedy"}


@asynccontextmanager
async def at_work(
    client: httpx.AsyncClient, shelf: Shelf, *callers: Headers
) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Inside, a request of each of `callers` holds a place; afterwards all have been answered."""
    before = shelf.waiting
    tasks = [asyncio.create_task(client.get("/wait", headers=headers)) for headers in callers]
    while shelf.waiting - before < len(tasks) - sum(task.done() for task in tasks):
        await asyncio.sleep(0)
    yield tasks
    shelf.gate.set()
    await asyncio.gather(*tasks)
    shelf.gate.clear()


def statuses(tasks: list[asyncio.Task[httpx.Response]]) -> list[int]:
    return [task.result().status_code for task in tasks]


async def test_whoever_finds_no_place_is_told_so_and_when_to_come_back(tiny: Tiny, shelf: Shelf) -> None:
    async with tiny(max_in_flight=4) as client:
        async with at_work(client, shelf, *({"Authorization": f"Bearer {n}"} for n in range(4))) as tasks:
            refused = await client.get("/ping", headers={"X-Request-ID": "mine"})
            assert_problem(refused, 503, "unavailable")
            assert refused.headers["X-Request-ID"] == "mine"
            assert 1 <= int(refused.headers["Retry-After"]) <= 2
            for path in ("/healthz", "/readyz", "/metrics", "/api/v1/readyz"):
                assert (await client.get(path)).status_code == 200
        assert statuses(tasks) == [200] * 4
        assert (await client.get("/ping")).status_code == 200


async def test_a_greedy_caller_cannot_take_the_last_places(tiny: Tiny, shelf: Shelf) -> None:
    async with tiny(max_in_flight=8) as client:
        async with at_work(client, shelf, *[GREEDY] * 7):
            assert_problem(await client.get("/ping", headers=GREEDY), 503, "unavailable")
            for other in ({}, {"Authorization": "Bearer other"}, {"Some-Token": "secret"}):
                assert (await client.get("/ping", headers=other)).status_code == 200
        assert (await client.get("/ping", headers=GREEDY)).status_code == 200


async def test_a_greedy_caller_who_holds_half_is_refused_while_another_is_at_work(tiny: Tiny, shelf: Shelf) -> None:
    async with tiny(max_in_flight=8) as client:
        other = {"Authorization": "Bearer other"}
        async with at_work(client, shelf, *[GREEDY] * 4, other):
            assert (await client.get("/ping", headers=GREEDY)).status_code == 503
            assert (await client.get("/ping", headers=other)).status_code == 200


async def test_the_more_callers_are_at_work_the_smaller_is_the_share_of_each(tiny: Tiny, shelf: Shelf) -> None:
    async with tiny(max_in_flight=8) as client:
        others = [{"Authorization": f"Bearer {n}"} for n in range(3)]
        # Of four callers, each may have two; a fifth makes that one.
        async with at_work(client, shelf, GREEDY, GREEDY, *others):
            assert (await client.get("/ping", headers=GREEDY)).status_code == 503
            assert (await client.get("/ping", headers=others[0])).status_code == 200
            async with at_work(client, shelf, {}):
                assert (await client.get("/ping", headers=others[0])).status_code == 503


async def test_an_address_without_a_secret_is_one_caller(tiny: Tiny, shelf: Shelf) -> None:
    async with tiny(max_in_flight=4, trusted_proxies=("127.0.0.1",)) as client:
        near, far = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "198.51.100.1"}
        async with at_work(client, shelf, near, near, far):
            assert (await client.get("/ping", headers=near)).status_code == 503
            assert (await client.get("/ping", headers=far)).status_code == 200


async def test_a_place_is_given_back_by_a_client_that_leaves(tiny: Tiny, shelf: Shelf) -> None:
    async with tiny(max_in_flight=1) as client, at_work(client, shelf, GREEDY) as tasks:
        assert (await client.get("/ping", headers=GREEDY)).status_code == 503
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert (await client.get("/ping", headers=GREEDY)).status_code == 200
        tasks.clear()


async def test_refusals_are_counted_each_and_fill_no_log(
    tiny: Tiny, shelf: Shelf, metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    async with tiny(max_in_flight=1) as client, at_work(client, shelf, GREEDY):
        answers = await asyncio.gather(*(client.get(f"/things/{n}") for n in range(50)))
        assert {answer.status_code for answer in answers} == {503}
        assert metrics.registry.get_sample_value("http_requests_in_flight") == 1
    labels = {"method": "GET", "route": "<unmatched>", "status": "503"}
    assert metrics.registry.get_sample_value("http_requests_total", labels) == 50
    assert [json.loads(line)["route"] for line in capsys.readouterr().out.splitlines()] == ["/wait"]


async def test_who_asks_for_the_secrets_of_others_finds_none_in_the_log(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    async with tiny(log_level="debug") as client:
        await client.get("/ping", headers={"Authorization": "Bearer hidden", "Some-Token": "hidden"})
    assert "hidden" not in capsys.readouterr().out
