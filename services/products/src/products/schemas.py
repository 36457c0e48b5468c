"""The wire: what products take and give as JSON."""

import re
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from products.product import SKU, STOCK_MAX, VARIANTS_MAX, Draft, Product, Status, Variant
from products.stock import StockChange, Stocks, total_deltas
from products.words import SLUG_MAX, is_slug
from shopkit.errors import InvalidRequest
from shopkit.problems import invalid_body
from shopkit.values import NO_NUL, Currency, MinorUnits, Money

T = TypeVar("T")
BATCH_MAX = 500

Sku = Annotated[str, Meta(pattern=SKU, min_length=1, max_length=64)]
Stock = Annotated[int, Meta(ge=0, le=STOCK_MAX, description="how many there are; null where it is not counted")]
Delta = Annotated[int, Meta(ge=-STOCK_MAX, le=STOCK_MAX)]
Slug = Annotated[str, Meta(min_length=1, max_length=SLUG_MAX, pattern=NO_NUL)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]
Description = Annotated[str, Meta(max_length=20_000, pattern=NO_NUL)]
Category = Annotated[str, Meta(max_length=100, pattern=NO_NUL)]
Tag = Annotated[str, Meta(min_length=1, max_length=50, pattern=NO_NUL)]
Tags = Annotated[list[Tag], Meta(max_length=50)]
Key = Annotated[str, Meta(min_length=1, max_length=100, pattern=NO_NUL)]
Value = Annotated[str, Meta(max_length=1000, pattern=NO_NUL)]
Attributes = Annotated[dict[Key, Value], Meta(max_length=100)]
AttributesPatch = Annotated[dict[Key, Value | None], Meta(max_length=100)]
Options = Annotated[dict[Key, Value], Meta(max_length=20)]
# A page of the shop links to it, so nothing that a browser would run: a web address, or a path on this host.
ImageUrl = Annotated[str, Meta(max_length=2000, pattern=r"^(https?://[^\s\\\x00]+|/([^\s\\/\x00][^\s\\\x00]*)?)\Z")]


def read(content: Any, kind: type[T]) -> T:
    """Plain data as a wire type; InvalidRequest with a pointer where it does not fit."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from error


class VariantIn(msgspec.Struct, forbid_unknown_fields=True):
    """A variant of a product that is added or replaced."""

    sku: Sku
    price: Money
    options: Options = {}
    stock: Stock | None = None

    def variant(self) -> Variant:
        """As the rules know it."""
        return Variant(self.sku, self.options, self.price, self.stock)


Variants = Annotated[list[VariantIn], Meta(min_length=1, max_length=VARIANTS_MAX)]


class VariantContent(msgspec.Struct, forbid_unknown_fields=True):
    """A variant whose SKU stands in the path."""

    price: Money
    options: Options = {}
    stock: Stock | None = None

    def variant(self, sku: str) -> Variant:
        """As the rules know it; InvalidRequest if that cannot be a SKU."""
        if not re.fullmatch(SKU, sku):
            raise InvalidRequest.at("#/path/sku", "A SKU is 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`.")
        return Variant(sku, self.options, self.price, self.stock)


class ProductIn(msgspec.Struct, forbid_unknown_fields=True):
    """A new product: with `variants`, or with `sku` and `price` (and `stock`) of its only one."""

    name: Name
    variants: Variants | UnsetType = UNSET
    sku: Sku | UnsetType = UNSET
    price: Money | UnsetType = UNSET
    stock: Stock | UnsetType | None = UNSET
    description: Description = ""
    category: Category | None = None
    tags: Tags = []
    attributes: Attributes = {}
    image_url: ImageUrl | None = None
    slug: Slug | None = None

    def draft(self) -> Draft:
        """As the rules know it; InvalidRequest for what the types cannot say. A tag given twice counts once."""
        if self.slug is not None and not is_slug(self.slug):
            raise InvalidRequest.at("#/slug", "A slug is lower-case words joined by single hyphens, and no id.")
        return Draft(
            slug=self.slug,
            name=self.name,
            description=self.description,
            category=self.category or None,
            tags=tuple(dict.fromkeys(self.tags)),
            attributes=self.attributes,
            image_url=self.image_url,
            variants=self._variants(),
        )

    def _variants(self) -> tuple[Variant, ...]:
        single = {"sku": self.sku, "price": self.price, "stock": self.stock}
        given = [name for name, value in single.items() if value is not UNSET]
        if self.variants is not UNSET:
            if given:
                raise InvalidRequest.at(f"#/{given[0]}", "Give either `variants`, or `sku`, `price` and `stock`.")
            return tuple(variant.variant() for variant in self.variants)
        if self.sku is UNSET or self.price is UNSET:
            missing = "price" if self.sku is not UNSET else "sku" if self.price is not UNSET else "variants"
            raise InvalidRequest.at(f"#/{missing}", f"Object missing required field `{missing}`")
        return (Variant(self.sku, {}, self.price, None if self.stock is UNSET else self.stock),)


class MoneyPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What changes of a price."""

    amount: MinorUnits | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET


