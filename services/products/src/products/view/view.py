"""The catalogue as this replica reads it: filled from the store by one scan, kept fresh by the store's feed.

Reads go on while the store is down, and touch it only for what is not here. What this replica writes it shows before it
answers; what others write comes by the feed. An index that cannot follow the feed any more serves on while another is
built beside it.
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
from products.view.answers import Answers, Found
from products.view.batch import Batch
from products.view.checking import is_sound
from products.view.home import Home
from products.view.index import Index, guarded
from shopkit import deadline
from shopkit.errors import Unavailable
from shopkit.metrics import Metrics
from shopkit.values import Clock

T = TypeVar("T")
# The service begins to answer once the view is filled, or after so long; then readiness tells how it goes on.
START_SECONDS = 3.0
RETRY_SECONDS = 0.25
# What went wrong here itself, e.g. because the disk is full, is tried again less often.
FAULT_SECONDS = 2.0
SHOW_SECONDS = 2.0
# So many changes that wait to be shown hold up the feed.
WAITING_MAX = 2000
# How far the feed was read is kept with each change; where there are none, about once in so many seconds. And soon
# where the feed told what was shown already: until then the index holds more than it says.
KEEP_SECONDS, ECHO_SECONDS = 60.0, 1.0
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
FILLING = "The read view is being filled."
BROKEN = "The read view cannot be kept; the log says why."

log = logging.getLogger("products")


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
        self._is_echo = False
        self._batch: Batch | None = None
        self._showing: asyncio.Task[None] | None = None
        self._fault: Exception | None = None
        # While an index is built: what else it has to hold.
        self._meanwhile: Batch | None = None

    async def __aenter__(self) -> None:
        self._temporary = None if self._home else TemporaryDirectory(prefix="trolley-view-", ignore_cleanup_errors=True)
        self._folder = Home(self._home or Path(self._temporary.name if self._temporary else ""))
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
        self._folder.leave()
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
        batch = self.offer([product for product in products if not self._is_shown(product)])
        if batch is not None:
            # The change is durable already: where showing it takes too long, its caller is told of it all the same.
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline.remaining(SHOW_SECONDS)):
                    await asyncio.shield(batch.shown)

    def _is_shown(self, product: Product) -> bool:
        found = self.find(product.id)
        return found is not None and found.head.version >= product.version

    def offer(self, products: Iterable[Product]) -> Batch | None:
        """Takes what the store has kept, to be shown soon; None where there is no index: it will begin with it."""
        for product in products:
            if self._meanwhile is not None:
                self._meanwhile.put(product)
            if self._index is not None:
                self._batch = self._batch or Batch()
                self._batch.put(product)
        if self._batch is not None and self._showing is None:
            self._showing = asyncio.create_task(self._show())
        return self._batch

    async def _show(self) -> None:
        """Shows all that waits, and all that comes meanwhile, so much at once as there is."""
        while self._batch is not None:
            batch, self._batch = self._batch, None
            await self._keep(batch)
            batch.shown.set_result(None)
        self._showing = None

    async def _keep(self, batch: Batch) -> None:
        index = self._index
        # Behind what failed nothing is kept: the index would claim to have come further than it has.
        if index is None or self._fault is not None:
            return
        try:
            kept = await self._in_thread(index.keep, batch.products, self._position)
        except Exception as error:
            if index is self._index:
                self._fault, self._answers, self._reason = error, None, BROKEN
            return
        if index is not self._index:
            return
        self._is_echo = not kept
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
        # A driver may swallow the cancellation that ends this task; the task itself remembers it.
        while not self._running.cancelling():
            pause = RETRY_SECONDS
            try:
                await self._begin(is_lost=is_lost)
                is_lost = False
                await self._follow()
            except PositionLost as reason:
                is_lost = True
                self._rebuilds.labels("position_lost").inc()
                log.warning("read view lost its place in the feed", extra={"reason": str(reason)})
            except Unavailable as error:
                if self._reason != error.detail:
                    log.warning("read view waits", extra={"reason": error.detail})
                self._reason = error.detail
                # Known from before the start, and perhaps a little old: better than no answer while the store is down.
                if self._index is not None and not is_lost:
                    self._serve()
            except Exception:
                log.exception("read view not usable")
                self._rebuilds.labels("fault").inc()
                self._reason = BROKEN
                await self._retire()
                is_lost, pause = True, FAULT_SECONDS
            self._begun.set()
            await asyncio.sleep(pause)

    async def _begin(self, *, is_lost: bool) -> None:
        """Sees to it that there is an index from which the feed can go on."""
        self._folder.claim()
        self._reason = FILLING
        if self._index is None and not is_lost:
            folder = self._folder.current()
            if folder is not None:
                with suppress(ValueError, OSError):
                    await self._open(folder)
            self._tidy()
        if self._index is None or is_lost:
            await self._fill()

    async def _open(self, folder: Path) -> None:
        index = await self._in_thread(Index, folder)
        if index.state is None or not await self._in_thread(is_sound, folder):
            await self._in_thread(index.close)
        else:
            self._index, self._position = index, index.state.position

    async def _fill(self) -> None:
        """Builds an index beside the one that serves, if there is one, and changes over to it."""
        position = await self._store.position()
        self._tidy()
        index = await self._in_thread(Index, self._folder.new())
        self._meanwhile = Batch()
        try:
            async for products in self._store.scan():
                await self._in_thread(index.add, products)
            await self._in_thread(index.commit, position)
            while self._meanwhile.products:
                late, self._meanwhile = self._meanwhile, Batch()
                await self._in_thread(index.keep, late.products, position)
        except BaseException:
            with suppress(Exception):
                await self._in_thread(index.close)
            raise
        finally:
            self._meanwhile = None
        before, self._index, self._position, self._fault = self._index, index, position, None
        if self._answers is not None:
            self._serve(anew=True)
        self._changes.begin_anew()
        if before is not None:
            await self._in_thread(before.close)
        await self._in_thread(self._folder.use, index.folder)

    def _tidy(self) -> None:
        """Removes what a crash has left half built."""
        self._folder.tidy(self._index.folder if self._index is not None else None)

    async def _follow(self) -> None:
        feed = self._store.follow(self._position)
        try:
            while not self._running.cancelling():
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
        patience = ECHO_SECONDS if self._is_echo else KEEP_SECONDS
        if self._index is not None and time.monotonic() - self._kept_at > patience:
            self._kept_at, self._is_echo = time.monotonic(), False
            await self._in_thread(self._index.commit, self._position)

    def _serve(self, *, anew: bool = False) -> None:
        if self._index is not None and self._fault is None and (self._answers is None or anew):
            self._answers = Answers(self._index.reader)
            self._begun.set()

    async def _retire(self) -> None:
        """Lets go of the index; what it holds stays on disk."""
        index, self._index, self._answers, self._fault = self._index, None, None, None
        if index is not None:
            with suppress(Exception):
                await self._in_thread(index.close)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded, work, *arguments)
