"""What to do when another change was faster."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shopkit.errors import Conflict, RecordChanged
from users.counts import Counts

T = TypeVar("T")

ATTEMPTS = 10
# The first attempts follow at once; a crowd is spread out.
UNSPREAD = 3
SPREAD_SECONDS = 0.02


async def until_kept(change: Callable[[], Awaitable[T]], counts: Counts) -> T:
    """What `change` gives; it is run again, loading and checking afresh, while RecordChanged tells of a lost race."""
    for attempt in range(ATTEMPTS):
        try:
            return await change()
        except RecordChanged:
            counts.conflicts.inc()
            if attempt >= UNSPREAD:
                await asyncio.sleep(random.uniform(0, SPREAD_SECONDS))  # noqa: S311
    raise Conflict("The record is being changed by many at once; try again.", retry_after=1)
