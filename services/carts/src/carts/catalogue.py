"""What carts ask of the products service: price, stock and looks of SKUs. Its answers are kept for a moment."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import NamedTuple

import msgspec

from carts.cart import Catalogue, Facts
from shopkit import deadline
from shopkit.client import CALL_SECONDS, Hop
from shopkit.errors import Unavailable
from shopkit.values import Money

SKUS_AT_ONCE = 100
REMEMBERED = 50_000


class _Price(msgspec.Struct):
    amount: int
    currency: str


class _Variant(msgspec.Struct):
    sku: str
    options: dict[str, str]
    price: _Price
    stock: int | None


class _Product(msgspec.Struct):
    """The members of a product that a cart needs; it may have others."""

    id: str
    name: str
    image_url: str | None
    status: str
    variants: list[_Variant]


class _Products(msgspec.Struct):
    items: list[_Product]


_decoder = msgspec.json.Decoder(_Products)


class Told(NamedTuple):
    """The catalogue's answer. `stale`: it could not be asked, so this is what it said last, as far as we heard it."""

    facts: Catalogue
    stale: bool


class _Question(NamedTuple):
    """Something asked of the catalogue at that time, not answered yet."""

    asked: float
    answer: asyncio.Task[None]


class ProductCatalogue:
    """Facts about SKUs, at most `fresh_seconds` old; while products is down, those last seen by this replica."""

    def __init__(self, products: Hop, fresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._products = products
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._seen: dict[str, tuple[float, Facts | None]] = {}
        self._asking: dict[str, _Question] = {}

    async def look_up(self, skus: Iterable[str]) -> Told:
        """What is known of these SKUs now."""
        wanted = dict.fromkeys(skus)
        since = self._clock() - self._fresh_seconds
        outdated = [sku for sku in wanted if sku not in self._seen or self._seen[sku][0] < since]
        unasked = [sku for sku in outdated if sku not in self._asking or self._asking[sku].asked < since]
        for start in range(0, len(unasked), SKUS_AT_ONCE):
            self._begin(unasked[start : start + SKUS_AT_ONCE])
        stale = False
        try:
            # No longer than the caller has time for: what was seen last is an answer, too.
            async with asyncio.timeout(deadline.remaining(CALL_SECONDS)):
                for question in {self._asking[sku] for sku in outdated}:
                    # Others wait for it too: one who leaves must not take the answer from them.
                    await asyncio.shield(question.answer)
        except (Unavailable, TimeoutError):
            stale = True
        return Told({sku: self._seen[sku][1] for sku in wanted if sku in self._seen}, stale)

    def _begin(self, skus: list[str]) -> None:
        """Asks; those who want to know the same meanwhile wait for the same answer."""
        asked = self._clock()
        # In a context of its own: nobody's short deadline may cut off the answer that others wait for.
        question = _Question(asked, asyncio.create_task(self._ask(skus, asked), context=Context()))
        self._asking |= dict.fromkeys(skus, question)

        def end(answer: asyncio.Task[None]) -> None:
            for sku in skus:
                if self._asking.get(sku) is question:
                    del self._asking[sku]
            if not answer.cancelled():
                answer.exception()  # Told to all who waited; there may be none left.

        question.answer.add_done_callback(end)

    async def _ask(self, skus: list[str], asked: float) -> None:
        answer = _decoder.decode(await self._products.get("/products", [("sku", sku) for sku in skus]))
        found = {
            variant.sku: Facts(
                product.id,
                product.name,
                variant.options,
                product.image_url,
                Money(variant.price.amount, variant.price.currency),
                variant.stock,
                for_sale=product.status == "active",
            )
            for product in answer.items
            for variant in product.variants
        }
        for sku in skus:
            # Out and in again: the oldest stand first, and are the first to go when there are too many.
            self._seen.pop(sku, None)
            self._seen[sku] = (asked, found.get(sku))
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
