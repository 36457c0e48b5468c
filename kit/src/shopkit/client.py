"""Calls to other services: pooled connections, deadlines, at most one retry inside a budget, and a breaker."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import aiohttp

from shopkit import deadline
from shopkit.errors import Internal, Unavailable
from shopkit.metrics import Metrics

CALL_SECONDS = 2.0
CONNECTIONS = 100
# Retries may add at most a fifth to the load of a neighbour that is in trouble already.
RETRY_SHARE = 0.2
RETRY_SAVINGS = 10.0
FAILURES_TO_OPEN = 5
# A call that had less time than this tells nothing of the neighbour: our callers must not be able to open the breaker.
FAIR_SECONDS = 0.5
OPEN_SECONDS = 2.0


class Breaker:
    """Stops asking a neighbour that keeps failing; after a pause one call probes whether it is back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._retry_at = 0.0

    def admit(self) -> bool:
        """Whether a call may be made now; while open, one may each pause."""
        if self._failures >= FAILURES_TO_OPEN and self._clock() < self._retry_at:
            return False
        self._retry_at = self._clock() + OPEN_SECONDS * random.uniform(1, 1.25)  # noqa: S311
        return True

    def note(self, *, good: bool) -> None:
        """Tells how a call went."""
        self._failures = 0 if good else self._failures + 1


class Hop:
    """The way to one neighbour; its pool is there inside `async with`."""

    def __init__(self, target: str, base_url: str, metrics: Metrics) -> None:
        self._target = target
        self._base = base_url.rstrip("/")
        self._calls = metrics.counter(f"{target}_calls", f"Calls to {target}", "outcome")
        self._breaker = Breaker()
        self._savings = RETRY_SAVINGS
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> None:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=30)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        """The body of a 200. Unavailable where the neighbour fails, Internal where it refuses: that is our fault."""
        self._savings = min(RETRY_SAVINGS, self._savings + RETRY_SHARE)
        try:
            return await self._get(path, query)
        except Unavailable:
            if self._savings < 1:
                raise
            self._savings -= 1
            await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311
            return await self._get(path, query)

    async def _get(self, path: str, query: Sequence[tuple[str, str]]) -> bytes:
        if self._session is None or not self._breaker.admit():
            self._calls.labels("refused").inc()
            raise Unavailable(f"The {self._target} service does not answer just now.")
        seconds = deadline.remaining(CALL_SECONDS)
        sent = {deadline.HEADER: str(int(seconds * 1000))}
        limit = aiohttp.ClientTimeout(total=seconds)
        status, body = 503, b""
        try:
            async with self._session.get(f"{self._base}{path}", params=query, headers=sent, timeout=limit) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            pass
        has_failed = status >= 500 or status == 429
        if not has_failed or seconds >= FAIR_SECONDS:
            self._breaker.note(good=not has_failed)
        self._calls.labels("failed" if has_failed else "ok" if status == 200 else "rejected").inc()
        if has_failed:
            raise Unavailable(f"The {self._target} service does not answer just now.")
        if status != 200:
            raise Internal(f"The {self._target} service answered {status} to {path}.")
        return body
