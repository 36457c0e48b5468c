"""Keeps an eye on the store: opens it when it can be had, and knows at any time whether it answers."""

import asyncio
import logging
from typing import Protocol

from shopkit.errors import Unavailable

# An election of a new primary takes a moment; one failed ping must not empty the load balancer.
FAILURES_TO_BE_DOWN = 2
UNUSABLE = "The store answers, but cannot be used; the log says why."


class Store(Protocol):
    """What every store can do besides its business."""

    async def prepare(self) -> None:
        """Connects and brings the schema up to date. Safe to repeat and to run on several replicas at once."""

    async def ping(self) -> None:
        """Returns if the store answers, raises Unavailable if not."""

    async def close(self) -> None:
        """Lets go of everything."""


class StoreWatch:
    """Inside `async with`, prepares the store as soon as it is there, and watches it on."""

    def __init__(self, store: Store, log: logging.Logger, seconds: float = 1.0) -> None:
        self._store, self._log, self._seconds = store, log, seconds
        # What was never there has failed before: the first failure is told in the log.
        self._failures = FAILURES_TO_BE_DOWN - 1
        self._reason, self._prepared = "not reached yet", False

    def check(self) -> str:
        """For readiness: "ok", or what is wrong."""
        return "ok" if self._prepared and self._failures < FAILURES_TO_BE_DOWN else self._reason

    async def __aenter__(self) -> None:
        await self._look()
        self._task = asyncio.create_task(self._watch())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._store.close()

    async def _watch(self) -> None:
        # A driver may swallow the cancellation that ends this task; the task itself remembers it.
        while not self._task.cancelling():
            await asyncio.sleep(self._seconds)
            await self._look()

    async def _look(self) -> None:
        try:
            if not self._prepared:
                await self._store.prepare()
                self._prepared = True
            await self._store.ping()
        except Unavailable as error:
            self._failures += 1
            self._reason = error.detail
            if self._failures == FAILURES_TO_BE_DOWN:
                self._log.warning("store down", extra={"reason": error.detail})
        except Exception:
            if self.check() != UNUSABLE:
                self._log.exception("store not usable")
            self._failures, self._reason = FAILURES_TO_BE_DOWN, UNUSABLE
        else:
            if self._failures >= FAILURES_TO_BE_DOWN:
                self._log.info("store ready")
            self._failures = 0
