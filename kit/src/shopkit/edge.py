"""The outermost layer of a service: what is true of every request, whatever the framework inside makes of it.

It stands outside the framework because only there are all answers seen: 404 of unknown paths, 405, and errors raised in
the framework's own layers. It gives each request an id, a deadline and a place in the in-flight limit, counts and logs
its answer, serves every path under /api/v1 too, and answers HEAD as GET without a body.
"""

import asyncio
import re
from logging import DEBUG, ERROR, INFO, Logger
from time import perf_counter
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Send

from shopkit import deadline, problems
from shopkit.errors import Internal, Unavailable
from shopkit.metrics import Metrics
from shopkit.settings import ServiceSettings
from shopkit.values import new_id

API_PREFIX = "/api/v1"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Never shed: probes and scrapes must tell the truth most of all under overload.
ALWAYS_SERVED = frozenset({"/healthz", "/readyz", "/metrics"})
# As nginx has it: the client left before there was an answer.
CLIENT_LEFT = 499


class Edge:
    """An ASGI application around the framework's. `write` makes a failure into the headers and body of an answer."""

    write = staticmethod(problems.write)

    def __init__(self, inner: ASGIApp, settings: ServiceSettings, metrics: Metrics, log: Logger) -> None:
        self._inner = inner
        self._metrics = metrics
        self._log = log
        self._timeout = settings.request_timeout_ms / 1000
        self._places = settings.max_in_flight

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._inner(scope, receive, send)
            return
        started = perf_counter()
        headers = dict(scope["headers"])
        method: str = scope["method"]
        state = _prepare(scope, headers)
        exchange = _Exchange(send, state["request_id"], bodiless=method == "HEAD")
        self._metrics.in_flight.inc()
        self._places -= 1
        try:
            if self._places < 0 and scope["path"] not in ALWAYS_SERVED:
                raise Unavailable("The service has more requests than it can take.", retry_after=1)
            seconds = _seconds(headers, self._timeout)
            deadline.start(seconds)
            async with asyncio.timeout(seconds) as state["limit"]:
                await self._inner(scope, receive, exchange.send)
        except Exception as failure:
            error = problems.translate(failure)
            state["failure"] = (failure, error)
            if exchange.status == CLIENT_LEFT:
                await exchange.fail(problems.status_of(type(error)), *self.write(error, scope))
        finally:
            self._places += 1
            self._metrics.in_flight.dec()
            self._record(scope, method, exchange.status, perf_counter() - started, state)

    def _record(self, scope: dict[str, Any], method: str, status: int, seconds: float, state: dict[str, Any]) -> None:
        route: str = scope.get("path_template") or "<unmatched>"
        self._metrics.request(method, route, status, seconds)
        facts = {"request_id": state["request_id"], "method": method, "route": route, "status": status}
        facts["milliseconds"] = round(seconds * 1000, 2)
        failure, error = state.get("failure", (None, None))
        facts |= {"code": error.code} if error else {}
        is_surprise = isinstance(error, Internal)
        level = ERROR if is_surprise else DEBUG if route in ALWAYS_SERVED else INFO
        self._log.log(level, "request", extra=facts, exc_info=failure if is_surprise else None)


class _Exchange:
    """The way back to the client: adds the request id, notes the status, drops the body of HEAD."""

    def __init__(self, send: Send, request_id: str, *, bodiless: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._bodiless = bodiless
        self.status = CLIENT_LEFT

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id.encode())]
        elif self._bodiless and message["type"] == "http.response.body":
            message["body"] = b""
        await self._send(message)

    async def fail(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Answers in place of the framework."""
        raw = [(n.lower().encode(), v.encode()) for n, v in {**headers, "content-length": str(len(body))}.items()]
        await self.send(cast("Message", {"type": "http.response.start", "status": status, "headers": raw}))
        await self.send(cast("Message", {"type": "http.response.body", "body": body, "more_body": False}))


def _prepare(scope: dict[str, Any], headers: dict[bytes, bytes]) -> dict[str, Any]:
    """Fills `scope["state"]` with what routes may ask for, and takes the prefix off the path."""
    state: dict[str, Any] = {}
    scope["state"] = state
    given = headers.get(b"x-request-id", b"")
    state["request_id"] = given.decode() if REQUEST_ID.fullmatch(given) else new_id()
    state["prefix"] = ""
    path = scope["path"]
    if path.startswith(API_PREFIX) and path[len(API_PREFIX) :][:1] in {"", "/"}:
        state["prefix"] = API_PREFIX
        scope["path"] = path[len(API_PREFIX) :] or "/"
    if scope["method"] == "HEAD":
        scope["method"] = "GET"
    return state


def _seconds(headers: dict[bytes, bytes], longest: float) -> float:
    """How long this request may take: what the caller grants (Request-Timeout-Ms), at most `longest`."""
    granted = headers.get(deadline.HEADER.lower().encode(), b"")
    return min(int(granted) / 1000, longest) if granted.isdigit() and len(granted) < 10 else longest
