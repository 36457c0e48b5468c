"""What has changed lately, for other services that keep what they have seen of products.

A replica tells what it has heard of itself; docs/decisions/0012-change-feed.md says how a reader gets by with that.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Annotated

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta

from products.product import Product
from products.view.documents import Head

KEPT = 10_000
PAGE_MAX = 1_000
# The server ends only when all requests at work have: a reader that waits holds it up for no longer than this.
WAIT_MAX_MS = 1_000
# Each that waits has a place of the in-flight limit; who comes when so many wait is answered at once.
WAITING_MAX = 32

Cursor = Annotated[str | None, QueryParameter(max_length=100, description="`cursor` of the answer before")]
WaitMs = Annotated[
    int, QueryParameter(ge=0, le=WAIT_MAX_MS, description="how long to wait for a change where there is none yet")
]
Behind = Annotated[int | None, Meta(description="all changes older than this have been told; null: that is not known")]


class Change(msgspec.Struct, frozen=True):
    """That a product has another version. `skus`: those it had before and those it has now."""

    id: str
    version: int
    skus: list[str]


class ChangesOut(msgspec.Struct):
    """Changes after a cursor, oldest first. With `reset`, any may have been missed: what was seen counts no more."""

    items: list[Change]
    cursor: str
    reset: bool
    behind_ms: Behind


class ChangeLog:
    """The last changes that this replica has heard of, its own and those of others.

    Its owner notes each one after this replica's answers tell it, and says how far that is complete. `epoch` is another
    at each start of the process: the numbers in a cursor mean something to this log alone.
    """

    def __init__(self, epoch: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._epoch = epoch
        self._clock = clock
        self._kept: deque[Change] = deque(maxlen=KEPT)
        self._last = 0
        self._complete_at: float | None = None
        self._waiting = 0
        self._news = asyncio.Event()

    def note(self, before: Head | None, after: Product) -> None:
        """A product has changed; `before` is None where it is new."""
        skus = dict.fromkeys(before.skus if before is not None else ())
        skus |= dict.fromkeys(variant.sku for variant in after.variants)
        self._kept.append(Change(after.id, after.version, list(skus)))
        self._last += 1
        self._wake()

    def caught_up(self, at: float) -> None:
        """All that was durable at `at` (of the clock) is noted, whoever wrote it.

        To be said several times a second: readers trust what they keep for less than one, and never before it was said.
        """
        self._complete_at = max(at, self._complete_at or at)

    def begin_anew(self) -> None:
        """Changes may have been missed: readers must forget what they saw. Nothing is complete until said again."""
        self._kept.clear()
        self._last += 1
        self._complete_at = None
        self._wake()

    def after(self, cursor: str | None) -> ChangesOut:
        """What is known after a cursor, at most a page of it."""
        number = self._number(cursor)
        if number is None:
            return ChangesOut([], self._cursor(self._last), reset=True, behind_ms=self._behind_ms())
        items = list(islice(reversed(self._kept), self._last - number))
        items.reverse()
        is_all = len(items) <= PAGE_MAX
        end = self._last if is_all else number + PAGE_MAX
        return ChangesOut(
            items[:PAGE_MAX], self._cursor(end), reset=False, behind_ms=self._behind_ms() if is_all else None
        )

    async def wait(self, cursor: str | None, seconds: float) -> None:
        """Returns as soon as `after` has something to tell, or after `seconds`."""
        if self._number(cursor) != self._last or self._waiting >= WAITING_MAX:
            return
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        finally:
            self._waiting -= 1

    def _wake(self) -> None:
        if self._waiting:
            self._news.set()
            self._news = asyncio.Event()

    def _cursor(self, number: int) -> str:
        return f"{self._epoch}.{number}"

    def _number(self, cursor: str | None) -> int | None:
        """The last change that a reader knows of; None where this log cannot tell all that came after."""
        epoch, _, digits = (cursor or "").rpartition(".")
        if epoch != self._epoch or not (digits.isascii() and digits.isdigit()):
            return None
        number = int(digits)
        return number if 0 <= self._last - number <= len(self._kept) else None

    def _behind_ms(self) -> int | None:
        return None if self._complete_at is None else math.ceil((self._clock() - self._complete_at) * 1000)
