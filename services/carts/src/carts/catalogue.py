"""What carts ask of the products service: price, stock and looks of SKUs that are not known to be as they were."""

import asyncio
import time
from collections.abc import Callable, Collection
from contextvars import Context
from typing import NamedTuple

import msgspec

from carts.cart import Catalogue, Facts
from carts.known import KnownFacts, Seen
from shopkit import deadline
from shopkit.client import CALL_SECONDS, Hop
from shopkit.errors import Unavailable
from shopkit.values import Money

SKUS_AT_ONCE = 100
# A replica of products answers others from what it knew last, even where its database is away.
FROM_THE_STORE = {"Cache-Control": "no-cache"}
# While the feed tells that something has changed, many want to know it: a question so young is theirs too.
SHARED_SECONDS = 0.1


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
    version: int = 0


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
    """Facts about SKUs: what is `known` to be present, else what products answers; while it is down, those last seen.

    Where nothing is known to be present, what was asked for within `fresh_seconds` is not asked for again.
    """

    def __init__(self, products: Hop, fresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.known = KnownFacts(clock)
        self._products = products
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._asking: dict[str, _Question] = {}

    async def look_up(self, skus: Collection[str]) -> Told:
        """What is known of these SKUs now."""
        moment = self._clock()
        present = self.known.find_present(skus, moment)
        if present is not None:
            return Told(present, stale=False)
        wanted = list(dict.fromkeys(skus))
        is_stale = not await self._make_sure(wanted, moment)
        return Told(self.known.last_seen(wanted), is_stale)

    async def _make_sure(self, skus: list[str], moment: float) -> bool:
        """Asks for those of the SKUs that are not known now; False where that was in vain."""
        since = moment - self._fresh_seconds
        shared = min(since, moment - SHARED_SECONDS) if self.known.is_alive(moment) else since
        outdated = {sku: None for sku in skus if not self.known.is_known(sku, moment, since)}
        unasked = [sku for sku in outdated if sku not in self._asking or self._asking[sku].asked < shared]
        for start in range(0, len(unasked), SKUS_AT_ONCE):
            self._begin(unasked[start : start + SKUS_AT_ONCE])
        try:
            # No longer than the caller has time for: what was seen last is an answer, too.
            async with asyncio.timeout(deadline.remaining(CALL_SECONDS)):
                for question in {self._asking[sku] for sku in outdated}:
                    # Others wait for it too: one who leaves must not take the answer from them.
                    await asyncio.shield(question.answer)
        except (Unavailable, TimeoutError):
            return False
        # Meanwhile the others may have changed, or the feed may have ended that knew them.
        others = [sku for sku in skus if sku not in outdated] if outdated else []
        return not others or await self._make_sure(others, self._clock())

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
        named = [("sku", sku) for sku in skus]
        answer = _decoder.decode(await self._products.get("/products", named, FROM_THE_STORE))
        found = {
            variant.sku: Seen(product.version, _facts(product, variant))
            for product in answer.items
            for variant in product.variants
        }
        self.known.see(skus, found, asked)


def _facts(product: _Product, variant: _Variant) -> Facts:
    return Facts(
        product.id,
        product.name,
        variant.options,
        product.image_url,
        Money(variant.price.amount, variant.price.currency),
        variant.stock,
        for_sale=product.status == "active",
    )
