"""What carts ask of the catalogue, and how often."""

import asyncio
import json

from carts.catalogue import ProductCatalogue
from shopkit import deadline
from shopkit.errors import Unavailable


class Products:
    """Stands in for the way to products: notes what is asked, and answers when it is told to."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.asked: list[list[str]] = []
        self.answers = asyncio.Event()
        self.fault = fault

    async def get(self, _path: str, query: list[tuple[str, str]], headers: dict[str, str]) -> bytes:
        # A replica of products may answer others from what it knew last.
        assert headers == {"Cache-Control": "no-cache"}
        skus = [sku for _, sku in query]
        self.asked.append(skus)
        await self.answers.wait()
        if self.fault:
            raise self.fault
        price = {"amount": 100, "currency": "EUR"}
        variants = [{"sku": sku, "options": {}, "price": price, "stock": 1} for sku in skus]
        product = {"id": "p", "name": "Tea", "image_url": None, "status": "active", "variants": variants}
        return json.dumps({"items": [product]}).encode()


async def asking(catalogue: ProductCatalogue, *orders: list[str]) -> list[asyncio.Task]:
    """Callers that all wait for an answer."""
    tasks = [asyncio.create_task(catalogue.look_up(skus)) for skus in orders]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_those_who_ask_for_the_same_sku_at_once_share_one_question():
    products = Products()
    tasks = await asking(ProductCatalogue(products, 60), ["A"], ["A", "B"], ["B", "A"])
    products.answers.set()
    told = await asyncio.gather(*tasks)
    assert products.asked == [["A"], ["B"]]
    assert [(set(one.facts), one.stale) for one in told] == [({"A"}, False), ({"A", "B"}, False), ({"A", "B"}, False)]


async def test_a_question_that_takes_too_long_is_not_joined_but_asked_again():
    products = Products()
    times = iter([0.0, 0.0, 61.0, 61.0])
    catalogue = ProductCatalogue(products, 60, clock=lambda: next(times))
    tasks = [*await asking(catalogue, ["A"]), *await asking(catalogue, ["A"])]
    products.answers.set()
    await asyncio.gather(*tasks)
    assert products.asked == [["A"], ["A"]]


async def test_a_short_deadline_of_one_cuts_off_nobody_else():
    seconds = []

    class Hurried(Products):
        async def get(self, path: str, query: list[tuple[str, str]], headers: dict[str, str]) -> bytes:
            seconds.append(deadline.remaining(2))
            return await super().get(path, query, headers)

    products = Hurried()
    products.answers.set()
    deadline.start(0.01)
    await ProductCatalogue(products, 60).look_up(["A"])
    assert seconds == [2]


async def test_who_has_little_time_is_told_what_was_seen_last_and_not_kept_waiting():
    products = Products()
    catalogue = ProductCatalogue(products, 0)
    products.answers.set()
    await catalogue.look_up(["A"])
    products.answers.clear()
    deadline.start(0.01)
    told = await catalogue.look_up(["A"])
    assert (told.facts["A"].stock, told.stale) == (1, True)
    products.answers.set()


async def test_one_who_leaves_takes_the_answer_from_nobody():
    products = Products()
    first, second = await asking(ProductCatalogue(products, 60), ["A"], ["A"])
    first.cancel()
    await asyncio.sleep(0)
    products.answers.set()
    assert (await second).facts["A"].stock == 1
    assert len(products.asked) == 1


async def test_all_who_wait_are_told_when_the_question_fails_and_the_next_asks_again():
    products = Products(Unavailable("down"))
    catalogue = ProductCatalogue(products, 60)
    tasks = await asking(catalogue, ["A"], ["A"])
    products.answers.set()
    assert all(told.stale for told in await asyncio.gather(*tasks))
    products.fault = None
    assert not (await catalogue.look_up(["A"])).stale
    assert len(products.asked) == 2


async def test_a_question_that_nobody_waits_for_any_more_ends_quietly():
    products = Products(Unavailable("down"))
    catalogue = ProductCatalogue(products, 60)
    (task,) = await asking(catalogue, ["A"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    products.answers.set()
    await asyncio.sleep(0.01)
    products.fault = None
    assert (await catalogue.look_up(["A"])).facts["A"].stock == 1
