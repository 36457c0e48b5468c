"""Calls to another service: one in trouble is spared, and none is waited for longer than our caller waits."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import web

from shopdev.ports import free_port
from shopkit import client, deadline
from shopkit.client import CALL_SECONDS, FAILURES_TO_OPEN, OPEN_SECONDS, RETRY_SAVINGS, Breaker, Hop
from shopkit.errors import Internal, Unavailable
from shopkit.metrics import Metrics
from shopkit.problems import Problem

from .conftest import NOBODY


class Neighbour:
    """A server that answers as tests say: `answers` in turn, then 200 for ever."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.asked: list[web.Request] = []
        self.body = b"body"
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        await self.gate.wait()
        return web.Response(status=self.answers.pop(0) if self.answers else 200, body=self.body)


@pytest.fixture
async def neighbour() -> AsyncIterator[Neighbour]:
    found = Neighbour()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    found.gate.set()
    await runner.cleanup()


@pytest.fixture
async def hop(neighbour: Neighbour, metrics: Metrics) -> AsyncIterator[Hop]:
    opened = Hop("users", f"{neighbour.url}/", metrics)
    async with opened:
        yield opened


@pytest.fixture(autouse=True)
async def no_deadline() -> None:
    deadline._due.set(None)


def counted(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("users_calls_total", {"outcome": outcome}) or 0


async def test_the_body_of_a_200_comes_back(hop: Hop, neighbour: Neighbour, metrics: Metrics) -> None:
    assert await hop.get("/path", [("sku", "a b&c"), ("sku", "é")]) == b"body"
    (request,) = neighbour.asked
    assert (request.path, request.query.getall("sku")) == ("/path", ["a b&c", "é"])
    assert counted(metrics, "ok") == 1


async def test_connections_are_used_again(hop: Hop, neighbour: Neighbour) -> None:
    for _ in range(5):
        await hop.get("/")
    assert len({request.transport.get_extra_info("peername") for request in neighbour.asked if request.transport}) == 1


async def test_a_failure_that_passes_is_not_seen(hop: Hop, neighbour: Neighbour) -> None:
    neighbour.answers = [503]
    assert await hop.get("/") == b"body"
    assert len(neighbour.asked) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_call_is_tried_twice_at_most(hop: Hop, neighbour: Neighbour, metrics: Metrics, status: int) -> None:
    neighbour.answers = [status] * 10
    with pytest.raises(Unavailable, match="users"):
        await hop.get("/")
    assert len(neighbour.asked) == 2
    assert counted(metrics, "failed") == 2


async def test_one_that_is_told_to_wait_does_not_ask_again_at_once(hop: Hop, neighbour: Neighbour) -> None:
    neighbour.answers = [429] * 10
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(Unavailable, match="users"):
            await hop.get("/")
    assert len(neighbour.asked) == FAILURES_TO_OPEN
    assert (await hop.call("GET", "/")).status == 429


@pytest.mark.parametrize(
    ("method", "headers", "times"),
    [
        ("PUT", {}, 2),
        ("DELETE", {}, 2),
        ("PUT", {"If-Match": '"1"'}, 1),
        ("POST", {}, 1),
        ("POST", {"Idempotency-Key": "k"}, 2),
        ("PATCH", {}, 1),
    ],
)
async def test_only_what_may_be_repeated_is(
    hop: Hop, neighbour: Neighbour, method: str, headers: dict[str, str], times: int
) -> None:
    neighbour.answers = [503] * 10
    with pytest.raises(Unavailable):
        await hop.call(method, "/", headers)
    assert len(neighbour.asked) == times


async def test_a_call_gives_whatever_the_neighbour_answers(hop: Hop, neighbour: Neighbour) -> None:
    neighbour.answers = [409]
    reply = await hop.call("POST", "/things", {"X-Colour": "blue"}, data=b"body")
    assert (reply.status, reply.body) == (409, b"body")
    (request,) = neighbour.asked
    assert (request.method, request.path, request.headers["X-Colour"]) == ("POST", "/things", "blue")


async def test_a_neighbours_word_on_something_further_on_is_no_failure_of_its_own(
    hop: Hop, neighbour: Neighbour
) -> None:
    neighbour.answers = [503] * 10
    for code, is_trouble in (("catalogue_unavailable", False), ("unavailable", True), ("internal", True)):
        neighbour.body = msgspec.json.encode(Problem("about:blank", "Title", 503, code, "Detail.", "id"))
        if is_trouble:
            with pytest.raises(Unavailable):
                await hop.call("GET", "/")
        else:
            assert (await hop.call("GET", "/")).status == 503


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
async def test_a_refusal_is_our_own_fault_and_not_tried_again(
    hop: Hop, neighbour: Neighbour, metrics: Metrics, status: int
) -> None:
    neighbour.answers = [status]
    with pytest.raises(Internal, match=f"answered {status} to /path"):
        await hop.get("/path")
    assert len(neighbour.asked) == 1
    assert counted(metrics, "rejected") == 1


async def test_refusals_do_not_open_the_breaker(hop: Hop, neighbour: Neighbour) -> None:
    neighbour.answers = [404] * (FAILURES_TO_OPEN * 2)
    for _ in range(FAILURES_TO_OPEN * 2):
        with pytest.raises(Internal):
            await hop.get("/")
    assert await hop.get("/") == b"body"


async def test_retries_add_a_fifth_to_the_load_at_most(
    hop: Hop, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without breaker: it would hide the budget.
    monkeypatch.setattr(client, "FAILURES_TO_OPEN", 10**9)
    neighbour.answers = [503] * 1000
    for _ in range(100):
        with pytest.raises(Unavailable):
            await hop.get("/")
    assert len(neighbour.asked) <= 100 + RETRY_SAVINGS + 100 * client.RETRY_SHARE


async def test_a_neighbour_that_keeps_failing_is_left_alone_a_while(
    hop: Hop, neighbour: Neighbour, metrics: Metrics
) -> None:
    neighbour.answers = [503] * 1000
    for _ in range(50):
        with pytest.raises(Unavailable):
            await hop.get("/")
    # One more than it takes: the breaker opens, and one call may probe at once.
    assert FAILURES_TO_OPEN <= len(neighbour.asked) <= FAILURES_TO_OPEN + 1
    assert counted(metrics, "refused") > 0


async def test_nobody_there_is_unavailable(metrics: Metrics) -> None:
    hop = Hop("users", NOBODY, metrics)
    async with hop:
        with pytest.raises(Unavailable):
            await hop.get("/")
    assert counted(metrics, "failed") == 2


async def test_a_neighbour_is_told_how_long_it_has(hop: Hop, neighbour: Neighbour) -> None:
    await hop.get("/")
    deadline.start(0.5)
    await hop.get("/")
    granted = [int(request.headers["Request-Timeout-Ms"]) for request in neighbour.asked]
    assert CALL_SECONDS * 900 < granted[0] <= CALL_SECONDS * 1000
    assert 0 < granted[1] <= 500 * deadline.SHARE


async def test_a_neighbour_is_waited_for_no_longer_than_our_caller_waits(hop: Hop, neighbour: Neighbour) -> None:
    neighbour.gate.clear()
    deadline.start(0.05)
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable):
        await hop.get("/")
    assert asyncio.get_running_loop().time() - began < CALL_SECONDS / 2


async def test_callers_in_a_hurry_do_not_open_the_breaker(hop: Hop, neighbour: Neighbour) -> None:
    neighbour.gate.clear()

    async def hurried() -> None:
        deadline.start(0.01)
        with pytest.raises(Unavailable):
            await hop.get("/")

    for _ in range(FAILURES_TO_OPEN * 2):
        await asyncio.create_task(hurried())
    neighbour.gate.set()
    assert await hop.get("/") == b"body"


async def test_a_caller_that_leaves_takes_nothing_with_it(hop: Hop, neighbour: Neighbour) -> None:
    neighbour.gate.clear()
    for _ in range(FAILURES_TO_OPEN * 2):
        call = asyncio.create_task(hop.get("/"))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    neighbour.gate.set()
    assert await hop.get("/") == b"body"


def broken(watch: list[float]) -> Breaker:
    breaker = Breaker(lambda: watch[0])
    for _ in range(FAILURES_TO_OPEN):
        assert breaker.admit()
        breaker.note(good=False)
    return breaker


def test_a_breaker_opens_after_failures_in_a_row_and_no_sooner() -> None:
    breaker = Breaker(lambda: 0.0)
    for _ in range(FAILURES_TO_OPEN * 3):
        breaker.note(good=False)
        assert breaker.admit()
        breaker.note(good=True)
    for _ in range(FAILURES_TO_OPEN):
        assert breaker.admit()
        breaker.note(good=False)
    assert not breaker.admit()


def test_an_open_breaker_lets_one_call_probe_each_pause() -> None:
    watch = [100.0]
    breaker = broken(watch)
    assert not breaker.admit()
    for _ in range(3):
        watch[0] += OPEN_SECONDS * 1.25
        assert [breaker.admit() for _ in range(5)] == [True, False, False, False, False]
        breaker.note(good=False)
        assert not breaker.admit()


def test_a_probe_that_succeeds_closes_the_breaker() -> None:
    watch = [100.0]
    breaker = broken(watch)
    watch[0] += OPEN_SECONDS * 1.25
    assert breaker.admit()
    breaker.note(good=True)
    assert [breaker.admit() for _ in range(5)] == [True] * 5


async def test_time_left_is_never_more_than_asked_nor_none_at_all() -> None:
    assert deadline.remaining(3.0) == 3.0
    deadline.start(1.0)
    assert 0.9 * deadline.SHARE < deadline.remaining(3.0) <= deadline.SHARE
    assert deadline.remaining(0.1) == 0.1
    deadline.start(-5.0)
    assert deadline.remaining(3.0) == 0.001


async def test_a_connection_that_is_refused_is_tried_again_even_for_what_may_not_be_sent_twice(
    metrics: Metrics,
) -> None:
    found, port = Neighbour(), free_port()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    hop = Hop("users", f"http://127.0.0.1:{port}", metrics)
    async with hop:
        call = asyncio.create_task(hop.call("POST", "/"))
        await asyncio.sleep(0.03)
        assert not call.done()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        assert (await call).status == 200
    await runner.cleanup()
    assert (len(found.asked), counted(metrics, "failed")) == (1, 0)
