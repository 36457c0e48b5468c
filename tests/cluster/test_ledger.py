"""The ledger itself, on processes of this machine: it counts failures rightly, and it notices a loss."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from shopdev.clients import Process

from .books import Effect
from .ledger import Ledger
from .people import Addresses

Begin = Callable[..., Ledger]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Process]]:
    """The whole shop on SQLite."""
    folder = tmp_path_factory.mktemp("ledger")

    def store(name: str) -> str:
        return f"sqlite:///{folder}/{name}.db"

    users = Process("users", STORE_URL=store("users"))
    products = Process("products", STORE_URL=store("products"), USERS_URL=users.url)
    carts = Process("carts", STORE_URL=store("carts"), USERS_URL=users.url, PRODUCTS_URL=products.url)
    urls = {"USERS_URL": users.url, "PRODUCTS_URL": products.url, "CARTS_URL": carts.url}
    storefront = Process("storefront", SESSION_SECRET="s" * 32, **urls)
    found = {process.name: process for process in (users, products, carts, storefront)}

    async def start() -> None:
        await asyncio.gather(*(process.start() for process in found.values()))

    asyncio.run(start())
    with ExitStack() as stack:
        for process in found.values():
            stack.callback(process.stop)
        yield found


@pytest.fixture
def begin(processes: dict[str, Process], tmp_path: Path) -> Begin:
    """A new ledger of this shop."""
    storefront, users, products, carts = (processes[name].url for name in ("storefront", "users", "products", "carts"))
    addresses = Addresses(storefront, users, products, carts)

    def grant(email: str) -> None:
        command = [sys.executable, "-m", "users", "grant", email, "staff"]
        subprocess.run(command, env=processes["users"].environment, check=True, capture_output=True)

    def begin(**options: object) -> Ledger:
        return Ledger(addresses, tmp_path, grant, rate=60, seconds=30, **options)  # type: ignore[arg-type]

    return begin


def cart_record(processes: dict[str, Process]) -> Path:
    return Path(processes["carts"].environment["STORE_URL"].removeprefix("sqlite:///"))


def test_without_trouble_nothing_fails_and_nothing_is_missing(begin: Begin, tmp_path: Path) -> None:
    with begin() as ledger:
        ledger.wait(4)
    report, findings = ledger.report, ledger.reconcile()
    assert not report.failed, report.sample
    assert not report.retried
    # An open loop: four seconds at this rate, whatever the answers take.
    assert 220 <= report.requests <= 270
    assert {entry.route for entry in ledger.entries} >= {
        "GET /p/{slug}", "GET /search", "GET /products/{id}", "GET /products?q", "GET /products?sku", "POST /carts",
        "POST /carts/{id}/lines", "PUT /carts/{id}/lines/{sku}", "GET /carts/{id}", "POST /stock", "POST /login",
    }  # fmt: skip
    assert findings.checked > 80
    assert findings.faults == []
    written = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert len(written) >= report.requests


@pytest.mark.parametrize("retries", [False, True])
def test_a_service_killed_with_9_fails_while_it_is_away_and_nothing_acknowledged_is_missing(
    begin: Begin, processes: dict[str, Process], retries: bool
) -> None:
    with begin(retries=retries) as ledger:
        ledger.wait(1.5)
        processes["carts"].kill()
        killed = time.time()
        ledger.wait(1)
        asyncio.run(processes["carts"].start())
        back = time.time()
        ledger.wait(1.5)
    report, findings = ledger.report, ledger.reconcile()
    away = [entry for entry in ledger.entries if "carts" in entry.route and killed < entry.at < back - 1]
    assert away
    assert all(entry.fault == "refused" for entry in away)
    assert not [entry for entry in report.failed if "carts" not in entry.route], report.sample
    assert not [entry for entry in report.failed if entry.ended < killed - 0.1 or entry.at > back], report.sample
    assert bool(report.retried) is retries
    assert findings.checked > 80
    assert findings.faults == []


def test_it_names_a_line_and_a_cart_that_are_deleted_behind_its_back(
    begin: Begin, processes: dict[str, Process]
) -> None:
    with begin() as ledger:
        ledger.wait(3)
    assert ledger.reconcile().faults == []
    robbed, gone = [book for book in ledger.carts if any(book.lines.values())][-2:]
    processes["carts"].stop()
    with closing(sqlite3.connect(cart_record(processes))) as store, store:
        (text,) = store.execute("SELECT record FROM carts WHERE id = ?", (robbed.id,)).fetchone()
        record = json.loads(text)
        sku = record["held"]["fresh"].pop()[0]
        store.execute("UPDATE carts SET record = ? WHERE id = ?", (json.dumps(record), robbed.id))
        store.execute("DELETE FROM carts WHERE id = ?", (gone.id,))
    asyncio.run(processes["carts"].start())
    missing = ledger.reconcile().missing
    assert [fault for fault in missing if robbed.id in fault and f"'{sku}'" in fault]
    assert sum(gone.id in fault for fault in missing) == len(gone.acknowledged)
    assert len(missing) == 1 + len(gone.acknowledged)


def test_it_names_what_came_twice_what_was_taken_back_and_what_nobody_was_told(
    begin: Begin, processes: dict[str, Process]
) -> None:
    with begin() as ledger:
        ledger.wait(3)
    staff = ledger.staff_headers
    again, undone = [write for write, effect in ledger.stock_writes.items() if effect is Effect.DONE][:2]
    back = {"changes": [one | {"delta": -one["delta"]} for one in undone.body["changes"]]}
    book = next(book for book in ledger.carts if book.acknowledged[-1].after > book.acknowledged[-1].before)
    last = book.acknowledged[-1]
    with httpx.Client(timeout=20) as client:
        for body in (again.body, back):
            assert client.post(f"{processes['products'].url}/stock", json=body, headers=staff).status_code == 200
        lines, opening = f"{processes['carts'].url}/carts/{book.id}/lines", ledger.opening(book)
        more = {"sku": last.sku, "quantity": last.after - last.before}
        assert client.post(lines, json=more, headers=opening).status_code == 200
        odd = {"sku": last.sku, "quantity": 77}
        assert client.post(lines, json=odd, headers=opening).status_code == 200
    findings = ledger.reconcile()
    assert f"stock {again}" in findings.twice
    assert f"stock {undone}" in findings.missing
    assert [fault for fault in findings.twice if f"cart {book.id}: version {last.version + 1}" in fault]
    assert [fault for fault in findings.stray if f"cart {book.id}: version {last.version + 2}" in fault]
    others = [fault for fault in findings.faults if book.id not in fault and str(again) not in fault]
    assert others == [f"stock {undone}"]
