"""The catalogue, as the products service has it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from shopkit.client import Hop, Reply
from storefront.backends.answers import Money, ask, bearer, read, segment

# A batch of an import is many products; staff wait longer for it than a shopper for a page.
BATCH_SECONDS = 60.0


class Variant(msgspec.Struct):
    """What can be bought. A stock of None is not counted."""

    sku: str
    options: dict[str, str]
    price: Money
    stock: int | None

    @property
    def in_stock(self) -> bool:
        """Whether any can be had."""
        return self.stock is None or self.stock > 0


class Product(msgspec.Struct):
    """A product with its variants; `price_from` is the lowest price among them."""

    id: str
    slug: str
    name: str
    description: str
    category: str | None
    tags: list[str]
    attributes: dict[str, str]
    image_url: str | None
    status: str
    variants: list[Variant]
    price_from: Money
    in_stock: bool
    version: int

    @property
    def has_one_price(self) -> bool:
        """Whether all variants cost the same."""
        return len({variant.price.amount for variant in self.variants}) == 1

    def variant(self, sku: str) -> Variant | None:
        """The variant of that SKU."""
        return next((variant for variant in self.variants if variant.sku == sku), None)


class Facet(msgspec.Struct):
    """How many products of a result have a value."""

    value: str
    count: int


class Facets(msgspec.Struct):
    """Over a whole result."""

    category: list[Facet] = []
    tag: list[Facet] = []


class Products(msgspec.Struct):
    """A page of a result."""

    items: list[Product]
    next_cursor: str | None
    total: int
    facets: Facets


class _Batch(msgspec.Struct):
    results: list[dict[str, Any]]


class Catalogue:
    """The service."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop

    async def search(self, query: Sequence[tuple[str, str]]) -> Products:
        """A page of products; `query` as the service's list takes it."""
        return read(await self._hop.call("GET", "/products", params=query), Products)

    async def product(self, slug: str) -> Product:
        """One product, by slug or id."""
        return await ask(self._hop, "GET", f"/products/{segment(slug)}", Product)

    async def picture(self, name: str) -> Reply:
        """A picture's bytes and headers."""
        return await self._hop.call("GET", f"/images/{segment(name)}")

    async def add(self, access_token: str, content: Any, key: str) -> Product:
        """A new product."""
        headers = {**bearer(access_token), "Idempotency-Key": key}
        return await ask(self._hop, "POST", "/products", Product, content, headers=headers)

    async def change(self, access_token: str, product_id: str, patch: Any, version: int) -> Product:
        """A product changed, unless it has changed since `version`."""
        headers = {**bearer(access_token), "If-Match": f'"{version}"'}
        return await ask(self._hop, "PATCH", f"/products/{product_id}", Product, patch, headers=headers)

    async def archive(self, access_token: str, product_id: str) -> None:
        """Takes a product out of the shop."""
        await ask(self._hop, "DELETE", f"/products/{product_id}", type(None), headers=bearer(access_token))

    async def change_stock(self, access_token: str, sku: str, delta: int, key: str) -> None:
        """So many more of a SKU, or fewer."""
        headers = {**bearer(access_token), "Idempotency-Key": key}
        content = {"changes": [{"sku": sku, "delta": delta}]}
        await ask(self._hop, "POST", "/stock", dict[str, Any], content, headers=headers)

    async def place(self, access_token: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Adds or changes many products; for each `status`, and `id` or `problem`."""
        answer = await ask(
            self._hop,
            "POST",
            "/products/batch",
            _Batch,
            {"items": items},
            headers=bearer(access_token),
            seconds=BATCH_SECONDS,
        )
        return answer.results
