"""How long `trolley import` and `trolley export` take, and in how much memory.

    .venv/bin/python -m bench.imports --rows 100000 --store mongodb

Starts users and products as they run in earnest, runs the real command on a file of that many rows in Shopify's
columns, then again on the same file, then exports; prints seconds, rows a second and resident memory.
"""

import argparse
import asyncio
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import httpx

from bench import parts
from bench.processes import memory
from shopdev.clients import Process
from shopdev.mongod import Mongod
from trolley.staff import Staff, StaffFile

HEADINGS = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,"
    "Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Image Src,Status"
)
SIZES = ("XS", "S", "M", "L", "XL", "XXL")
WORDS = "amber basil cedar dune ember fjord grove harbor iris juniper kelp linen maple north oak pine quartz"
# Two products of three have one variant, the others three to six.
VARIANTS = (1, 1, 1, 1, 3, 6)
SHARES = (10, 50, 90)
POLL_SECONDS = 0.1


def rows(count: int) -> Iterator[list[str]]:
    """So many rows, the same every time."""
    chance = random.Random(7)
    words_known = WORDS.split()
    number = done = 0
    while done < count:
        number += 1
        variants = min(chance.choice(VARIANTS), count - done)
        words = [chance.choice(words_known) for _ in range(24)]
        title = f"{' '.join(words[:3]).title()} {number}"
        body = f"<p>{' '.join(words)}.</p><ul><li>{words[0]} &amp; {words[1]}</li></ul>"
        handle = title.lower().replace(" ", "-")
        for place in range(variants):
            option = ["Size", SIZES[place]] if variants > 1 else ["Title", "Default Title"]
            first = [title, body, "Acme", f"Home > {words[0].title()}", "", ", ".join(words[3:6]), "TRUE"]
            picture = [f"/images/{handle}.jpg", "active"] if place == 0 else ["", ""]
            own = [f"R-{number:06}-{place}", "shopify", str(chance.randrange(100)), f"{chance.randrange(500, 9000)}.95"]
            yield [handle, *(first if place == 0 else [""] * 7), *option, *own, *picture]
        done += variants


class Service(Process):
    """A service whose memory can be read."""

    way = "spawn"

    def rss(self) -> float:
        """MiB of all its processes."""
        assert self._process is not None
        return memory(self._process.pid).rss


class Shop:
    """Users and products as they run in earnest, and a member of staff."""

    def __init__(self, folder: Path, server: str) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        address, _, options = server.partition("?")
        urls = {
            name: f"{address}trolley_{name}?{options}" if server else f"sqlite:///{folder}/{name}.db"
            for name in ("users", "products")
        }
        self.users = Service("users", STORE_URL=urls["users"])
        self.products = Service("products", STORE_URL=urls["products"], USERS_URL=self.users.url)
        self.environment = os.environ | {"COLUMNS": "200"}

    def hire(self) -> None:
        """Makes the account that the command signs in with."""
        staff = Staff("staff@bench.example", "seventeen quiet kettles")
        httpx.post(f"{self.users.url}/register", json=asdict(staff)).raise_for_status()
        command = [sys.executable, "-m", "users", "grant", staff.email, "staff"]
        subprocess.run(command, env=self.users.environment, check=True, capture_output=True)
        StaffFile(self.data).keep(staff)

    def share(self, total: int) -> int:
        """How many per cent of an import are done, as the command itself keeps it."""
        for path in self.data.glob("imports/*.json"):
            try:
                return int(json.loads(path.read_text())["line"]) * 100 // total
            except FileNotFoundError:
                pass
        return 0


def run(name: str, command: list[str], shop: Shop, total: int) -> str:
    """Runs the real command; a row of what it took, of itself and of the products service."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "trolley", *command], env=shop.environment, stderr=sys.stderr)
    told = set()
    lines = list[str]()
    peak = 0.0
    while process.poll() is None:
        done = shop.share(total)
        peak = max(peak, memory(process.pid).rss)
        for at in SHARES:
            if done >= at and at not in told:
                told.add(at)
                lines.append(f"{at} %: {memory(process.pid).rss:.0f} MiB, products {shop.products.rss():.0f} MiB")
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - began
    if process.returncode:
        sys.exit(f"it ended with {process.returncode}")
    growth = "; ".join(lines) or "-"
    row = f"| {name} | {seconds:.1f} | {total / seconds:,.0f} | {peak:.0f} | {growth} |"
    print(row, flush=True)
    return row


async def measure(count: int, store: str, folder: Path) -> list[str]:
    """All three measurements, one after the other: a table."""
    path = folder / "products.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADINGS.split(","), *rows(count)])
    facts = f"{count:,} rows, {path.stat().st_size / 2**20:.1f} MiB, on {store}."
    table = [
        facts,
        "",
        "| work | s | rows/s | command at most MiB | resident memory on the way |",
        "| --- | --: | --: | --: | --- |",
    ]
    with ExitStack() as stack:
        server = stack.enter_context(Mongod(folder / "mongodb")) if store == "mongodb" else ""
        shop = Shop(folder, server)
        for process in (shop.users, shop.products):
            await process.start()
            stack.callback(process.stop)
        shop.hire()
        url = ["--url", shop.products.url]
        command = ["import", str(path), *url, "--users-url", shop.users.url, "--data", str(shop.data)]
        table.append(run("import", command, shop, count))
        table.append(run("import again", command, shop, count))
        table.append(run("export", ["export", str(folder / "out.csv"), *url], shop, count))
    return table


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.imports", description="Measures imports and exports.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--store", choices=("sqlite", "mongodb"), default="mongodb")
    arguments = parser.parse_args()
    # Not /tmp, which may be kept in memory: a durable write has to wait for a disk here.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        lines = asyncio.run(measure(arguments.rows, arguments.store, Path(folder)))
    own = f"python -m bench.imports --rows {arguments.rows} --store {arguments.store}"
    parts.keep(f"imports-{arguments.store}", f"Imports and exports on {arguments.store}", own, lines)


if __name__ == "__main__":
    main()
