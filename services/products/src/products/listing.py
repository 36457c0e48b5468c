"""What can be asked of the catalogue, and what comes back."""

from typing import Literal

import msgspec

FACET_VALUES_MAX = 50

Sort = Literal["relevance", "price", "-price", "name", "-created_at"]
# Where a page ended: the sort key of its last product, and that product's id.
Place = tuple[int | float | str, str]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which active products, in which order, and from where. None does not restrict.

    All `tags` and all `words` must be there, of words perhaps only something like it: see products.view.asking. Prices
    are minor units and compared with the lowest of a product.
    """

    sort: Sort = "-created_at"
    limit: int = 20
    after: Place | None = None
    words: tuple[str, ...] | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None

    @property
    def result(self) -> "Query":
        """The same products in no order and not in pages: queries with an equal one have the same facts."""
        return msgspec.structs.replace(self, sort="-created_at", limit=1, after=None)


class Facet(msgspec.Struct, frozen=True):
    """One value that products of a result have, and how many have it."""

    value: str
    count: int


class Listing(msgspec.Struct, frozen=True):
    """One page, as JSON, and facts about the whole: how many, their categories and tags (most frequent first)."""

    items: list[bytes]
    next: Place | None
    total: int
    categories: list[Facet]
    tags: list[Facet]
