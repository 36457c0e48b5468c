"""The catalogue as this replica reads it: filled from the store by one scan, kept fresh by the store's feed.

Reads never touch the store and go on while it is down. What this replica writes it shows before it answers; what others
write comes by the feed. An index that cannot follow the feed any more serves on while another is built beside it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from products.changes import ChangeLog
from products.product import Product
from products.store import PositionLost, ProductStore
from products.view import index as indexes
from products.view.answers import Answers, Found
from products.view.index import Index
from shopkit import deadline
from shopkit.errors import Unavailable
from shopkit.metrics import Metrics
from shopkit.values import Clock, new_id

T = TypeVar("T")
# The service begins to answer once the view is filled, or after so long; then readiness tells how it goes on.
START_SECONDS = 3.0
RETRY_SECONDS = 0.25
SHOW_SECONDS = 2.0
# So many changes that wait to be shown hold up the feed.
WAITING_MAX = 2000
# How far the feed was read is kept with each change; where there are none, about once in so many seconds.
KEEP_SECONDS = 60.0
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
FILLING = "The read view is being filled."
BROKEN = "The read view cannot be kept; the log says why."

log = logging.getLogger("products")


class _Batch:
    """Products that are shown together."""

    def __init__(self) -> None:
        self.products: dict[str, Product] = {}
        self.shown = asyncio.get_running_loop().create_future()

    def put(self, product: Product) -> None:
        """Unless a newer version is there."""
        present = self.products.get(product.id)
        if present is None or present.version < product.version:
            self.products[product.id] = product


class View:
    """Inside `async with`, answers reads."""

    def __init__(self, store: ProductStore, home: str, metrics: Metrics, clock: Clock, changes: ChangeLog) -> None:
        """The index lives in the folder `home`; where that is empty, in one that comes and goes with the process."""
        self._store = store
        self._home = Path(home) if home else None
        self._clock = clock
        self._changes = changes
        self._lag = metrics.histogram("view_lag_seconds", "From a change to its being read here", LAG_BUCKETS)
        self._rebuilds = metrics.counter("view_rebuilds", "Indexes built anew", "reason")
        self._thread = ThreadPoolExecutor(1, "view")
        self._index: Index | None = None
        self._answers: Answers | None = None
        self._reason = FILLING
        self._position = ""
        self._kept_at = 0.0
        self._batch: _Batch | None = None
        self._showing: asyncio.Task[None] | None = None
        self._fault: Exception | None = None
        # While an index is built: what else it has to hold.
        self._meanwhile: _Batch | None = None

    async def __aenter__(self) -> None:
        self._temporary = None if self._home else TemporaryDirectory(prefix="trolley-view-", ignore_cleanup_errors=True)
        self._folder = self._home or Path(self._temporary.name if self._temporary else "")
        self._begun = asyncio.Event()
        self._running = asyncio.create_task(self._run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._begun.wait(), START_SECONDS)

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        if self._showing is not None:
            await asyncio.gather(self._showing, return_exceptions=True)
        await self._retire()
        self._thread.shutdown()
        if self._temporary is not None:
            self._temporary.cleanup()

    def check(self) -> str:
        """For readiness: "ok" once reads are answered, or why they are not."""
        return "ok" if self._answers is not None else self._reason

    @property
    def is_serving(self) -> bool:
        """Whether reads are answered."""
        return self._answers is not None

    @property
    def answers(self) -> Answers:
        """What to answer reads with; Unavailable as long as there is nothing."""
        if self._answers is None:
            raise Unavailable(self._reason)
        return self._answers

    def find(self, id_or_slug: str) -> Found | None:
        """The product of that id or slug, as far as this replica knows."""
        return self._answers.find(id_or_slug) if self._answers is not None else None

    async def show(self, products: Iterable[Product]) -> None:
        """Returns when reads are answered with what the store has kept, or with something newer."""
        batch = self.offer(products)
        if batch is not None:
            # The change is durable already: where showing it takes too long, its caller is told of it all the same.
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline.remaining(SHOW_SECONDS)):
                    await asyncio.shield(batch.shown)

    def offer(self, products: Iterable[Product]) -> _Batch | None:
        """Takes what the store has kept, to be shown soon; None where there is no index: it will begin with it."""
        for product in products:
            if self._meanwhile is not None:
                self._meanwhile.put(product)
            if self._index is not None:
                self._batch = self._batch or _Batch()
                self._batch.put(product)
        if self._batch is not None and self._showing is None:
            self._showing = asyncio.create_task(self._show())
        return self._batch

    async def _show(self) -> None:
        """Shows all that waits, and all that comes meanwhile, so much at once as there is."""
        while self._batch is not None:
            batch, self._batch = self._batch, None
            try:
                await self._keep(batch)
            except Exception as error:
                self._fault = error
            batch.shown.set_result(None)
        self._showing = None

    async def _keep(self, batch: _Batch) -> None:
        index = self._index
        if index is None:
            return
        kept = await self._in_thread(index.keep, batch.products, self._position)
        if index is not self._index:
            return
        if kept:
            self._kept_at = time.monotonic()
        if self._answers is not None:
            self._answers.renew(index.reader, kept)
        moment = self._clock()
        for before, after in kept:
            self._lag.observe(max(0.0, (moment - after.updated_at).total_seconds()))
            self._changes.note(before, after)

    async def _run(self) -> None:
        is_lost = False
        while True:
            try:
                await self._begin(is_lost=is_lost)
                is_lost = False
                await self._follow()
            except PositionLost:
                is_lost = True
                self._rebuilds.labels("position_lost").inc()
                continue
            except Unavailable as error:
                self._reason = error.detail
                # Known from before the start, and perhaps a little old: better than no answer while the store is down.
                if self._index is not None and not is_lost:
                    self._serve()
            except Exception:
                log.exception("read view not usable")
                self._rebuilds.labels("fault").inc()
                self._reason = BROKEN
                await self._retire()
                is_lost = True
            self._begun.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _begin(self, *, is_lost: bool) -> None:
        """Sees to it that there is an index from which the feed can go on."""
        if self._index is None and not is_lost:
            folder = indexes.current(self._folder)
            if folder is not None:
                with suppress(ValueError):
                    await self._open(folder)
        if self._index is None or is_lost:
            await self._fill()

    async def _open(self, folder: Path) -> None:
        index = await self._in_thread(Index, folder)
        if index.state is None:
            await self._in_thread(index.close)
        else:
            self._index, self._position = index, index.state.position

    async def _fill(self) -> None:
        """Builds an index beside the one that serves, if there is one, and changes over to it."""
        position = await self._store.position()
        index = await self._in_thread(Index, self._folder / new_id())
        self._meanwhile = _Batch()
        try:
            async for products in self._store.scan():
                await self._in_thread(index.add, products)
            await self._in_thread(index.commit, position)
            while self._meanwhile.products:
                late, self._meanwhile = self._meanwhile, _Batch()
                await self._in_thread(index.keep, late.products, position)
        except BaseException:
            await self._in_thread(index.close)
            raise
        finally:
            self._meanwhile = None
        before, self._index, self._position = self._index, index, position
        if self._answers is not None:
            self._serve(anew=True)
        self._changes.begin_anew()
        if before is not None:
            await self._in_thread(before.close)
        await self._in_thread(indexes.use, self._folder, index)

    async def _follow(self) -> None:
        feed = self._store.follow(self._position)
        try:
            while True:
                change = await anext(feed)
                self._position = change.position
                batch = self.offer([change.product]) if change.product is not None else self._batch
                is_full = batch is not None and len(batch.products) >= WAITING_MAX
                if change.product is None or is_full:
                    await self._settle()
                if change.product is None:
                    self._serve()
                if change.complete_at is not None:
                    self._changes.caught_up(change.complete_at)
        finally:
            await feed.aclose()

    async def _settle(self) -> None:
        """All that was offered is shown."""
        while self._showing is not None:
            await asyncio.shield(self._showing)
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        if self._index is not None and time.monotonic() - self._kept_at > KEEP_SECONDS:
            self._kept_at = time.monotonic()
            await self._in_thread(self._index.commit, self._position)

    def _serve(self, *, anew: bool = False) -> None:
        if self._index is not None and (self._answers is None or anew):
            self._answers = Answers(self._index.reader)
            self._begun.set()

    async def _retire(self) -> None:
        """Lets go of the index; what it holds stays on disk."""
        index, self._index, self._answers = self._index, None, None
        if index is not None:
            with suppress(ValueError):
                await self._in_thread(index.close)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
