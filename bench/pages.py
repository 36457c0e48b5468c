"""How long the storefront's pages take, and how much a first visit loads.

    .venv/bin/python -m bench.pages

Starts the services and the storefront as they run in earnest, with the sample catalogue, on each store; asks for the
pages in turn over one connection; prints a table for bench/RESULTS.md and fails where a limit is broken.
"""

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import httpx

from bench import parts
from bench.server import STORES
from bench.shop import Service, Shop, running_shop
from shopdev.ports import free_port
from trolley.sample import catalogue

DATA = Path("/var/tmp")
ROUNDS = 400
WARM_UP = 50
# What is promised: milliseconds at the 95th percentile, and bytes of a first visit without pictures.
P95_LIMIT_MS = 15.0
PROMISED = ("home", "list", "product")
BYTES_LIMIT = 60 * 1024
SERVICES_CORE, STOREFRONT_CORE = 0, 1


class Figures(NamedTuple):
    """Milliseconds of one page on one store, and its bytes as sent and unpacked."""

    page: str
    store: str
    p50: float
    p95: float
    p99: float
    sent: int
    unpacked: int


@contextmanager
def storefront(shop: Shop, folder: Path) -> Iterator[httpx.Client]:
    """A browser's connection to the storefront of a shop that holds the sample catalogue."""
    shop.fill(0)
    items = [item.body for item in catalogue.products()]
    results = shop.call("POST", "products", "/products/batch", 200, {"items": items}, **shop.staff)["results"]
    assert all(result["status"] == 201 for result in results)
    addresses = {f"{name.upper()}_URL": url for name, url in shop.urls.items()}
    port = free_port()
    own = {"PORT": str(port), "SESSION_SECRET": "x" * 40}
    service = Service("storefront", port, os.environ | addresses | own, folder / "storefront.log")
    headers = {"Accept-Encoding": "gzip", "Accept-Language": "en"}
    with service.running(STOREFRONT_CORE), httpx.Client(base_url=service.url, headers=headers) as browser:
        yield browser


def fill_cart(browser: httpx.Client, slugs: list[str]) -> None:
    """Puts one of each product into the visitor's cart, as a person without JavaScript does."""
    for slug in slugs:
        page = browser.get(f"/p/{slug}").text
        form = page[page.index('action="/cart/add"') :]
        fields = dict(re.findall(r'name="(csrf|once)"[^>]*value="([^"]*)"', form)[:2])
        sku = re.findall(r'name="sku"[^>]*value="([^"]*)"', form)[0]
        answer = browser.post("/cart/add", data={**fields, "slug": slug, "sku": sku, "quantity": "1"})
        assert answer.status_code == 303, answer.text[:500]


def measure(browser: httpx.Client, store: str) -> list[Figures]:
    """Every page in turn, so many times."""
    home = browser.get("/").text
    slugs = list(dict.fromkeys(re.findall(r'href="/p/([a-z0-9-]+)"', browser.get("/search?in_stock=on").text)))
    category = re.findall(r'href="(/search\?category=[^"]+)"', home)[0]
    fill_cart(browser, slugs[:3])
    pages = {
        "home": "/",
        "list": category.replace("&amp;", "&"),
        "search": "/search?q=tea",
        "product": f"/p/{slugs[0]}",
        "cart of 3": "/cart",
    }
    times: dict[str, list[float]] = {name: [] for name in pages}
    sizes: dict[str, tuple[int, int]] = {}
    for number in range(WARM_UP + ROUNDS):
        for name, path in pages.items():
            began = time.perf_counter()
            answer = browser.get(path)
            if number >= WARM_UP:
                times[name].append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200, (path, answer.status_code)
            sizes[name] = (answer.num_bytes_downloaded, len(answer.content))
    return [_figures(name, store, times[name], *sizes[name]) for name in pages]


def _figures(page: str, store: str, times: list[float], sent: int, unpacked: int) -> Figures:
    cuts = quantiles(times, n=100)
    return Figures(page, store, median(times), cuts[94], cuts[98], sent, unpacked)


def first_visit(browser: httpx.Client) -> int:
    """Bytes that a browser loads for its first page, without pictures of products."""
    home = browser.get("/")
    addresses = dict.fromkeys(re.findall(r'(?:src|href)="(/static/[^"#]+)', home.text))
    total = home.num_bytes_downloaded
    for address in addresses:
        answer = browser.get(address)
        assert answer.headers.get("Content-Encoding") == "gzip"
        total += answer.num_bytes_downloaded
    return total


def _row(f: Figures) -> str:
    times = f"{f.p50:.1f} | {f.p95:.1f} | {f.p99:.1f}"
    return f"| {f.page} | {f.store} | {times} | {f.sent:,} | {f.unpacked:,} |"


def main() -> int:
    """Prints the table; 1 where a promise is broken."""
    figures, visits = list[Figures](), list[int]()
    with tempfile.TemporaryDirectory(prefix="trolley-pages-", dir=DATA) as name:
        for store in STORES:
            print(f"measuring on {store}", file=sys.stderr)
            folder = Path(name) / store
            with running_shop(store, folder, SERVICES_CORE) as shop, storefront(shop, folder) as browser:
                figures += measure(browser, store)
                visits.append(first_visit(browser))
    lines = [
        f"{ROUNDS} visits to each page in turn over one connection, as a client on this machine sees them; sample",
        "catalogue; services on one core, storefront and client on the other.",
        "",
        "| page | store | p50 ms | p95 ms | p99 ms | bytes sent | unpacked |",
        "| --- | --- | --: | --: | --: | --: | --: |",
        *(_row(f) for f in figures),
        "",
        f"A first visit loads {max(visits):,} bytes without pictures (limit {BYTES_LIMIT:,}).",
    ]
    print("\n".join(lines))
    parts.keep("pages", "Pages of the storefront", "python -m bench.pages", lines)
    slow = [f for f in figures if f.page in PROMISED and f.p95 >= P95_LIMIT_MS]
    return 1 if slow or max(visits) >= BYTES_LIMIT else 0


if __name__ == "__main__":
    raise SystemExit(main())
