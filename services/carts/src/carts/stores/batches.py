"""One round trip at a time, and what waits meanwhile goes out together as the next one: group commit, group find."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, NamedTuple, TypeVar

from shopkit import deadline
from shopkit.errors import Unavailable
from shopkit.metrics import Metrics

Item = TypeVar("Item")
Result = TypeVar("Result")

BYTES_MAX = 1024 * 1024
WAIT_SECONDS = 3.0
Observe = Callable[[float], None]
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Waiting(NamedTuple, Generic[Item, Result]):
    """One caller's item, about `size` bytes, and where the caller waits for what becomes of it."""

    item: Item
    size: int
    done: asyncio.Future[Result]


class Batches(Generic[Item, Result]):
    """Gathers callers' items and gives them to `work`, at most `count_max` and about BYTES_MAX at once.

    `work` answers with one outcome an item, in their order; an exception among them is raised to that caller alone.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        count_max: int,
        observe_size: Observe,
    ) -> None:
        self._work = work
        self._count_max = count_max
        self._observe_size = observe_size
        self._waiting: deque[Waiting[Item, Result]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def do(self, item: Item, size: int = 0) -> Result:
        """What becomes of the item; Unavailable where the caller's own deadline comes first."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(Waiting(item, size, done))
        if self._running is None:
            # In a context of its own: the deadline of the caller who happens to be first is not that of the others.
            self._running = loop.create_task(self._run(), context=Context())
        patience = loop.call_later(deadline.remaining(WAIT_SECONDS), _give_up, done)
        try:
            return await done
        finally:
            patience.cancel()

    async def close(self) -> None:
        """Finishes what waits."""
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        try:
            while batch := self._take():
                self._observe_size(len(batch))
                outcomes = await self._outcomes([each.item for each in batch])
                for (_, _, done), outcome in zip(batch, outcomes, strict=True):
                    if done.done():
                        continue
                    if isinstance(outcome, Exception):
                        done.set_exception(outcome)
                    else:
                        done.set_result(outcome)
        finally:
            self._running = None

    def _take(self) -> list[Waiting[Item, Result]]:
        """The next batch; without those whose caller has left, who were promised nothing yet."""
        batch: list[Waiting[Item, Result]] = []
        size = 0
        while self._waiting and len(batch) < self._count_max:
            size += self._waiting[0].size
            if batch and size > BYTES_MAX:
                break
            waiting = self._waiting.popleft()
            if not waiting.done.done():
                batch.append(waiting)
        return batch

    async def _outcomes(self, items: list[Item]) -> Sequence[Result | Exception]:
        try:
            return await self._work(items)
        except Unavailable as error:
            return [Unavailable(error.detail) for _ in items]
        except Exception as error:
            if len(items) == 1:
                return [error]
        # One of them cannot even be sent: each goes alone, so that it fails alone.
        return [outcome for item in items for outcome in await self._outcomes([item])]


def batch_sizes(metrics: Metrics) -> Callable[[str], Observe]:
    """What counts, of one operation, how many went out together."""
    sizes = metrics.histogram("store_batch_size", "Calls that went to the store together", SIZE_BUCKETS, "operation")
    return lambda operation: sizes.labels(operation).observe


def _give_up(done: asyncio.Future[Result]) -> None:
    if not done.done():
        done.set_exception(Unavailable("MongoDB does not answer in time."))
