"""Carts and the feed of products, over HTTP: what is asked while it tells; nothing is trusted when it does not."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from aiohttp import web

from carts.app import create_app
from carts.settings import Settings
from shopdev.clients import client_of

from .conftest import Guest, Products, new_guest

PATIENCE = 5.0


class Telling(Products):
    """A products service that also tells what changes: each of `told` once, and what the test says of the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, int] = {}
        self.told: list[dict[str, Any]] = []
        self.polls = 0
        self.epoch = "one"
        self.behind_ms: int | None = 0
        self.status = 200
        self.answers = asyncio.Event()
        self.answers.set()
        self.feeds = asyncio.Event()
        self.feeds.set()

    def sell(self, sku: str, *rest: Any, **more: Any) -> None:
        super().sell(sku, *rest, **more)
        self.versions[sku] = self.versions.get(sku, 0) + 1
        self.variants[sku]["version"] = self.versions[sku]

    def tell(self, sku: str) -> None:
        """The feed tells that this product has the version it has."""
        self.told.append({"id": f"id-of-{sku}", "version": self.versions[sku], "skus": [sku]})

    async def _answer(self, request: web.Request) -> web.Response:
        answer = await super()._answer(request)
        await self.answers.wait()
        return answer

    async def _changes(self, request: web.Request) -> web.Response:
        self.polls += 1
        await self.feeds.wait()
        epoch, _, number = request.query["cursor"].rpartition(".")
        until = time.monotonic() + int(request.query["wait_ms"]) / 1000
        while f"{self.epoch}.{len(self.told)}" == f"{epoch}.{number}" and time.monotonic() < until:
            await asyncio.sleep(0.005)
        known = epoch == self.epoch
        if self.status != 200:
            return web.Response(status=self.status)
        answer = {"items": self.told[int(number) :] if known else [], "cursor": f"{self.epoch}.{len(self.told)}"}
        return web.json_response(answer | {"reset": not known, "behind_ms": self.behind_ms})

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.get("/changes", self._changes)]


@pytest.fixture
async def products() -> AsyncIterator[Telling]:
    async with Telling() as found:
        found.sell("A")
        found.sell("B")
        yield found


@pytest.fixture
async def guest(client: httpx.AsyncClient, products: Telling) -> Guest:
    """A guest whose cart holds A and B, when reading it asks products no more."""
    found = await new_guest(client, ("A", 1), ("B", 1))
    await until_kept(found, products)
    return found


async def questions(guest: Guest, products: Products, reads: int = 5) -> int:
    """How often products is asked when the cart is read so many times."""
    before = products.asked
    for _ in range(reads):
        assert (await guest.get()).status_code == 200
    return products.asked - before


async def until_kept(guest: Guest, products: Products) -> None:
    """Waits until reading asks products no more."""
    until = time.monotonic() + PATIENCE
    while await questions(guest, products, 1):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


async def until_asked(guest: Guest, products: Products) -> None:
    """Waits until each reading asks products."""
    until = time.monotonic() + PATIENCE
    while await questions(guest, products) < 5:
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


async def until_price(guest: Guest, amount: int, seconds: float) -> None:
    """Reads until the first line has that price; fails if it has not within so many seconds."""
    until = time.monotonic() + seconds
    while (await guest.get()).json()["lines"][0]["unit_price"]["amount"] != amount:
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


