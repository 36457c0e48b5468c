"""The port: what the service asks of whatever keeps its products."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from products.product import Product, SkuTaken, SlugTaken
from products.stock import StockChange, Stocks
from shopkit.errors import RecordChanged
from shopkit.idempotency import Replay
from shopkit.watch import Store

# Why a product was not kept.
Refusal = SkuTaken | SlugTaken | RecordChanged


class PositionLost(Exception):
    """The feed cannot go on from there: too long ago, or another store's. Never shown to a caller."""


class Change(NamedTuple):
    """What the feed tells: a product as it is kept now, or None: that there is nothing more just now.

    A feed that begins at `position` goes on behind what is told here. All that was durable at `complete_at` (of
    `time.monotonic`) has been told with it or before; None where that is not known.
    """

    product: Product | None
    position: str
    complete_at: float | None = None


class ProductStore(Store, Protocol):
    """Where products live. Every method is atomic, and what it changes is durable when it returns.

    SKUs and slugs are unique over all products, archived ones too. A replay is kept by the same transaction as the
    change, or raises `shopkit.idempotency.ReplayExists`, and then nothing was changed.
    """

    async def find(self, id_or_slug: str) -> Product | None:
        """The product of that id or slug, archived or not."""
        ...

    async def find_by_ids(self, ids: Sequence[str]) -> list[Product]:
        """The products of those ids, archived or not, in no order."""
        ...

    async def find_by_skus(self, skus: Sequence[str]) -> list[Product]:
        """The products that hold any of those SKUs, each once, archived or not, in no order."""
        ...

    async def add(self, product: Product, replay: Replay | None) -> None:
        """Keeps a new product. SkuTaken or SlugTaken if another one has its SKU or slug."""
        ...

    async def save(self, product: Product) -> None:
        """Keeps the product's next version. RecordChanged unless the one before is what is kept now; else as `add`."""
        ...

    async def keep_all(self, products: Sequence[Product]) -> list[Refusal | None]:
        """Adds those of version 1 and saves the others, each on its own; for each None, or why it was not kept.

        Not atomic as a whole: where the store fails, some may be kept. Meant for some hundred at a time.
        """
        ...

    async def change_stock(
        self, changes: Sequence[StockChange], at: datetime, remember: Callable[[Stocks], Replay | None] | None
    ) -> Stocks:
        """Applies `products.stock.change_stock` to whatever is kept now, and says what is left of each SKU.

        `remember`, if given, makes the answer to keep with the change.
        """
        ...

    async def keep_replay(self, replay: Replay) -> None:
        """Keeps the answer to a request whose changes are kept already."""
        ...

    async def find_replay(self, replay_id: str) -> Replay | None:
        """The kept answer of that id."""
        ...

    async def position(self) -> str:
        """Where the feed stands now."""
        ...

    def scan(self) -> AsyncIterator[list[Product]]:
        """Every product, archived or not, each once, some hundred at a time; those added meanwhile or not."""
        ...

    def follow(self, position: str) -> AsyncGenerator[Change, None]:
        """Every change after that position, whichever replica made it, in the order of each product's versions.

        Of a product that changed several times only its newest version need be told. Where nothing changes, that is
        told several times a second. PositionLost where that position is no more; Unavailable where the store fails.
        """
        ...