class ProductPatch(msgspec.Struct, forbid_unknown_fields=True):
    """JSON Merge Patch (RFC 7396) of a product: what is left out stays, null takes away, arrays are replaced.

    `sku`, `price` and `stock` are those of the only variant. A slug of null leaves the one it has.
    """

    name: Name | UnsetType = UNSET
    variants: Variants | UnsetType = UNSET
    sku: Sku | UnsetType = UNSET
    price: MoneyPatch | UnsetType = UNSET
    stock: Stock | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    category: Category | UnsetType | None = UNSET
    tags: Tags | UnsetType | None = UNSET
    attributes: AttributesPatch | UnsetType | None = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    slug: Slug | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET


class VariantOut(msgspec.Struct):
    """A variant; a stock of null is not counted."""

    sku: str
    options: dict[str, str]
    price: Money
    stock: int | None


class ProductOut(msgspec.Struct):
    """A product. `price_from` is the lowest price of its variants, `in_stock` whether any of them can be had."""

    id: str
    slug: str
    name: str
    description: str
    category: str | None
    tags: tuple[str, ...]
    attributes: dict[str, str]
    image_url: str | None
    status: Status
    variants: list[VariantOut]
    price_from: Money
    in_stock: bool
    version: int
    created_at: datetime
    updated_at: datetime


_encode = msgspec.json.Encoder().encode


def encode_product(product: Product) -> bytes:
    """A product as callers see it, encoded."""
    return _encode(product_out(product))


def product_out(product: Product) -> ProductOut:
    """A product as callers see it."""
    return ProductOut(
        id=product.id,
        slug=product.slug,
        name=product.name,
        description=product.description,
        category=product.category,
        tags=product.tags,
        attributes=product.attributes,
        image_url=product.image_url,
        status=product.status,
        variants=[VariantOut(v.sku, v.options, v.price, v.stock) for v in product.variants],
        price_from=product.price_from,
        in_stock=product.in_stock,
        version=product.version,
        created_at=product.created_at,
        updated_at=product.updated_at,
    )


class FacetOut(msgspec.Struct):
    """How many products of the result have a value."""

    value: str
    count: int


class FacetsOut(msgspec.Struct):
    """Over the whole result, most frequent first, at most 50 values each."""

    category: list[FacetOut]
    tag: list[FacetOut]


class ProductsOut(msgspec.Struct):
    """Some products; `missing` are the SKUs or ids asked for that no product has."""

    items: list[ProductOut]
    next_cursor: str | None
    total: int
    facets: FacetsOut
    missing: list[str] | UnsetType = UNSET


class BatchIn(msgspec.Struct, forbid_unknown_fields=True):
    """Products to add or change. Each is read on its own, so that a bad one stops no other."""

    items: Annotated[list[Any], Meta(max_length=BATCH_MAX, description="each as ProductIn, or as ProductPatch")]


class BatchResult(msgspec.Struct):
    """How one item went: 201 and 200 come with the product's id, all else with a problem."""

    status: int
    id: str | UnsetType = UNSET
    problem: dict[str, Any] | UnsetType = UNSET


class BatchOut(msgspec.Struct):
    """In the order of the items."""

    results: list[BatchResult]


class StockChangeIn(msgspec.Struct, forbid_unknown_fields=True):
    """So many more of a SKU, or fewer."""

    sku: Sku
    delta: Delta


class StockIn(msgspec.Struct, forbid_unknown_fields=True):
    """Changes that are made together or not at all."""

    changes: Annotated[list[StockChangeIn], Meta(min_length=1, max_length=100)]

    def stock_changes(self) -> list[StockChange]:
        """As the rules know them."""
        return [StockChange(change.sku, change.delta) for change in self.changes]


class StockChangeOut(msgspec.Struct):
    """What became of a SKU; a stock of null is not counted."""

    sku: str
    delta: int
    stock: int | None


class StockOut(msgspec.Struct):
    """One entry a SKU."""

    changes: list[StockChangeOut]


def stock_out(changes: list[StockChange], stocks: Stocks) -> StockOut:
    """The changes, summed for each SKU, and what is left."""
    return StockOut([StockChangeOut(sku, delta, stocks[sku]) for sku, delta in total_deltas(changes).items()])
