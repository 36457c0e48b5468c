"""`verify-view`: compares the read view on disk with the store, product by product."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from products.product import Product
from products.schemas import encode_product
from products.settings import Settings
from products.store import ProductStore
from products.stores import open_store
from products.view.asking import listed
from products.view.documents import head_of
from products.view.home import current
from products.view.index import Reader
from shopkit.errors import ShopError, Unavailable
from shopkit.metrics import Metrics
from shopkit.settings import fail
from shopkit.values import now

# Where the shop runs, both sides move: what differs is looked at again so often, after so long.
LOOKS, PAUSE_SECONDS = 3, 1.0
PORTION = 500
TOLD_MAX = 20

Differences = dict[str, str]
Progress = Callable[[int], None]


class Verdict(NamedTuple):
    """How many products were compared, and what differs: ids with a few words."""

    compared: int
    differences: Differences


def run(settings: Settings) -> int:
    """The command: its exit code, after the verdict was printed. Wrong use ends it with a sentence and code 2."""
    if not settings.view_dir:
        fail("VIEW_DIR is not set: a view that is made anew at each start cannot be compared.")
    path = settings.store_url.removeprefix("sqlite:///")
    if path != settings.store_url and not Path(path).is_file():
        fail(f"There is no database file {path}.")
    try:
        count, differences = asyncio.run(_verify(settings, _progress if sys.stderr.isatty() else _silence))
    except ShopError as error:
        fail(error.detail)
    sys.stdout.write(told(count, differences))
    return 1 if differences else 0


def told(count: int, differences: Differences) -> str:
    """The verdict in lines."""
    lines = [f"{product_id}: {words}" for product_id, words in list(differences.items())[:TOLD_MAX]]
    outcome = f"{len(differences):,} differ" if differences else "the view and the store are the same"
    return "\n".join([*lines, f"{count:,} products compared: {outcome}.", ""])


async def _verify(settings: Settings, progress: Progress) -> Verdict:
    store = open_store(settings.store_url, Metrics("products", "command"), now)
    try:
        await store.prepare()
        return await verify(store, Path(settings.view_dir), progress)
    finally:
        await store.close()


async def verify(store: ProductStore, home: Path, progress: Progress) -> Verdict:
    """Compares all products. Unavailable where there is no view, or the store cannot be read."""
    compared, differences = await _compare(opened(home), store.scan(), progress)
    for _ in range(LOOKS):
        if not differences:
            break
        await asyncio.sleep(PAUSE_SECONDS)
        differences = await _look_again(opened(home), store, list(differences))
    return Verdict(compared, differences)


def opened(home: Path) -> Reader:
    """The view in use as it is now."""
    for _ in range(LOOKS):
        folder = current(home)
        if folder is None:
            break
        try:
            reader = Reader.open(folder)
        except ValueError:
            # The service may just have changed over to another one.
            continue
        if reader.state() is not None:
            return reader
    raise Unavailable(f"{home} holds no read view of this version; the service that has it as VIEW_DIR makes one.")


async def _compare(reader: Reader, portions: AsyncIterator[list[Product]], progress: Progress) -> Verdict:
    differences: Differences = {}
    kept: set[str] = set()
    async for products in portions:
        differences |= _differences(reader, products)
        kept.update(product.id for product in products)
        progress(len(kept))
    for json in reader.all():
        product_id = head_of(json).id
        if product_id not in kept:
            differences[product_id] = "in the view, but not in the store"
    return Verdict(len(kept), differences)


async def _look_again(reader: Reader, store: ProductStore, ids: Sequence[str]) -> Differences:
    differences: Differences = {}
    for start in range(0, len(ids), PORTION):
        portion = ids[start : start + PORTION]
        products = await store.find_by_ids(portion)
        differences |= _differences(reader, products)
        for product_id in set(portion).difference(product.id for product in products):
            if reader.find("id", product_id) is not None:
                differences[product_id] = "in the view, but not in the store"
    return differences


def _differences(reader: Reader, products: Sequence[Product]) -> Differences:
    in_lists = listed(reader, [product.id for product in products])
    found = ((product.id, _difference(reader, product, is_listed=product.id in in_lists)) for product in products)
    return {product_id: words for product_id, words in found if words}


def _difference(reader: Reader, product: Product, *, is_listed: bool) -> str:
    """In a few words; empty if there is none."""
    places = reader.places("id", product.id)
    if not places:
        return "in the store, but not in the view"
    json = reader.json(places[0])
    version = head_of(json).version
    if version != product.version:
        return f"version {version} in the view, {product.version} in the store"
    if json != encode_product(product):
        return f"version {version} reads differently in the view"
    if is_listed != (product.status == "active"):
        return "archived, but in lists" if is_listed else "active, but in no list"
    names = [("id", product.id), ("slug", product.slug), *(("sku", variant.sku) for variant in product.variants)]
    for field, value in names:
        if reader.places(field, value) != places[:1]:
            return f"not found by its {field} {value}"
    return ""


def _progress(count: int) -> None:
    sys.stderr.write(f"\r{count:,} products compared")
    sys.stderr.flush()


def _silence(_: int) -> None: ...
