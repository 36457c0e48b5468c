"""A product and its variants: what is true of them whoever asks and wherever they are kept."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from shopkit.errors import Conflict, InvalidRequest, NotFound
from shopkit.values import Money

VARIANTS_MAX = 100
STOCK_MAX = 10**9
SKU = r"^[A-Za-z0-9._-]{1,64}\Z"
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Status = Literal["active", "archived"]


class SkuTaken(Conflict):
    """Another product has this SKU."""


class SlugTaken(Conflict):
    """Another product has this slug."""


class LastVariant(Conflict):
    """A product keeps at least one variant; archive it instead."""


class VariantLimit(Conflict):
    """A product has at most 100 variants."""


class Variant(msgspec.Struct, frozen=True):
    """What is sold. A stock of None is not counted: there is always enough."""

    sku: str
    options: dict[str, str]
    price: Money
    stock: int | None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """All of a product that staff decide. Without a slug it gets one made from its name."""

    slug: str | None
    name: str
    description: str
    category: str | None
    tags: tuple[str, ...]
    attributes: dict[str, str]
    image_url: str | None
    variants: tuple[Variant, ...]


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the catalogue; its version counts its changes from 1."""

    id: str
    slug: str
    name: str
    description: str
    category: str | None
    tags: tuple[str, ...]
    attributes: dict[str, str]
    image_url: str | None
    status: Status
    variants: tuple[Variant, ...]
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def price_from(self) -> Money:
        """The lowest price of its variants."""
        return min((variant.price for variant in self.variants), key=lambda price: price.amount)

    @property
    def in_stock(self) -> bool:
        """Whether any variant can be had."""
        return any(variant.stock is None or variant.stock > 0 for variant in self.variants)

    def variant(self, sku: str) -> Variant:
        """The variant of that SKU; NotFound if there is none."""
        for variant in self.variants:
            if variant.sku == sku:
                return variant
        raise NotFound(f"This product has no variant {sku}.")


def is_id(text: str) -> bool:
    """Whether this names a product by its id; a slug never looks like one."""
    return ID.fullmatch(text) is not None


def new_product(draft: Draft, product_id: str, slug: str, at: datetime) -> Product:
    """The first version of a product. InvalidRequest if its variants do not go together."""
    _check(draft.variants)
    content: dict[str, Any] = {**msgspec.structs.asdict(draft), "slug": slug}
    return Product(id=product_id, status="active", version=1, created_at=at, updated_at=at, **content)


def draft_of(product: Product) -> Draft:
    """All that may be changed of a product, as it is now."""
    return Draft(**{name: getattr(product, name) for name in Draft.__struct_fields__})


def revise(product: Product, draft: Draft, status: Status, at: datetime) -> Product:
    """The product as `draft` has it: its next version, or `product` itself if that is the same."""
    _check(draft.variants)
    content: dict[str, Any] = {**msgspec.structs.asdict(draft), "slug": draft.slug or product.slug}
    return next_version(product, at, status=status, **content)


def put_variant(product: Product, variant: Variant, at: datetime) -> Product:
    """Adds a variant behind the others, or replaces the one of the same SKU in its place."""
    others = [present for present in product.variants if present.sku != variant.sku]
    require_currency(variant.price.currency, others)
    if len(others) == len(product.variants):
        if len(others) == VARIANTS_MAX:
            raise VariantLimit
        return next_version(product, at, variants=(*product.variants, variant))
    kept = tuple(variant if present.sku == variant.sku else present for present in product.variants)
    return next_version(product, at, variants=kept)


def remove_variant(product: Product, sku: str, at: datetime) -> Product:
    """Takes a variant away. NotFound if it is not there, LastVariant if there is no other."""
    gone = product.variant(sku)
    if len(product.variants) == 1:
        raise LastVariant
    return next_version(product, at, variants=tuple(variant for variant in product.variants if variant != gone))


def archive(product: Product, at: datetime) -> Product:
    """Takes the product out of all lists; it is still found by its id, slug and SKUs."""
    return next_version(product, at, status="archived")


def next_version(product: Product, at: datetime, **changes: Any) -> Product:
    """The product with `changes`; `product` itself if they change nothing."""
    changed = msgspec.structs.replace(product, **changes)
    if changed == product:
        return product
    return msgspec.structs.replace(changed, version=product.version + 1, updated_at=at)


def require_currency(currency: str, others: Sequence[Variant]) -> None:
    """InvalidRequest if other variants of the product have another currency."""
    if others and others[0].price.currency != currency:
        detail = f"The other variants of this product have their prices in {others[0].price.currency}."
        raise InvalidRequest.at("#/price/currency", detail)


def _check(variants: Sequence[Variant]) -> None:
    currency = variants[0].price.currency
    seen: set[str] = set()
    for index, variant in enumerate(variants):
        if variant.sku in seen:
            raise InvalidRequest.at(f"#/variants/{index}/sku", f"The SKU {variant.sku} is named twice.")
        if variant.price.currency != currency:
            raise InvalidRequest.at(f"#/variants/{index}/price/currency", "All variants share one currency.")
        seen.add(variant.sku)
