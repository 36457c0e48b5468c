"""Changes of stock: all of them or none, over any number of products, and never below zero."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from products.product import STOCK_MAX, Product, Variant, next_version
from shopkit.errors import Conflict, FieldError, InvalidRequest

# What is left of each SKU; None where it is not counted.
Stocks = dict[str, int | None]


class StockChange(msgspec.Struct, frozen=True):
    """So many more (or, below zero, fewer) of one SKU."""

    sku: str
    delta: int


class Shortage(msgspec.Struct, frozen=True):
    """A SKU of which there is less than was wanted."""

    sku: str
    available: int
    wanted: int


class UnknownSku(InvalidRequest):
    """The shop has no such SKU for sale."""


class InsufficientStock(Conflict):
    """There is not enough of this in stock."""


class StockLimit(Conflict):
    """A stock is at most 1,000,000,000."""


def total_deltas(changes: Iterable[StockChange]) -> dict[str, int]:
    """What the changes come to for each SKU, in the order first named."""
    totals: dict[str, int] = {}
    for change in changes:
        totals[change.sku] = totals.get(change.sku, 0) + change.delta
    return totals


def change_stock(
    products: Sequence[Product], changes: Sequence[StockChange], at: datetime
) -> tuple[list[Product], Stocks]:
    """Next versions of those `products` that the changes touch, and what is left of each SKU named.

    UnknownSku, InsufficientStock or StockLimit name every SKU at fault.
    """
    totals = total_deltas(changes)
    variants = {variant.sku: variant for product in products for variant in product.variants}
    unknown = tuple(
        FieldError(f"#/changes/{index}/sku", f"No product has the SKU {change.sku}.")
        for index, change in enumerate(changes)
        if change.sku not in variants
    )
    if unknown:
        raise UnknownSku(errors=unknown)
    after = {sku: _after(variants[sku], delta) for sku, delta in totals.items()}
    _require_bounds(after, variants)
    changed = [_with_stocks(product, after, at) for product in products]
    return [new for new, old in zip(changed, products, strict=True) if new is not old], after


def _after(variant: Variant, delta: int) -> int | None:
    return None if variant.stock is None else variant.stock + delta


def _require_bounds(after: Stocks, variants: Mapping[str, Variant]) -> None:
    short = [
        Shortage(sku, available, available - left)
        for sku, left in after.items()
        if left is not None and left < 0 and (available := variants[sku].stock) is not None
    ]
    if short:
        raise InsufficientStock(f"There is not enough of {', '.join(shortage.sku for shortage in short)}.", skus=short)
    over = [sku for sku, left in after.items() if left is not None and left > STOCK_MAX]
    if over:
        raise StockLimit(f"There would be too much of {', '.join(over)}.", skus=over)


def _with_stocks(product: Product, stocks: Stocks, at: datetime) -> Product:
    variants = tuple(
        msgspec.structs.replace(variant, stock=stocks[variant.sku]) if variant.sku in stocks else variant
        for variant in product.variants
    )
    return next_version(product, at, variants=variants)
