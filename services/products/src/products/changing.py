"""Adding and changing products: what all use cases have at hand."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from products.product import Draft, Product, SlugTaken, new_product
from products.stock import StockChange, Stocks
from products.store import ProductStore
from products.words import slug_candidates
from shopkit.errors import Conflict, NotFound, RecordChanged, ShopError
from shopkit.idempotency import Replay
from shopkit.metrics import Metrics
from shopkit.values import Clock, new_id

ATTEMPTS = 20
PAUSE_SECONDS = 0.002

Rule = Callable[[Product], Product]


class ProductBusy(Conflict):
    """So many others change this product that this change found no gap; try again."""


class Shop:
    """The store, the time, and counters of what is done with them."""

    def __init__(self, store: ProductStore, clock: Clock, metrics: Metrics) -> None:
        self.store = store
        self.clock = clock
        self._changed = metrics.counter("products_changed", "Changes of products", "kind", "outcome")
        self._stock_changes = metrics.counter("stock_changes", "Changes of stock", "outcome")
        self._conflicts = metrics.counter("conflicts_retried", "Changes begun again because another was faster")

    async def get(self, id_or_slug: str) -> Product:
        """The product of that id or slug; NotFound if there is none."""
        product = await self.store.find(id_or_slug)
        if product is None:
            raise NotFound("No product has this id or slug.")
        return product

    async def add(self, draft: Draft, remember: Callable[[Product], Replay | None]) -> Product:
        """Adds a product; SkuTaken, or SlugTaken if the draft brings a slug that another product has."""
        product_id = new_id()
        slugs = [draft.slug] if draft.slug else slug_candidates(draft.name, product_id)
        with self._counted("added"):
            for slug in slugs:
                product = new_product(draft, product_id, slug, self.clock())
                try:
                    await self.store.add(product, remember(product))
                except SlugTaken as taken:
                    refused = taken
                else:
                    return product
            raise refused

    async def change(self, kind: str, id_or_slug: str, rule: Rule) -> Product:
        """Loads, applies `rule`, saves; from the start again while others are faster. A rule may refuse by raising."""
        with self._counted(kind):
            for number in range(ATTEMPTS):
                product = await self.get(id_or_slug)
                changed = rule(product)
                if changed is product:
                    return product
                try:
                    await self.store.save(changed)
                except RecordChanged:
                    self._conflicts.inc()
                    await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * number))  # noqa: S311
                else:
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
        return stocks

    @contextmanager
    def _counted(self, kind: str) -> Iterator[None]:
        try:
            yield
        except ShopError as error:
            self._changed.labels(kind, error.code).inc()
            raise
        self._changed.labels(kind, "ok").inc()
