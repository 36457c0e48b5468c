"""Many products in one call: each is read, placed and answered on its own; what can be is found and kept together.

The items are worked through in the order given, some at a time. Of those, the ones that touch the same product or slug
follow each other, so a later one changes what an earlier one added.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from products.changing import ATTEMPTS, ProductBusy, Shop, new_products
from products.patching import apply_patch
from products.product import Product, SkuTaken, SlugTaken
from products.schemas import BatchResult, ProductIn, ProductPatch, read
from shopkit.errors import RecordChanged, ShopError
from shopkit.problems import document, status_of

# Items with so many SKUs are found and kept together: enough that the store is asked seldom, few enough that others get
# their turn.
SKUS_AT_ONCE = 100


class Item:
    """One item of a batch, what it names, and how far it has come."""

    def __init__(self, number: int, content: Any) -> None:
        self.number = number
        self.content = content
        self.skus = skus_of(content)
        self.result: BatchResult | None = None
        self.kind = "added"
        self.races_lost = 0
        # The product it adds; behind it the same with other slugs, for when that one's is taken. The last time it was:
        self.new: list[Product] = []
        self.slug_taken: SlugTaken | None = None


async def place_all(shop: Shop, contents: Sequence[Any], request_id: str) -> list[BatchResult]:
    """Adds each item, or changes the product that has its SKU already; a result for each, in the order given.

    Its own faults are an item's result; a store that is down ends the whole batch with Unavailable.
    """
    results: list[BatchResult] = []
    kept: list[Product] = []
    for items in _portions(contents):
        kept += await _place(shop, items, request_id)
        results += [item.result for item in items if item.result is not None]
    # At the end, so that the next portion is on its way to the store while this one goes into the view.
    await shop.view.show(kept)
    return results


def skus_of(content: Any) -> list[str]:
    """The SKUs an item names, as far as they can be read."""
    if not isinstance(content, dict):
        return []
    variants = content.get("variants")
    named = [content, *(variants if isinstance(variants, list) else [])]
    return [entry["sku"] for entry in named if isinstance(entry, dict) and isinstance(entry.get("sku"), str)]


def lanes(items: Sequence[Item], known: Sequence[Product]) -> list[list[Item]]:
    """The items in groups, each in the order given, such that no two groups touch the same SKU, product or slug."""
    holders = {variant.sku: product for product in known for variant in product.variants}
    keys = [list(_touched(item, holders)) for item in items]
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


def _touched(item: Item, holders: Mapping[str, Product]) -> Iterator[str]:
    """What other items may touch too: SKUs or whose they are, the slug it names, and those it may give up."""
    yield f"item {item.number}"
    for sku in item.skus:
        holder = holders.get(sku)
        yield f"SKU {sku}" if holder is None else f"slug {holder.slug}"
    if isinstance(item.content, dict) and isinstance(item.content.get("slug"), str):
        yield f"slug {item.content['slug']}"


def _portions(contents: Sequence[Any]) -> Iterator[list[Item]]:
    portion: list[Item] = []
    size = 0
    for number, content in enumerate(contents):
        item = Item(number, content)
        if portion and size + len(item.skus) > SKUS_AT_ONCE:
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += max(1, len(item.skus))
    if portion:
        yield portion


async def _place(shop: Shop, items: Sequence[Item], request_id: str) -> list[Product]:
    """In rounds, each with the first item of every lane that has no result yet; all that is kept now."""
    kept: list[Product] = []
    known = await _known(shop, items)
    waiting = lanes(items, known)
    while waiting:
        first = [lane[0] for lane in waiting]
        kept += await _round(shop, first, known, request_id)
        waiting = [rest for lane in waiting if (rest := lane[1:] if lane[0].result else lane)]
        if waiting:
            known = await _known(shop, [lane[0] for lane in waiting])
    return kept


async def _known(shop: Shop, items: Sequence[Item]) -> list[Product]:
    skus = [sku for item in items for sku in item.skus]
    return await shop.store.find_by_skus(skus) if skus else []


async def _round(shop: Shop, items: Sequence[Item], known: Sequence[Product], request_id: str) -> list[Product]:
    """One attempt at each of `items`, no two of which touch the same product; what is kept of them now."""
    holders = {variant.sku: product for product in known for variant in product.variants}
    changed: list[tuple[Item, Product]] = []
    unchanged: list[Product] = []
    for item in items:
        try:
            present, product = _planned(shop, item, holders)
        except ShopError as error:
            _refuse(shop, item, error, request_id)
        else:
            if product is present:
                _accept(shop, item, product)
                unchanged.append(product)
            else:
                changed.append((item, product))
        # Others get their turn: a long text takes milliseconds.
        await asyncio.sleep(0)
    outcomes = await shop.store.keep_all([product for _, product in changed])
    kept = [product for (_, product), refusal in zip(changed, outcomes, strict=True) if refusal is None]
    kept += unchanged
    shop.view.offer(kept)
    late: list[Item] = []
    for (item, product), refusal in zip(changed, outcomes, strict=True):
        if refusal is None:
            _accept(shop, item, product)
        elif isinstance(refusal, RecordChanged) or (isinstance(refusal, SkuTaken) and item.new):
            late.append(item)
        elif isinstance(refusal, SlugTaken) and item.new:
            # Who has the slug may have brought the SKU with it: only the next round knows.
            item.new.pop(0)
            item.slug_taken = refusal
        else:
            _refuse(shop, item, refusal, request_id)
    await asyncio.gather(*(_begin_again(shop, item, request_id) for item in late))
    return kept


def _planned(shop: Shop, item: Item, holders: Mapping[str, Product]) -> tuple[Product | None, Product]:
    """The product as it is, if it is there, and as the item has it. ShopError if the item breaks a rule."""
    sku = next((sku for sku in item.skus if sku in holders), None)
    if sku is None:
        item.kind = "added"
        if item.slug_taken is not None and not item.new:
            raise item.slug_taken
        item.new = item.new or list(new_products(read(item.content, ProductIn).draft(), shop.clock()))
        return None, item.new[0]
    item.kind, item.new, item.slug_taken = "changed", [], None
    patch = read(item.content, ProductPatch)
    return holders[sku], apply_patch(holders[sku], patch, shop.clock(), sku)


async def _begin_again(shop: Shop, item: Item, request_id: str) -> None:
    item.races_lost += 1
    if item.races_lost == ATTEMPTS:
        _refuse(shop, item, ProductBusy(), request_id)
    else:
        await shop.give_way(item.races_lost)


def _accept(shop: Shop, item: Item, product: Product) -> None:
    shop.count(item.kind, "ok")
    item.result = BatchResult(201 if item.kind == "added" else 200, product.id)


def _refuse(shop: Shop, item: Item, error: ShopError, request_id: str) -> None:
    shop.count(item.kind, error.code)
    item.result = BatchResult(status_of(type(error)), problem=document(error, request_id))