async def metric(client: httpx.AsyncClient, name: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


async def test_while_the_feed_tells_only_what_has_changed_is_asked_for(
    client: httpx.AsyncClient, guest: Guest, products: Telling
) -> None:
    assert await questions(guest, products, 20) == 0
    assert (await guest.add("A")).json()["subtotal"]["amount"] == 3000
    assert (await metric(client, "catalogue_feed_alive"), products.asked > 0) == (1, True)
    assert await metric(client, "catalogue_feed_age_seconds") < 0.9
    asked = products.asked
    products.sell("A", 1250)
    products.tell("A")
    await until_price(guest, 1250, 1)
    assert products.asked - asked == 1
    assert await metric(client, "catalogue_changes_heard_total") == 1
    assert await questions(guest, products) == 0


async def test_the_feed_that_fails_leaves_nothing_that_is_not_asked_for(
    client: httpx.AsyncClient, guest: Guest, products: Telling
) -> None:
    products.status = 503
    await until_asked(guest, products)
    assert await metric(client, "catalogue_feed_alive") == 0
    assert (await client.get("/readyz")).status_code == 200
    products.sell("A", 1250)
    assert (await guest.get()).json()["lines"][0]["unit_price"]["amount"] == 1250
    products.status = 200
    await until_kept(guest, products)


async def test_a_products_service_that_hangs_is_noticed_within_a_second(guest: Guest, products: Telling) -> None:
    products.answers.clear()
    products.feeds.clear()
    await asyncio.sleep(1)
    cart = (await guest.get(headers={"Request-Timeout-Ms": "500"})).json()
    assert (cart["stale"], [line["sku"] for line in cart["lines"]]) == (True, ["A", "B"])
    products.answers.set()
    products.feeds.set()
    assert (await guest.get()).json()["stale"] is False
    await until_kept(guest, products)


async def test_a_feed_that_begins_anew_makes_all_be_asked_for(guest: Guest, products: Telling) -> None:
    # While nobody listened the price has changed, and the new feed knows nothing of it.
    products.sell("A", 1250)
    products.epoch = "two"
    await until_price(guest, 1250, 1)
    await until_kept(guest, products)


@pytest.mark.parametrize("behind_ms", [None, 1000])
async def test_a_feed_that_does_not_know_how_far_it_is_is_not_trusted(
    guest: Guest, products: Telling, behind_ms: int | None
) -> None:
    products.behind_ms = behind_ms
    await until_asked(guest, products)


async def test_a_products_service_without_a_feed_is_asked_each_time(guest: Guest, products: Telling) -> None:
    products.status = 404
    await until_asked(guest, products)
    polls = products.polls
    await asyncio.sleep(1.2)
    assert products.polls - polls <= 3


async def test_an_answer_that_a_change_overtook_is_asked_for_again(guest: Guest, products: Telling) -> None:
    products.sell("A", 1100)
    products.tell("A")
    # The answer is made before the next change, and comes after the feed has told it.
    products.answers.clear()
    asked = products.asked
    until = time.monotonic() + PATIENCE
    readings = []
    while products.asked == asked and time.monotonic() < until:
        readings.append(asyncio.create_task(guest.get()))
        await asyncio.sleep(0.02)
    products.sell("A", 1200)
    products.tell("A")
    await asyncio.sleep(0.1)
    products.answers.set()
    await asyncio.gather(*readings)
    await until_price(guest, 1200, 1)
    await until_kept(guest, products)


async def test_what_was_known_when_a_slow_question_was_asked_is_asked_for_if_it_changes_meanwhile(
    client: httpx.AsyncClient, guest: Guest, products: Telling
) -> None:
    products.sell("NEW")
    products.answers.clear()
    asked = products.asked
    adding = asyncio.create_task(guest.add("NEW"))
    while products.asked == asked:
        await asyncio.sleep(0.005)
    products.sell("A", 1250)
    products.tell("A")
    await asyncio.sleep(0.1)
    products.answers.set()
    cart = (await adding).json()
    assert [line["unit_price"]["amount"] for line in cart["lines"]] == [1250, 1000, 1000]


async def test_an_application_with_another_products_service_knows_nothing_of_this_one(
    settings: Settings, guest: Guest, products: Telling
) -> None:
    async with Products() as other:
        other.sell("A", 5)
        async with client_of(create_app(replace(settings, products_url=other.url))) as client:
            cart = (await client.get(f"/carts/{guest.id}", headers=guest.headers)).json()
    assert [line["unit_price"]["amount"] for line in cart["lines"]] == [5, 1000]
    assert await questions(guest, products) == 0
