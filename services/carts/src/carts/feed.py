"""Listens to what products tells of changes, so that what carts have seen of it need not be asked for again."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec
from prometheus_client import Gauge

from carts.known import Change, KnownFacts
from shopkit.client import Hop
from shopkit.metrics import Metrics

WAIT_SECONDS = 0.2
# An answer later than this finds nothing trusted any more.
POLL_SECONDS = 0.7
# What changes meanwhile is told together: however much is written, products is not asked more than 50 times a second.
PAUSE_SECONDS = 0.02
RETRY_SECONDS = 0.5


class _Changes(msgspec.Struct):
    """What products answers; it may have other members."""

    items: list[Change]
    cursor: str
    reset: bool
    behind_ms: int | None


_decoder = msgspec.json.Decoder(_Changes)


class ChangeFeed:
    """Inside `async with`, tells `known` what changes at products. `products` is a way there that nobody else uses."""

    def __init__(
        self,
        products: Hop,
        known: KnownFacts,
        metrics: Metrics,
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._products = products
        self._known = known
        self._log = log
        self._clock = clock
        self._cursor = ""
        self._is_failing = False
        self._heard = metrics.counter("catalogue_changes_heard", "Changes of products told by their feed")
        alive = Gauge("catalogue_feed_alive", "1 while what was seen counts as present", registry=metrics.registry)
        alive.set_function(lambda: known.is_alive(clock()))
        age = Gauge("catalogue_feed_age_seconds", "Since when changes may not be known", registry=metrics.registry)
        age.set_function(known.age)

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        # A library may swallow the cancellation that ends this task; the task itself remembers it.
        while not self._task.cancelling():
            try:
                pause = await self._poll()
            except Exception as error:
                # Whatever is wrong with products or its answer.
                self._known.distrust()
                if not self._is_failing:
                    self._log.warning("changes of products are not told", extra={"reason": str(error)})
                self._is_failing = True
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)

    async def _poll(self) -> float:
        """Asks once; how many seconds to wait until the next time."""
        asked = self._clock()
        query = [("cursor", self._cursor), ("wait_ms", str(int(WAIT_SECONDS * 1000)))]
        answer = _decoder.decode(await self._products.get("/changes", query))
        if answer.reset:
            self._known.begin_anew(self._clock())
        elif answer.behind_ms is not None:
            # As if answered at once: of all that may have been, that is the longest ago.
            self._known.hear(answer.items, asked - answer.behind_ms / 1000)
        else:
            self._known.hear(answer.items, float("-inf"))
        self._cursor = answer.cursor
        self._heard.inc(len(answer.items))
        if self._is_failing:
            self._log.info("changes of products are told again")
        self._is_failing = False
        # Where products does not let us wait, we do.
        return PAUSE_SECONDS if answer.items or answer.reset else max(0, asked + WAIT_SECONDS - self._clock())
