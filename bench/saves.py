"""What a save of a cart costs, alone and grouped: `.venv/bin/python -m bench.saves`.

Writers save carts of their own for a while, each the next as soon as the last is answered. Printed per store, size of
cart and number of writers: microseconds of CPU of this process a save (the driver and all, the server not), saves a
second, and the median time to the answer. "One by one" is an `update_one` each, as without groups; on SQLite, a commit
each.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pymongo
from pymongo import AsyncMongoClient

from carts.cart import Cart, Edit, Facts, edit, new_cart, touched
from carts.store import CartStore
from carts.stores import open_store
from carts.stores.mongo_saves import changing_members
from shopdev.mongod import Mongod
from shopkit.metrics import Metrics
from shopkit.mongo import DURABLE
from shopkit.values import Money, new_id, now

WRITERS = (1, 16, 32, 64)
LINES = (1, 100)
Save = Callable[[Cart], Awaitable[object]]


class Cost(NamedTuple):
    """Of one save: CPU in microseconds, how many a second, median milliseconds to the answer."""

    cpu_us: float
    per_second: float
    p50_ms: float


def new_filled_cart(lines: int) -> Cart:
    """A guest's cart with so many lines."""
    shop = {
        f"SKU-{n}": Facts(new_id(), f"Product number {n}", {"size": "M"}, f"/{n}.svg", Money(n, "EUR"), None, True)
        for n in range(lines)
    }
    empty = new_cart(new_id(), None, new_id(), now())
    return edit(empty, [Edit(sku, delta=1) for sku in shop], shop, now())


async def measure(save: Save, carts: list[Cart], seconds: float) -> Cost:
    """Saves each cart again and again, all at once."""
    took: list[float] = []

    async def write(cart: Cart) -> None:
        while (begun := time.perf_counter()) < end:
            cart = touched(cart, cart.updated_at)
            await save(cart)
            took.append(time.perf_counter() - begun)

    started, cpu = time.perf_counter(), time.process_time()
    end = started + seconds
    await asyncio.gather(*(write(cart) for cart in carts))
    cpu, passed = time.process_time() - cpu, time.perf_counter() - started
    return Cost(cpu / len(took) * 1e6, len(took) / passed, median(took) * 1e3)


def one_by_one(url: str, store: CartStore, stack: list[Any]) -> Save:
    """A save without groups."""
    if url.startswith("sqlite"):
        alone = asyncio.Lock()

        async def commit(cart: Cart) -> None:
            async with alone:
                await store.save(cart, None)

        return commit
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url, **DURABLE)
    stack.append(client)
    collection = client.get_default_database()["carts"]

    async def update(cart: Cart) -> None:
        with pymongo.timeout(3):
            condition = {"_id": cart.id, "version": cart.version - 1}
            result = await collection.update_one(condition, {"$set": changing_members(cart)})
        assert result.matched_count == 1

    return update


async def measure_store(url: str, seconds: float) -> None:
    """Prints the rows of one store."""
    store = open_store(url, Metrics("bench", "0"), now)
    await store.prepare()
    clients: list[Any] = []
    alone = one_by_one(url, store, clients)

    async def grouped(cart: Cart) -> None:
        await store.save(cart, None)

    for lines in LINES:
        for writers in WRITERS:
            costs = []
            for save in (alone, grouped):
                carts = [new_filled_cart(lines) for _ in range(writers)]
                await asyncio.gather(*(store.add(cart, None) for cart in carts))
                costs.append(await measure(save, carts, seconds))
            cells = [f"{cost.cpu_us:.0f} µs, {cost.per_second:.0f}/s, {cost.p50_ms:.1f} ms" for cost in costs]
            print(f"| {url.partition(':')[0]} | {lines} | {writers} | {cells[0]} | {cells[1]} |", flush=True)
    for client in clients:
        await client.close()
    await store.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.saves", description="What a save of a cart costs, as a table.")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each cell")
    seconds = parser.parse_args().seconds
    print("| store | lines | writers | one by one | grouped |\n|---|---|---|---|---|")
    with ExitStack() as stack:
        # Not /tmp, which may be kept in memory.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        asyncio.run(measure_store(f"sqlite:///{folder}/carts.db", seconds))
        server = stack.enter_context(Mongod(folder / "mongod"))
        asyncio.run(measure_store(server.replace("/?", "/carts?"), seconds))


if __name__ == "__main__":
    main()
