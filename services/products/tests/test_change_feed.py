"""The feed of changes: what a reader is told after its cursor, when, and when it must forget what it knows."""

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from msgspec.structs import replace

from products.app import create_app
from products.changes import KEPT, PAGE_MAX, WAITING_MAX, Change, ChangeLog
from products.product import Product
from products.view.answers import encoded
from shopdev.clients import Process, client_of
from shopdev.people import People

from .conftest import product, settings, variant


class Seconds:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def log(seconds: Seconds) -> ChangeLog:
    return ChangeLog("epoch", seconds)


@pytest.fixture
def shared() -> ChangeLog:
    """The log of a whole application; others may note something, too."""
    return ChangeLog("epoch")


@pytest.fixture
async def reader(shared: ChangeLog, sqlite_url: str, people: People) -> AsyncIterator[httpx.AsyncClient]:
    """Anybody at that application."""
    async with client_of(create_app(settings(sqlite_url, people), changes=shared)) as opened:
        yield opened


async def ask(client: httpx.AsyncClient, cursor: str | None = None, wait_ms: int = 0) -> dict:
    query = {"wait_ms": wait_ms} | ({"cursor": cursor} if cursor else {})
    answer = await client.get("/changes", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def next_of(before: Product, *skus: str) -> Product:
    return replace(before, version=before.version + 1, variants=tuple(variant(sku) for sku in skus))


def test_each_change_after_the_cursor_is_told_with_old_and_new_skus(log: ChangeLog) -> None:
    shirt, cup = product("Shirt", variant("S"), variant("M")), product("Cup", variant("CUP"))
    log.note(None, shirt)
    start = log.after(None)
    assert (start.items, start.reset) == ([], True)
    log.note(encoded(shirt).head, next_of(shirt, "M", "L"))
    log.note(None, cup)
    told = log.after(start.cursor)
    assert (told.items, told.reset) == ([Change(shirt.id, 2, ["S", "M", "L"]), Change(cup.id, 1, ["CUP"])], False)
    assert log.after(told.cursor) == replace(told, items=[])


async def test_a_reader_waits_for_the_first_change_and_no_longer_than_it_says(
    reader: httpx.AsyncClient, shared: ChangeLog
) -> None:
    cursor = (await ask(reader))["cursor"]
    started = time.monotonic()
    assert (await ask(reader, cursor, 50))["items"] == []
    assert 0.05 <= time.monotonic() - started < 2
    waiting = [asyncio.create_task(ask(reader, cursor, 1000)) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    shared.note(None, shirt := product("Shirt", variant("S"), variant("M")))
    for told in await asyncio.gather(*waiting):
        assert (told["items"], told["reset"]) == ([{"id": shirt.id, "version": 1, "skus": ["S", "M"]}], False)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "cursor", ["other.1", "epoch.99", "epoch.-1", "epoch.", "epoch.x", "epoch.²", "1", "epoch.1.1"]
)
async def test_a_cursor_of_another_log_is_told_at_once_to_forget(
    reader: httpx.AsyncClient, shared: ChangeLog, cursor: str
) -> None:
    shared.note(None, product())
    started = time.monotonic()
    told = await ask(reader, cursor, 1000)
    assert (told["items"], told["reset"]) == ([], True)
    assert time.monotonic() - started < 0.9
    assert (await ask(reader, told["cursor"]))["reset"] is False


def test_a_reader_that_was_away_for_too_long_is_told_to_forget(log: ChangeLog) -> None:
    cursor = log.after(None).cursor
    for _ in range(KEPT):
        log.note(None, product())
    assert not log.after(cursor).reset
    log.note(None, product())
    assert log.after(cursor).reset


def test_a_page_that_is_not_the_last_says_nothing_of_how_far_it_is(log: ChangeLog, seconds: Seconds) -> None:
    cursor = log.after(None).cursor
    log.caught_up(seconds.now)
    products = [product(f"Number {number}") for number in range(PAGE_MAX + 1)]
    for each in products:
        log.note(None, each)
    first = log.after(cursor)
    second = log.after(first.cursor)
    assert [item.id for item in first.items + second.items] == [each.id for each in products]
    assert (len(first.items), first.behind_ms, second.behind_ms) == (PAGE_MAX, None, 0)


def test_how_far_it_is_is_known_only_from_whoever_follows_the_store(log: ChangeLog, seconds: Seconds) -> None:
    start = log.after(None)
    assert start.behind_ms is None
    log.caught_up(seconds.now)
    log.caught_up(seconds.now - 5)
    seconds.now += 0.25
    assert log.after(start.cursor).behind_ms == 250
    log.begin_anew()
    lost = log.after(start.cursor)
    assert (lost.reset, lost.behind_ms) == (True, None)
    assert log.after(lost.cursor).reset is False


async def test_who_waits_is_told_at_once_to_forget(log: ChangeLog) -> None:
    waiting = asyncio.create_task(log.wait(log.after(None).cursor, 60))
    await asyncio.sleep(0)
    log.begin_anew()
    await asyncio.wait_for(waiting, 2)


async def test_those_who_wait_cannot_take_all_places(reader: httpx.AsyncClient, shared: ChangeLog) -> None:
    cursor = (await ask(reader))["cursor"]
    waiting = [asyncio.create_task(ask(reader, cursor, 1000)) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0.2)
    assert (await asyncio.wait_for(ask(reader, cursor, 1000), 0.5))["items"] == []
    assert not any(task.done() for task in waiting)
    shared.note(None, product())
    await asyncio.gather(*waiting)


async def test_a_reader_that_waits_holds_up_the_end_of_the_service_for_no_longer_than_it_waits(
    sqlite_url: str, people: People
) -> None:
    service = await Process("products", STORE_URL=sqlite_url, USERS_URL=people.url).start()
    async with httpx.AsyncClient(base_url=service.url, timeout=10) as client:
        cursor = (await ask(client))["cursor"]
        waiting = asyncio.create_task(ask(client, cursor, 1000))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        await asyncio.to_thread(service.stop)
        assert (await waiting)["items"] == []
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("query", ["wait_ms=-1", "wait_ms=1001", "wait_ms=x", f"cursor={'x' * 101}"])
async def test_what_cannot_be_meant_is_refused(reader: httpx.AsyncClient, query: str) -> None:
    answer = await reader.get(f"/changes?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_who_waits_again_and_again_does_not_fill_the_log(
    sqlite_url: str, people: People, capsys: pytest.CaptureFixture[str]
) -> None:
    async with client_of(create_app(dataclasses.replace(settings(sqlite_url, people), log_level="info"))) as client:
        await ask(client, wait_ms=1)
        await ask(client)
    assert [line["status"] for line in map(json.loads, capsys.readouterr().out.splitlines()) if "route" in line] == [
        200
    ]
