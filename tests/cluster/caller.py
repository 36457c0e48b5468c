"""One who asks and writes down every answer: when, what, how long it took, and what was wrong with it."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import aiohttp

from .books import Effect

Check = Callable[[Any], str]


@dataclass(frozen=True)
class Entry:
    """One attempt. `at` is Unix time in seconds when it began; `fault` is empty where all was well."""

    at: float
    route: str
    attempt: int
    milliseconds: float
    status: int | None
    fault: str
    detail: str = ""
    is_last: bool = True

    @property
    def ended(self) -> float:
        """Unix time in seconds."""
        return self.at + self.milliseconds / 1000


@dataclass(frozen=True)
class Request:
    """What to ask, what to expect, and whether asking again is safe: a read, a set, or what carries a key."""

    route: str
    method: str
    url: str
    check: Check
    statuses: tuple[int, ...] = (200,)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    may_repeat: bool = True

    @property
    def is_keyed(self) -> bool:
        """Whether however many attempts have one effect, also where an early one arrives late."""
        return "Idempotency-Key" in self.headers


@dataclass(frozen=True)
class Outcome:
    """The answer to the last attempt. `may_come_late`: an attempt before it may still have an effect."""

    effect: Effect
    body: Any = None
    may_come_late: bool = False

    @property
    def is_good(self) -> bool:
        return self.effect is Effect.DONE


@dataclass(frozen=True)
class Attempt:
    """What became of one attempt."""

    status: int | None
    body: Any
    fault: str
    detail: str

    @property
    def effect(self) -> Effect:
        """A connection that was refused carried nothing; a 4xx says that nothing was done; a 5xx says nothing."""
        if self.status is not None and self.status < 300:
            return Effect.DONE
        nothing = self.fault == "refused" or (self.status is not None and self.status < 500 and self.status != 409)
        return Effect.NONE if nothing else Effect.UNKNOWN


class Caller:
    """Asks, inside `async with`. With `retries` a request that fails and may be repeated is, once.

    A tenth of the requests has a connection of its own; the others share connections that are kept.
    """

    def __init__(self, folder: Path, *, retries: bool, seconds: float) -> None:
        self.entries: list[Entry] = []
        self._path = folder / "answers.jsonl"
        self._retries = retries
        self._limit = aiohttp.ClientTimeout(total=seconds)
        self._asked = 0

    async def __aenter__(self) -> Self:
        self._file: TextIO = self._path.open("a", encoding="utf-8")
        self._kept, self._fresh = (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, **options), cookie_jar=aiohttp.DummyCookieJar()
            )
            for options in ({"keepalive_timeout": 30}, {"force_close": True})
        )
        # It would ask again by itself where a kept connection was closed, and nobody would hear of it.
        self._kept._retry_connection = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._kept.close()
        await self._fresh.close()
        self._file.close()

    async def ask(self, request: Request) -> Outcome:
        """What came of it; never raises."""
        first = await self._attempt(request, 1)
        if not self._is_repeated(request, first):
            return Outcome(first.effect, first.body)
        # As a polite client: not at once, when what has failed has had no time to be noticed.
        await asyncio.sleep(0.1)
        second = await self._attempt(request, 2)
        if first.effect is Effect.NONE or second.effect is Effect.DONE:
            is_open = first.effect is Effect.UNKNOWN and not request.is_keyed
            return Outcome(second.effect, second.body, may_come_late=is_open)
        return Outcome(Effect.UNKNOWN)

    def _is_repeated(self, request: Request, made: Attempt) -> bool:
        """An answer that is wrong stays so; what failed may be right the second time."""
        return self._retries and request.may_repeat and made.fault not in ("", "wrong")

    async def _attempt(self, request: Request, number: int) -> Attempt:
        began, clock = time.time(), time.monotonic()
        self._asked += 1
        session = self._fresh if self._asked % 10 == 0 else self._kept
        try:
            made = await self._send(session, request)
        except TimeoutError:
            made = Attempt(None, None, "timeout", "")
        except aiohttp.ClientConnectorError as error:
            made = Attempt(None, None, "refused", str(error))
        except (aiohttp.ClientError, OSError) as error:
            made = Attempt(None, None, "reset", f"{type(error).__name__}: {error}")
        milliseconds = round((time.monotonic() - clock) * 1000, 1)
        is_last = number == 2 or not self._is_repeated(request, made)
        self._write(
            Entry(began, request.route, number, milliseconds, made.status, made.fault, made.detail[:500], is_last)
        )
        return made

    async def _send(self, session: aiohttp.ClientSession, request: Request) -> Attempt:
        content = {} if request.body is None else {"json": request.body}
        async with session.request(
            request.method, request.url, headers=request.headers, timeout=self._limit, **content
        ) as answer:
            text = await answer.text()
        if answer.status not in request.statuses:
            return Attempt(answer.status, None, "5xx" if answer.status >= 500 else "wrong", text)
        try:
            body = json.loads(text) if answer.content_type == "application/json" else text
            wrong = request.check(body)
        except (ValueError, LookupError, TypeError) as error:
            body, wrong = None, f"{type(error).__name__}: {error} in {text}"
        return Attempt(answer.status, body, "wrong" if wrong else "", wrong)

    def _write(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._file.write(json.dumps(asdict(entry)) + "\n")
