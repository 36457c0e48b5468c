"""The outermost layer of a service: what is true of every request, whatever the framework inside makes of it.

It stands outside the framework because only there are all answers seen: 404 of unknown paths, 405, and errors raised in
the framework's own layers. It gives each request an id, a deadline and a place in the in-flight limit, counts and logs
its answer, serves every path under /api/v1 too, and answers HEAD as GET without a body. What stands ready it answers
by itself. Why so: docs/decisions/0011-request-path.md and 0014-overload.md.
"""

import asyncio
import random
import re
from collections.abc import Callable, Mapping
from logging import DEBUG, INFO, Logger
from time import perf_counter
from typing import Any, NamedTuple

from litestar.types import ASGIApp, Message, Receive, Send

from shopkit import deadline, errors, logs, problems, requests, values
from shopkit.metrics import Metrics
from shopkit.settings import ServiceSettings

API_PREFIX = "/api/v1"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Never shed: probes and scrapes must tell the truth most of all under overload.
ALWAYS_SERVED = frozenset({"/healthz", "/readyz", "/metrics"})
# As nginx has it: the client left before there was an answer.
CLIENT_LEFT = 499
# Who asks again the moment he is refused would get all our time: so a 503 comes this late, more or less by half.
REFUSAL_SECONDS = 0.2


class Ready(NamedTuple):
    """An answer that is encoded already: JSON, 200. `route` is its template, `tag` its ETag without the quotes."""

    route: str
    body: bytes
    tag: str | None = None


# What a GET answers, by its path (no prefix, percent-decoded), query string and headers (of one given twice the last);
# None where the framework is to answer. It must neither block nor raise, and no guard stands before it.
ReadyMade = Callable[[str, bytes, Mapping[bytes, bytes]], Ready | None]


class Edge:
    """An ASGI application around the framework's. `write` makes a failure into the headers and body of an answer.

    Callers are told apart by the secret they send, in Authorization or a header named ...-Token, else by their address.
    """

    write = staticmethod(problems.write)
    ready_made: ReadyMade = staticmethod(lambda *_: None)

    def __init__(self, inner: ASGIApp, settings: ServiceSettings, metrics: Metrics, log: Logger) -> None:
        self._inner, self._metrics, self._log = inner, metrics, log
        self._output = next(output for output in log.handlers if isinstance(output, logs.Output))
        self._timeout = settings.request_timeout_ms / 1000
        self._places = settings.max_in_flight
        self._at_work: list[object] = []
        metrics.in_flight.set_function(lambda: len(self._at_work))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._inner(scope, receive, send)
        started = perf_counter()
        headers = dict(scope["headers"])
        method: str = scope["method"]
        state = _prepare(scope, headers)

        async def send_back(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", state["request_id"].encode())]
            elif method == "HEAD" and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        try:
            ready = scope["method"] == "GET" and self.ready_made(scope["path"], scope["query_string"], headers)
            if ready:
                scope["path_template"] = ready.route
                await requests.send_answer(send_back, *_settle(ready, headers))
            else:
                await self._work(scope, receive, send_back, headers)
        except Exception as failure:
            error = problems.translate(failure)
            state["failure"] = (failure, error)
            if state["status"] == CLIENT_LEFT:
                written, body = self.write(error, scope)
                raw = [(name.lower().encode(), value.encode()) for name, value in written.items()]
                await requests.send_answer(send_back, problems.status_of(type(error)), raw, body)
        finally:
            self._record(scope, method, perf_counter() - started, state)

    async def _work(self, scope: Any, receive: Receive, send: Send, headers: dict[bytes, bytes]) -> None:
        """The framework answers, if there is a place."""
        secrets = (value for name, value in scope["headers"] if name == b"authorization" or name.endswith(b"-token"))
        caller = next(secrets, (scope["client"] or ("",))[0])
        # What the caller grants, at most our own limit.
        granted = headers.get(b"request-timeout-ms", b"")
        seconds = min(int(granted) / 1000, self._timeout) if granted.isdigit() and len(granted) < 10 else self._timeout
        if not self._has_room_for(caller) and scope["path"] not in ALWAYS_SERVED:
            scope["state"]["is_refused"] = True
            await asyncio.sleep(min(seconds, REFUSAL_SECONDS * random.uniform(0.5, 1.5)))  # noqa: S311
            raise errors.Unavailable("The service has more requests than it can take.", retry_after=1)
        deadline.start(seconds)
        self._at_work.append(caller)
        try:
            async with asyncio.timeout(seconds) as scope["state"]["limit"]:
                await self._inner(scope, receive, send)
        finally:
            self._at_work.remove(caller)

    def _has_room_for(self, caller: object) -> bool:
        """Once half the places are taken, a caller may hold its share (places / callers at work), and nobody the last.

        The last eighth is for callers who hold none: whoever comes while another takes all that he can get is served.
        """
        taken = len(self._at_work)
        if taken * 2 < self._places:
            return True
        held, callers = self._at_work.count(caller), len({*self._at_work, caller})
        return held < self._places // callers and taken < self._places - (self._places // 8 if held else 0)

    def _record(self, scope: dict[str, Any], method: str, seconds: float, state: dict[str, Any]) -> None:
        route: str = scope.get("path_template") or "<unmatched>"
        self._metrics.request(method, route, state["status"], seconds)
        failure, error = state.get("failure", (None, None))
        facts = {"request_id": state["request_id"], "method": method, "route": route, "status": state["status"]}
        facts |= {"milliseconds": round(seconds * 1000, 2)} | ({"code": error.code} if error else {})
        level = DEBUG if route in ALWAYS_SERVED or state["is_refused"] else INFO
        if isinstance(error, errors.Internal):
            self._log.error("request", extra=facts, exc_info=failure)
        elif self._log.isEnabledFor(level):
            self._output.tell(level, "request", facts)


def _settle(ready: Ready, headers: dict[bytes, bytes]) -> tuple[int, requests.RawHeaders, bytes]:
    """Status, headers and body of what stands ready; for a reader who has it already, 304."""
    tags = [] if ready.tag is None else [(b"etag", f'"{ready.tag}"'.encode())]
    if tags and requests.names_tag(headers.get(b"if-none-match", b"").decode("latin-1"), str(ready.tag)):
        return 304, tags, b""
    return 200, [(b"content-type", requests.JSON.encode()), *tags], ready.body


def _prepare(scope: dict[str, Any], headers: dict[bytes, bytes]) -> dict[str, Any]:
    """Fills `scope["state"]` with what routes may ask for, and takes the prefix off the path."""
    given = headers.get(b"x-request-id")
    state: dict[str, Any] = {"prefix": "", "status": CLIENT_LEFT, "is_refused": False}
    state["request_id"] = given.decode() if given and REQUEST_ID.fullmatch(given) else values.new_id()
    scope["state"] = state
    path = scope["path"].removeprefix(API_PREFIX)
    if path != scope["path"] and path[:1] in {"", "/"}:
        state["prefix"], scope["path"] = API_PREFIX, path or "/"
    if scope["method"] == "HEAD":
        scope["method"] = "GET"
    return state
