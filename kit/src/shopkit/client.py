"""Calls to other services: pooled connections, deadlines, at most one retry inside a budget, and a breaker."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import aiohttp
import msgspec

from shopkit import deadline
from shopkit.errors import DeadlineExceeded, Headers, Internal, Unavailable
from shopkit.metrics import Metrics
from shopkit.problems import Problem

CALL_SECONDS, CONNECTIONS = 2.0, 100
# Retries may add at most a fifth to the load of a neighbour that is in trouble already.
RETRY_SHARE, RETRY_SAVINGS = 0.2, 10.0
FAILURES_TO_OPEN, OPEN_SECONDS = 5, 2.0
# A call that had less time than this tells nothing of the neighbour: our callers must not be able to open the breaker.
FAIR_SECONDS = 0.5
REPEATABLE = {"GET", "PUT", "DELETE"}
# Failures of the neighbour itself. A 5xx with another code is its word on something further on, and no reason to stop.
TROUBLES = {Internal.code, Unavailable.code, DeadlineExceeded.code}


class Breaker:
    """Stops asking a neighbour that keeps failing; after a pause one call probes whether it is back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._failures, self._retry_at = clock, 0, 0.0

    def admit(self) -> bool:
        """Whether a call may be made now; while open, one may each pause."""
        if self._failures >= FAILURES_TO_OPEN and self._clock() < self._retry_at:
            return False
        self._retry_at = self._clock() + OPEN_SECONDS * random.uniform(1, 1.25)  # noqa: S311
        return True

    def note(self, *, good: bool) -> None:
        """Tells how a call went."""
        self._failures = 0 if good else self._failures + 1


class Reply(NamedTuple):
    """What a neighbour answered, whatever the status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_trouble(reply: Reply) -> bool:
    """Whether the neighbour itself has failed."""
    try:
        return reply.status >= 500 and msgspec.json.decode(reply.body, type=Problem).code in TROUBLES
    except msgspec.DecodeError:
        return True


class Connector(aiohttp.TCPConnector):
    """Knocks again where a connection was refused: nothing was sent over it, so that is safe whatever is asked."""

    async def connect(self, *request: Any, **how: Any) -> Any:
        # One connection in three still leads to a replica that has just died: each pause is a chance of another.
        for pause in (0, 0.02, 0.04, 0.08):
            with suppress(aiohttp.ClientConnectorError):
                return await super().connect(*request, **how)
            await asyncio.sleep(pause)
        return await super().connect(*request, **how)


class Hop:
    """The way to one neighbour; its pool is there inside `async with`. Calls take at most `seconds`, retry included."""

    def __init__(self, target: str, base_url: str, metrics: Metrics, seconds: float = CALL_SECONDS) -> None:
        self._target, self._base, self._seconds = target, base_url.rstrip("/"), seconds
        self._calls = metrics.counter(f"{target}_calls", f"Calls to {target}", "outcome")
        self._breaker, self._savings = Breaker(), RETRY_SAVINGS

    async def __aenter__(self) -> None:
        connector = Connector(limit=CONNECTIONS, keepalive_timeout=30)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, query: Sequence[tuple[str, str]] = (), headers: Headers = None) -> bytes:
        """The body of a 200. Unavailable where the neighbour fails, Internal where it refuses: that is our fault."""
        reply = await self.call("GET", path, headers, params=query)
        if reply.status == 200:
            return reply.body
        refused = Internal(f"The {self._target} service answered {reply.status} to {path}.")
        raise self._unavailable() if reply.status == 429 else refused

    async def call(self, method: str, path: str, headers: Headers = None, seconds: float = 0, **content: Any) -> Reply:
        """What the neighbour answers; Unavailable where it fails. What may be repeated is tried a second time.

        `content` is the client library's: `params`, `data` (bytes).
        """
        self._savings = min(RETRY_SAVINGS, self._savings + RETRY_SHARE)
        headers = content["headers"] = dict(headers or {})
        due = time.monotonic() + (seconds or self._seconds)
        try:
            return await self._attempt(due, method, path, **content)
        except Unavailable:
            may_repeat = "Idempotency-Key" in headers or (method in REPEATABLE and "If-Match" not in headers)
            if self._savings < 1 or not may_repeat or time.monotonic() >= due:
                raise
            self._savings -= 1
            await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311
            return await self._attempt(due, method, path, **content)

    async def _attempt(self, due: float, method: str, path: str, **content: Any) -> Reply:
        if not self._breaker.admit():
            self._calls.labels("refused").inc()
            raise self._unavailable()
        seconds = deadline.remaining(max(0.001, due - time.monotonic()))
        content["headers"][deadline.HEADER] = str(int(seconds * 1000))
        limit, reply = aiohttp.ClientTimeout(total=seconds), None
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.request(method, f"{self._base}{path}", timeout=limit, **content) as answer:
                reply = Reply(answer.status, answer.headers, await answer.read())
        has_failed = reply is None or is_trouble(reply)
        if not has_failed or seconds >= FAIR_SECONDS:
            self._breaker.note(good=not has_failed)
        self._calls.labels("failed" if has_failed else "ok" if reply and reply.status < 400 else "rejected").inc()
        if reply is None or has_failed:
            raise self._unavailable()
        return reply

    def _unavailable(self) -> Unavailable:
        return Unavailable(f"The {self._target} service does not answer just now.")
