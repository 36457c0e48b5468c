"""A client that asks at a constant rate, writes down every answer, and says in the end what is missing.

    with Ledger(addresses, folder, make_staff) as ledger:
        ...                                   # break something
    assert not ledger.report.failed
    assert not ledger.reconcile().faults

It runs in a thread of its own, ends by itself after `seconds`, and leaves all answers in `folder`/answers.jsonl.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import aiohttp

from .books import CartBook, Effect, Findings, StockWrite
from .caller import Caller, Entry
from .people import Addresses
from .traffic import Traffic

# More than this many at once, and it is this machine that does not keep up.
IN_FLIGHT = 600
STOCK_SHARE = 0.16


@dataclass(frozen=True)
class Report:
    """What the answers come to. A request that failed at first and was right when repeated is `retried`, not failed."""

    requests: int
    failed: list[Entry]
    retried: list[Entry]
    seconds: float
    late_seconds: float
    p50: float
    p99: float
    slowest: float

    def __str__(self) -> str:
        kinds = Counter(f"{entry.fault} {entry.status or ''}".strip() for entry in self.failed)
        said = f"{self.requests} requests in {self.seconds:.0f} s, {len(self.failed)} failed"
        said += f" ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})" if kinds else ""
        said += f", {len(self.retried)} right when repeated" if self.retried else ""
        return f"{said}; p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms, slowest {self.slowest:.0f} ms"

    @property
    def sample(self) -> str:
        """The first failures, in full."""
        return "\n".join(map(str, self.failed[:10]))

    @property
    def outage_seconds(self) -> float:
        """From the beginning of the first failure to the end of the last."""
        return max(entry.ended for entry in self.failed) - min(entry.at for entry in self.failed) if self.failed else 0


def report_of(entries: list[Entry], late_seconds: float = 0.0) -> Report:
    """The report on these attempts."""
    times = sorted(entry.milliseconds for entry in entries if not entry.fault) or [0.0]
    last = [entry for entry in entries if entry.is_last]
    span = max((entry.ended for entry in entries), default=0.0) - min((entry.at for entry in entries), default=0.0)
    return Report(
        len(last),
        [entry for entry in last if entry.fault],
        [entry for entry in entries if entry.fault and not entry.is_last],
        span,
        late_seconds,
        times[len(times) // 2],
        times[len(times) * 99 // 100],
        times[-1],
    )


class Ledger:
    """Constant load with books. `make_staff` gives an address the role that may change stock; `acts`: these alone."""

    def __init__(
        self,
        addresses: Addresses,
        folder: Path,
        make_staff: Callable[[str], None],
        *,
        rate: float = 30,
        retries: bool = False,
        seconds: float = 300,
        timeout_seconds: float = 5,
        seed: int = 1,
        acts: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._make_staff, self._rate, self._seconds = folder, make_staff, rate, seconds
        self._caller = Caller(folder, retries=retries, seconds=timeout_seconds)
        self._traffic = Traffic(addresses, self._caller, random.Random(seed), acts)
        self._thread = Thread(target=self._run, name="ledger", daemon=True)
        self._is_running, self._is_stopped = Event(), Event()
        self._error: BaseException | None = None
        self._first = 0
        self._late_seconds = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._is_running.wait(0.1):
            if not self._thread.is_alive():
                raise self._error or RuntimeError("The ledger has ended before it began.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopped.set()
        self._thread.join(60)
        if self._error is not None and error is None:
            raise self._error

    @property
    def entries(self) -> list[Entry]:
        """All attempts of the traffic so far."""
        return self._caller.entries[self._first :]

    @property
    def report(self) -> Report:
        """On the traffic so far."""
        return report_of(self.entries, self._late_seconds)

    @property
    def carts(self) -> list[CartBook]:
        """The books of all carts."""
        return self._traffic.carts

    @property
    def stock_writes(self) -> dict[StockWrite, Effect]:
        """All changes of stock, and what is known of them."""
        return self._traffic.stock.noted

    @property
    def staff_headers(self) -> dict[str, str]:
        """What opens the stock."""
        return self._traffic.addresses.headers | self._traffic.staff.headers

    def opening(self, book: CartBook) -> dict[str, str]:
        """The headers that open a cart."""
        return self._traffic.opening(book)

    def since(self, at: float) -> Report:
        """On what was asked from this Unix time on."""
        return report_of([entry for entry in self.entries if entry.at >= at])

    def wait(self, seconds: float) -> None:
        """Lets it go on for so long; raises if it has ended."""
        if self._is_stopped.wait(seconds) or not self._thread.is_alive():
            raise self._error or RuntimeError("The ledger has ended.")

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:
            self._error = error

    async def _live(self) -> None:
        async with self._caller:
            await self._traffic.enter()
            await asyncio.to_thread(self._make_staff, self._traffic.staff.email)
            await self._traffic.stage(round(self._rate * self._seconds * STOCK_SHARE) + 100)
            # A new product is seen on all replicas within a second.
            await asyncio.sleep(1.5)
            self._first = len(self._caller.entries)
            self._is_running.set()
            await self._flow()

    async def _flow(self) -> None:
        """An open loop: the next request comes when it is its time, whatever became of those before."""
        began = due = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        while not self._is_stopped.is_set() and due < began + self._seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._late_seconds = max(self._late_seconds, time.monotonic() - due)
            tasks.add(task := asyncio.create_task(self._one()))
            task.add_done_callback(tasks.discard)
            if len(tasks) > IN_FLIGHT:
                raise RuntimeError(f"{len(tasks)} requests wait for an answer: {self.report}")
            due += 1 / self._rate
        await asyncio.gather(*tasks)
        if not self._is_stopped.is_set():
            raise RuntimeError(f"The ledger ended by itself after {self._seconds} s.")

    async def _one(self) -> None:
        await self._traffic.choose()()

    def reconcile(self) -> Findings:
        """Reads everything back; what is wrong with it stands in the findings, and in `folder`/findings.json."""
        findings = asyncio.run(self._reconcile())
        (self._folder / "findings.json").write_text(json.dumps(asdict(findings), indent=1))
        return findings

    async def _reconcile(self) -> Findings:
        findings, traffic = Findings(), self._traffic
        limit = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as session:
            places = asyncio.Semaphore(4)

            async def judge(book: CartBook) -> None:
                url, headers = f"{traffic.addresses.carts}/carts/{book.id}", traffic.opening(book)
                async with places:
                    cart = await self._read(session, url, headers)
                    history = await self._read(session, f"{url}/history", headers) if cart else {"items": []}
                book.judge(cart, history["items"], findings)

            async with asyncio.TaskGroup() as group:
                for book in traffic.carts:
                    group.create_task(judge(book))
            traffic.stock.judge(await self._stocks(session), findings)
        return findings

    async def _stocks(self, session: aiohttp.ClientSession) -> dict[str, int]:
        """As the store has them now."""
        stocks: dict[str, int] = {}
        skus, addresses = self._traffic.stock.skus, self._traffic.addresses
        for at in range(0, len(skus), 100):
            query = "&".join(f"sku={sku}" for sku in skus[at : at + 100])
            url, headers = f"{addresses.products}/products?{query}", addresses.headers | {"Cache-Control": "no-cache"}
            found = await self._read(session, url, headers)
            items = found["items"] if found else []
            stocks |= {one["sku"]: one["stock"] for item in items for one in item["variants"]}
        return stocks

    async def _read(self, session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> Any:
        """The body; None where there is no such thing. By now the shop is whole again: 10 attempts are plenty."""
        said = ""
        for _ in range(10):
            try:
                async with session.get(url, headers=headers) as answer:
                    if answer.status in (200, 404):
                        return await answer.json() if answer.status == 200 else None
                    said = f"{answer.status} {await answer.text()}"
            except (aiohttp.ClientError, TimeoutError) as error:
                said = f"{type(error).__name__}: {error}"
            await asyncio.sleep(0.5)
        raise RuntimeError(f"{url} cannot be read back: {said}")
