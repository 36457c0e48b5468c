"""Many products in one call: each item is read, placed and answered on its own."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from products.changing import Shop
from products.patching import apply_patch
from products.product import Product
from products.schemas import BatchResult, ProductIn, ProductPatch, read
from shopkit.errors import ShopError, Unavailable
from shopkit.problems import document, status_of

# So many writes wait together; the stores commit them together.
AT_ONCE = 32


class Item(NamedTuple):
    """One item of the batch and the SKUs it names."""

    number: int
    content: Any
    skus: list[str]


async def place_all(shop: Shop, contents: Sequence[Any], request_id: str) -> list[BatchResult]:
    """Adds each item, or changes the product that has its SKU already; a result for each, in the order given.

    Items that touch the same product follow each other, so a later one changes what an earlier one added.
    """
    items = [Item(number, content, skus_of(content)) for number, content in enumerate(contents)]
    known = await shop.store.find_by_skus([sku for item in items for sku in item.skus])
    results: dict[int, BatchResult] = {}
    places = asyncio.Semaphore(AT_ONCE)

    async def follow(lane: list[Item]) -> None:
        for item in lane:
            async with places:
                results[item.number] = await _place(shop, item, request_id)

    lanes_under_way = [asyncio.create_task(follow(lane)) for lane in lanes(items, known)]
    try:
        await asyncio.gather(*lanes_under_way)
    finally:
        # Where one ends the whole batch, none goes on behind its answer.
        for lane in lanes_under_way:
            lane.cancel()
        await asyncio.gather(*lanes_under_way, return_exceptions=True)
    return [results[item.number] for item in items]


def skus_of(content: Any) -> list[str]:
    """The SKUs an item names, as far as they can be read."""
    if not isinstance(content, dict):
        return []
    variants = content.get("variants")
    named = [content, *(variants if isinstance(variants, list) else [])]
    return [entry["sku"] for entry in named if isinstance(entry, dict) and isinstance(entry.get("sku"), str)]


def lanes(items: Sequence[Item], known: Sequence[Product]) -> list[list[Item]]:
    """The items in groups, each in the order given, such that no two groups touch the same SKU or product."""
    product_of = {variant.sku: product.id for product in known for variant in product.variants}
    keys = [[product_of.get(sku, sku) for sku in item.skus] or [f"item {item.number}"] for item in items]
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while (parent := parents.setdefault(key, key)) != key:
            key = parent
        return key

    for first, *others in keys:
        for other in others:
            parents[root(other)] = root(first)
    found: dict[str, list[Item]] = {}
    for item, (first, *_) in zip(items, keys, strict=True):
        found.setdefault(root(first), []).append(item)
    return list(found.values())


async def _place(shop: Shop, item: Item, request_id: str) -> BatchResult:
    """Its own faults are an item's result; a store that is down ends the whole batch."""
    try:
        present = await shop.store.find_by_skus(item.skus)
        holders = {variant.sku: product.id for product in present for variant in product.variants}
        sku = next((sku for sku in item.skus if sku in holders), None)
        if sku is None:
            added = await shop.add(read(item.content, ProductIn).draft(), lambda _: None)
            return BatchResult(201, added.id)
        patch = read(item.content, ProductPatch)
        changed = await shop.change("changed", holders[sku], lambda now: apply_patch(now, patch, shop.clock(), sku))
    except Unavailable:
        raise
    except ShopError as error:
        return BatchResult(status_of(type(error)), problem=document(error, request_id))
    return BatchResult(200, changed.id)
