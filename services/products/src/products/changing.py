"""Adding and changing products: what all use cases have at hand."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Literal

from products.product import Draft, Product, SlugTaken, new_product
from products.stock import StockChange, Stocks
from products.store import ProductStore
from products.view.answers import Found, encoded
from products.view.view import View
from products.words import slug_candidates
from shopkit.errors import Conflict, NotFound, RecordChanged, ShopError, Unavailable
from shopkit.idempotency import Replay
from shopkit.metrics import Metrics
from shopkit.values import Clock, new_id

ATTEMPTS = 20
PAUSE_SECONDS = 0.002

NO_SUCH = "No product has this id or slug."
Field = Literal["id", "sku"]

Rule = Callable[[Product], Product]


class ProductBusy(Conflict):
    """So many others change this product that this change found no gap; try again."""


class Shop:
    """The store, the view, the time, and counters of what is done with them. What was changed is shown on return."""

    def __init__(self, store: ProductStore, view: View, clock: Clock, metrics: Metrics) -> None:
        self.store = store
        self.view = view
        self.clock = clock
        self._changed = metrics.counter("products_changed", "Changes of products", "kind", "outcome")
        self._stock_changes = metrics.counter("stock_changes", "Changes of stock", "outcome")
        self._conflicts = metrics.counter("conflicts_retried", "Changes begun again because another was faster")

    async def read(self, id_or_slug: str, *, fresh: bool) -> Found:
        """The product of that id or slug as the view has it or, `fresh`, the store; NotFound if there is none.

        What the view does not have may be new, made by another replica: the store is asked, if it can be.
        """
        found = None if fresh else self.view.find(id_or_slug)
        if found is not None:
            return found
        try:
            return encoded(await self.get(id_or_slug))
        except Unavailable:
            if fresh or not self.view.is_serving:
                raise
            raise NotFound(NO_SUCH) from None

    async def read_all(self, field: Field, values: Sequence[str], *, fresh: bool) -> list[Found]:
        """The products that have any of those ids or SKUs, each once; likewise."""
        found = [] if fresh or not self.view.is_serving else self.view.answers.find_all(field, values)
        known = {name for one in found for name in ([one.head.id] if field == "id" else one.head.skus)}
        unknown = [value for value in values if value not in known]
        if not unknown:
            return found
        ask = self.store.find_by_ids if field == "id" else self.store.find_by_skus
        try:
            more = [encoded(product) for product in await ask(unknown)]
        except Unavailable:
            if fresh or not self.view.is_serving:
                raise
            return found
        # One of the view's that has since got another of those SKUs comes newer from the store.
        newer = {one.head.id for one in more}
        return [one for one in found if one.head.id not in newer] + more

    async def get(self, id_or_slug: str) -> Product:
        """The product of that id or slug as it is in the store, to be changed; NotFound if there is none."""
        product = await self.store.find(id_or_slug)
        if product is None:
            raise NotFound(NO_SUCH)
        return product

    async def add(self, draft: Draft, remember: Callable[[Product], Replay | None]) -> Product:
        """Adds a product; SkuTaken, or SlugTaken if the draft brings a slug that another product has."""
        with self._counted("added"):
            for product in new_products(draft, self.clock()):
                try:
                    await self.store.add(product, remember(product))
                except SlugTaken as taken:
                    refused = taken
                else:
                    await self.view.show([product])
                    return product
            raise refused

    async def change(self, kind: str, id_or_slug: str, rule: Rule) -> Product:
        """Loads, applies `rule`, saves; from the start again while others are faster. A rule may refuse by raising."""
        with self._counted(kind):
            for number in range(ATTEMPTS):
                product = await self.get(id_or_slug)
                try:
                    changed = rule(product)
                except ShopError:
                    # What a refusal was decided on may be newer than what reads are answered with.
                    await self.view.show([product])
                    raise
                if changed is product:
                    await self.view.show([product])
                    return product
                try:
                    await self.store.save(changed)
                except RecordChanged:
                    await self.give_way(number)
                else:
                    await self.view.show([changed])
                    return changed
            raise ProductBusy

    async def change_stock(
        self, changes: Sequence[StockChange], remember: Callable[[Stocks], Replay | None] | None
    ) -> Stocks:
        """As the store does it, counted."""
        try:
            stocks = await self.store.change_stock(changes, self.clock(), remember)
        except ShopError as error:
            self._stock_changes.labels(error.code).inc()
            raise
        self._stock_changes.labels("ok").inc()
        # The change is kept: whatever fails from here on must not have its caller make it again. The feed shows it too.
        with suppress(Unavailable):
            await self.view.show(await self.store.find_by_skus(list(stocks)))
        return stocks

    async def give_way(self, number: int) -> None:
        """Before a change is begun again, after `number` times before."""
        self._conflicts.inc()
        await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * number))  # noqa: S311

    def count(self, kind: str, outcome: str) -> None:
        """One product was changed, or was not: `outcome` is "ok" or the code of an error."""
        self._changed.labels(kind, outcome).inc()

    @contextmanager
    def _counted(self, kind: str) -> Iterator[None]:
        try:
            yield
        except ShopError as error:
            self.count(kind, error.code)
            raise
        self.count(kind, "ok")


def new_products(draft: Draft, at: datetime) -> Iterator[Product]:
    """The product to add, and then with other slugs, to try while another product has those before."""
    product_id = new_id()
    for slug in [draft.slug] if draft.slug else slug_candidates(draft.name, product_id):
        yield new_product(draft, product_id, slug, at)
