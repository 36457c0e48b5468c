"""How long the read view takes to fill, to start again and to be compared, and how much memory the service holds.

    .venv/bin/python -m bench.view

Fills each store directly, starts products alone on it, and prints a table for bench/RESULTS.md.
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import httpx

from bench import catalogue, parts
from bench.vocabulary import searches
from products.product import Draft, Product, Variant, new_product
from products.stores import open_store
from shopdev.mongod import Mongod
from shopdev.ports import free_port
from shopkit.metrics import Metrics
from shopkit.values import Money, new_id, now

DATA = Path("/var/tmp")
STORES = ("sqlite", "mongodb")
COUNT, READS, RESTARTS = 100_000, 10_000, 3
PORTION = 500
READY_SECONDS = 600.0
PAUSE_SECONDS = 0.005


async def fill(store_url: str, count: int) -> list[str]:
    """Puts the made-up catalogue into the store; the ids."""
    store = open_store(store_url, Metrics("products", "bench"), now)
    await store.prepare()
    items = [_product(body) for body in catalogue.products(count)]
    for start in range(0, count, PORTION):
        refusals = await store.keep_all(items[start : start + PORTION])
        assert not any(refusals), refusals
    await store.close()
    return [item.id for item in items]


def _product(body: dict[str, object]) -> Product:
    given = dict(body)
    variants: list[dict[str, object]] = given.pop("variants")  # type: ignore[assignment]
    prices = [Money(**variant["price"]) for variant in variants]  # type: ignore[arg-type]
    kept = [Variant(v["sku"], v["options"], price, None) for v, price in zip(variants, prices, strict=True)]  # type: ignore[arg-type]
    product_id = new_id()
    draft = Draft(**given | {"tags": tuple(given["tags"])}, slug=f"p-{product_id}x", variants=tuple(kept))  # type: ignore[arg-type]
    return new_product(draft, product_id, f"p-{product_id}x", now())


@contextmanager
def running(environment: dict[str, str], path: str) -> Iterator[tuple[httpx.Client, int, float]]:
    """The service alone: a client, its process, and after how long that path was answered with 200."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "products"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{environment['PORT']}", timeout=30) as client:
            yield client, process.pid, _ready(client, path, process, began)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _ready(client: httpx.Client, path: str, process: subprocess.Popen[bytes], began: float) -> float:
    while (passed := time.perf_counter() - began) < READY_SECONDS and process.poll() is None:
        try:
            if client.get(path).status_code == 200:
                return time.perf_counter() - began
        except httpx.TransportError:
            pass
        time.sleep(PAUSE_SECONDS)
    raise SystemExit(f"products did not become ready within {passed:.0f} s")


def memory(pid: int) -> int:
    """MiB that the processes of the service hold."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in (str(pid), *children))
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def private_memory(pid: int) -> int:
    """MiB of these that are not pages of files, which the system takes back when it needs them."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = [line for each in (str(pid), *children) for line in Path(f"/proc/{each}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) // 1024


def read(client: httpx.Client, ids: list[str], count: int) -> None:
    """By id, SKU, in lists and by words, in turn."""
    source = random.Random(count)
    for _ in range(count // 5):
        number = source.randrange(len(ids))
        paths = [f"/products/{ids[number]}", f"/products/{ids[-number]}", f"/products?sku=BENCH-{number}-S"]
        words = source.choice(searches())
        lists = [f"/products?category={source.choice(catalogue.CATEGORIES)}&sort=price", f"/products?q={words}"]
        for path in (*paths, *lists):
            assert client.get(path).status_code == 200, path


def measure(store: str, folder: Path, count: int) -> list[str]:
    """The rows of one store."""
    with ExitStack() as stack:
        server = stack.enter_context(Mongod(folder / "mongodb")) if store == "mongodb" else ""
        url = server.replace("/?", "/products?") or f"sqlite:///{folder}/products.db"
        environment = {**os.environ, "STORE_URL": url, "VIEW_DIR": str(folder / "view"), "PORT": str(free_port())}
        environment["LOG_LEVEL"] = "warning"
        ids = asyncio.run(fill(url, count))
        with running(environment, "/products?limit=1") as (client, pid, first):
            at_first = memory(pid), private_memory(pid)
            read(client, ids, READS)
            later = memory(pid), private_memory(pid)
        restarts = []
        for _ in range(RESTARTS):
            with running(environment, "/products?limit=1") as (_, pid, again):
                restarts.append(again)
                restarted = memory(pid), private_memory(pid)
        began = time.perf_counter()
        verdict = subprocess.run([sys.executable, "-m", "products", "verify-view"], env=environment, check=False)
        assert verdict.returncode == 0
        compared = time.perf_counter() - began
        size = sum(path.stat().st_size for path in (folder / "view").rglob("*") if path.is_file()) / 2**20
    figures = {
        "start to first list, with the first fill, s": f"{first:.1f}",
        "start to first list, with an index, s (median)": f"{median(restarts):.2f}",
        "verify-view, s": f"{compared:.1f}",
        "index on disk, MiB": f"{size:.0f}",
        "memory after the first fill, MiB (without pages of files)": "{} ({})".format(*at_first),
        f"after {READS:,} mixed reads, MiB": "{} ({})".format(*later),
        "after a restart, MiB": "{} ({})".format(*restarted),
    }
    return [f"| {name} | {store} | {value} |" for name, value in figures.items()]


def main(count: int) -> int:
    """Prints the table."""
    rows = []
    folder = Path(tempfile.mkdtemp(prefix="trolley-view-", dir=DATA))
    try:
        for store in STORES:
            print(f"measuring on {store}", file=sys.stderr)
            (folder / store).mkdir()
            rows += measure(store, folder / store, count)
            print("\n".join(rows), file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lines = [f"{count:,} products; services, store and client share the machine.", "", "| what | store | |"]
    lines += ["| --- | --- | --: |", *rows]
    print("\n".join(lines))
    parts.keep("view", "The read view of products", "python -m bench.view", lines)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
