"""The outermost layer of a service: what is true of every request, whatever the framework inside makes of it.

It stands outside the framework because only there are all answers seen: 404 of unknown paths, 405, and errors raised in
the framework's own layers. It gives each request an id, a deadline and a place in the in-flight limit, counts and logs
its answer, serves every path under /api/v1 too, and answers HEAD as GET without a body. What stands ready, and who
finds no place, it answers by itself. Why so: docs/decisions/0011-request-path.md and 0014-overload.md.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from logging import DEBUG, INFO, Logger
from time import perf_counter
from typing import Any, NamedTuple

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from shopkit import deadline, errors, logs, problems, requests, values
from shopkit.metrics import Metrics
from shopkit.settings import ServiceSettings
from shopserver.answers import Whole
from shopserver.places import Places

API_PREFIX = "/api/v1"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Never shed: probes and scrapes must tell the truth most of all under overload.
ALWAYS_SERVED = frozenset({"/healthz", "/readyz", "/metrics"})
# As nginx has it: the client left before there was an answer.
CLIENT_LEFT = 499


class Ready(NamedTuple):
    """An answer that is encoded already: JSON, 200. `route` is its template, `tag` its ETag without the quotes."""

    route: str
    body: bytes
    tag: str | None = None


# What a GET answers, by its path (no prefix, percent-decoded), query string and headers (of one given twice the last);
# None where the framework is to answer. It must not block, and no guard stands before it.
ReadyMade = Callable[[str, bytes, Mapping[bytes, bytes]], Ready | None]


class Edge:
    """An ASGI application around the framework's. `write` makes a failure into the headers and body of an answer.

    Callers are told apart by the secret they send, in Authorization or a header named ...-Token, else by their address.
    """

    write = staticmethod(problems.write)
    ready_made: ReadyMade = staticmethod(lambda *_: None)
    is_draining = False

    def __init__(self, inner: Any, settings: ServiceSettings, metrics: Metrics, log: Logger) -> None:
        self._inner, self._metrics, self._log = inner, metrics, log
        self._output = next(output for output in log.handlers if isinstance(output, logs.Output))
        self._timeout = settings.request_timeout_ms / 1000
        self._places = Places(settings.max_in_flight)
        trusted = [str(ip_network(network, strict=False)) for network in settings.trusted_proxies]
        self._proxies: Any = ProxyHeadersMiddleware(inner, trusted).trusted_hosts if trusted else ()
        metrics.in_flight.set_function(lambda: self._places.taken)

    def at_once(self, scope: Any) -> Whole | None:
        """What needs no waiting for anything: an answer that stands ready, or that there is no place for the request.

        A server that can asks this first. None takes a place and prepares `scope` for the call, which must follow.
        """
        headers = dict(scope["headers"])
        self._begin(scope, headers)
        ready, failure = None, None
        try:
            if scope["method"] in {"GET", "HEAD"}:
                ready = self.ready_made(scope["path"], scope["query_string"], headers)
        except Exception as raised:
            failure = raised
        if ready:
            scope["path_template"] = ready.route
            return self._whole(scope, _settle(ready, headers))
        if failure is None:
            if self._takes_place(scope):
                return None
            scope["state"]["delay"] = self._places.refusal_delay()
            failure = errors.Unavailable("The service has more requests than it can take.", retry_after=1)
        return self._whole(scope, self._written(failure, scope), failure)

    def unreadable(self, status: int, detail: str) -> Whole:
        """What is told to a client of whose request nothing can be made."""
        scope: Any = {"method": "other", "path": "", "headers": [], "client": None}
        self._begin(scope, {})
        error = problems.KIND_OF_STATUS[status](detail)
        return self._whole(scope, self._written(error, scope), error)

    def _whole(self, scope: Any, answer: requests.Written, failure: Exception | None = None) -> Whole:
        state = scope["state"]
        state["status"] = answer[0]
        self._record(scope, scope["method"], failure)
        headers = [*requests.with_length(*answer), (b"x-request-id", state["request_id"].encode())]
        return Whole(answer[0], headers, answer[2], state["delay"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] != "http":
            return await self._inner(scope, receive, send)
        whole = None if "request_id" in scope.get("state", ()) else self.at_once(scope)
        state, is_head = scope["state"], scope["method"] == "HEAD"
        if whole:
            return await whole.send(send, with_body=not is_head)
        asked: Any = {**scope, "method": "GET"} if is_head else scope

        async def send_back(message: Any) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", state["request_id"].encode())]
            elif is_head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        failed: Exception | None = None
        try:
            deadline.start(state["seconds"])
            async with asyncio.timeout(state["seconds"]) as state["limit"]:
                await self._inner(asked, receive, send_back)
        except Exception as failure:
            failed = failure
            if state["status"] == CLIENT_LEFT:
                await requests.send_answer(send_back, *self._written(failure, scope))
        finally:
            self._places.leave(state["place_of"])
            self._record(asked, scope["method"], failed)
            # Else the failure and the frames it went through would hold each other, and wait for the garbage collector.
            failed = failed and failed.with_traceback(None)

    def _begin(self, scope: Any, headers: dict[bytes, bytes]) -> None:
        """Fills `scope["state"]`; takes the prefix off the path, and sees the client through proxies."""
        state = scope["state"] = {"prefix": "", "status": CLIENT_LEFT, "delay": 0.0, "started": perf_counter()}
        given = headers.get(b"x-request-id")
        state["request_id"] = given.decode() if given and REQUEST_ID.fullmatch(given) else values.new_id()
        # What the caller grants, at most our own limit.
        granted = headers.get(b"request-timeout-ms", b"")
        seconds = int(granted) / 1000 if granted.isdigit() and len(granted) < 10 else self._timeout
        state["seconds"] = min(seconds, self._timeout)
        path = scope["path"].removeprefix(API_PREFIX)
        if path != scope["path"] and path[:1] in {"", "/"}:
            state["prefix"], scope["path"] = API_PREFIX, path or "/"
        if scope["client"] and scope["client"][0] in self._proxies:
            told = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
            scope["client"] = self._proxies.get_trusted_client_address(told) if told else scope["client"]

    def _takes_place(self, scope: Any) -> bool:
        secrets = (value for name, value in scope["headers"] if name == b"authorization" or name.endswith(b"-token"))
        caller = scope["state"]["place_of"] = next(secrets, (scope["client"] or ("",))[0])
        return self._places.take(caller, always=scope["path"] in ALWAYS_SERVED)

    def _written(self, failure: Exception, scope: Any) -> requests.Written:
        error = problems.translate(failure)
        written, body = self.write(error, scope)
        raw = [(name.lower().encode(), value.encode()) for name, value in written.items()]
        return problems.status_of(type(error)), raw, body

    def _record(self, scope: dict[str, Any], method: str, failure: Exception | None) -> None:
        state, route = scope["state"], str(scope.get("path_template") or "<unmatched>")
        seconds = perf_counter() - state["started"]
        self._metrics.request(method, route, state["status"], seconds)
        error = problems.translate(failure) if failure else None
        facts = {"request_id": state["request_id"], "method": method, "route": route, "status": state["status"]}
        facts |= {"milliseconds": round(seconds * 1000, 2)} | ({"code": error.code} if error else {})
        # A route may say that it is asked too often to be told of.
        level = DEBUG if route in ALWAYS_SERVED or state["delay"] or "is_quiet" in state else INFO
        if isinstance(error, errors.Internal):
            self._log.error("request", extra=facts, exc_info=failure)
        elif self._log.isEnabledFor(level):
            self._output.tell(level, "request", facts)


def _settle(ready: Ready, headers: dict[bytes, bytes]) -> requests.Written:
    """For a reader who has it already, 304."""
    tags = [] if ready.tag is None else [(b"etag", f'"{ready.tag}"'.encode())]
    if tags and requests.names_tag(headers.get(b"if-none-match", b"").decode("latin-1"), str(ready.tag)):
        return 304, tags, b""
    return 200, [(b"content-type", requests.JSON.encode()), *tags], ready.body
