"""The outermost layer of a service: what is true of every request, whatever the framework inside makes of it.

It stands outside the framework because only there are all answers seen: 404 of unknown paths, 405, and errors raised in
the framework's own layers. It gives each request an id, a deadline and a place in the in-flight limit, counts and logs
its answer, serves every path under /api/v1 too, and answers HEAD as GET without a body. What stands ready, and who
finds no place, it answers by itself. Why so: docs/decisions/0011-request-path.md and 0014-overload.md.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from logging import DEBUG, INFO, Logger
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from litestar.types import ASGIApp, Message, Receive

from shopkit import deadline, errors, logs, problems, requests, values
from shopkit.metrics import Metrics
from shopkit.settings import ServiceSettings

API_PREFIX = "/api/v1"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Never shed: probes and scrapes must tell the truth most of all under overload.
ALWAYS_SERVED = frozenset({"/healthz", "/readyz", "/metrics"})
# As nginx has it: the client left before there was an answer.
CLIENT_LEFT = 499
# Who asks again the moment he is refused would get all our time: so a 503 comes this late, and later where more than
# so many a second would be due.
REFUSAL_SECONDS, REFUSALS_PER_SECOND = 0.1, 1500


class Ready(NamedTuple):
    """An answer that is encoded already: JSON, 200. `route` is its template, `tag` its ETag without the quotes."""

    route: str
    body: bytes
    tag: str | None = None


class Whole(NamedTuple):
    """A whole answer, and in how many seconds it is due."""

    status: int
    headers: requests.RawHeaders
    body: bytes
    seconds: float = 0.0


# What a GET answers, by its path (no prefix, percent-decoded), query string and headers (of one given twice the last);
# None where the framework is to answer. It must not block, and no guard stands before it.
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
        self._places, self._taken = settings.max_in_flight, 0
        # The places each caller holds, and when the last refusal is due.
        self._held, self._refusal_due = Counter[object](), 0.0
        self._proxies = tuple(ip_network(network, strict=False) for network in settings.trusted_proxies)
        metrics.in_flight.set_function(lambda: self._taken)

    def at_once(self, scope: Any) -> Whole | None:
        """What needs no waiting for anything: an answer that stands ready, or that there is no place for the request.

        A server that can asks this first. None takes a place and prepares `scope` for the call, which must follow.
        """
        headers = dict(scope["headers"])
        state = scope["state"] = self._begin(scope, headers)
        error: Exception | None
        try:
            answer, error = self._answer(scope, headers)
        except Exception as failure:
            answer, error = self._written(failure, scope), failure
        if answer is None:
            return None
        state["status"] = answer[0]
        self._record(scope, scope["method"], error)
        more = [*requests.with_length(*answer), (b"x-request-id", state["request_id"].encode())]
        return Whole(state["status"], more, answer[2], state["delay"])

    def _answer(self, scope: Any, headers: dict[bytes, bytes]) -> tuple[requests.Written | None, Exception | None]:
        ready = None
        if scope["method"] in {"GET", "HEAD"}:
            ready = self.ready_made(scope["path"], scope["query_string"], headers)
        if ready:
            scope["path_template"] = ready.route
            return _settle(ready, headers), None
        if self._takes_place(scope):
            return None, None
        scope["state"]["delay"] = self._refusal_delay(scope["state"]["seconds"])
        error = errors.Unavailable("The service has more requests than it can take.", retry_after=1)
        return self._written(error, scope), error

    async def __call__(self, scope: Any, receive: Receive, send: Any) -> None:
        if scope["type"] != "http":
            return await self._inner(scope, receive, send)
        whole = None if "request_id" in scope.get("state", ()) else self.at_once(scope)
        state, is_head = scope["state"], scope["method"] == "HEAD"
        if whole:
            await asyncio.sleep(whole.seconds)
            await send({"type": "http.response.start", "status": whole.status, "headers": whole.headers})
            await send({"type": "http.response.body", "body": b"" if is_head else whole.body})
            return None
        asked: Any = {**scope, "method": "GET"} if is_head else scope

        async def send_back(message: Message) -> None:
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
            self._leave(state["place_of"])
            self._record(asked, scope["method"], failed)
            # Else the failure and this frame would hold each other, and wait for the garbage collector.
            del failed

    def _begin(self, scope: Any, headers: dict[bytes, bytes]) -> dict[str, Any]:
        """What may be asked of `scope["state"]`; takes the prefix off the path, and sees the client through proxies."""
        given = headers.get(b"x-request-id")
        # What the caller grants, at most our own limit.
        granted = headers.get(b"request-timeout-ms", b"")
        seconds = min(int(granted) / 1000, self._timeout) if granted.isdigit() and len(granted) < 10 else self._timeout
        state: dict[str, Any] = {"prefix": "", "status": CLIENT_LEFT, "seconds": seconds, "delay": 0.0}
        state["request_id"] = given.decode() if given and REQUEST_ID.fullmatch(given) else values.new_id()
        state["started"] = perf_counter()
        path = scope["path"].removeprefix(API_PREFIX)
        if path != scope["path"] and path[:1] in {"", "/"}:
            state["prefix"], scope["path"] = API_PREFIX, path or "/"
        if self._proxies and scope["client"]:
            scope["client"] = (self._address(scope), 0)
        return state

    def _address(self, scope: Any) -> str:
        """The client's address. The proxy nearest to us knows the hop before it: the first that is no proxy of ours."""
        told = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
        hops = [hop.strip() for hop in (*told.split(","), str(scope["client"][0])) if hop.strip()]
        return next((hop for hop in reversed(hops) if not _is_in(hop, self._proxies)), hops[0])

    def _takes_place(self, scope: Any) -> bool:
        """Takes a place for the request, until `_leave`, if there is one.

        Once half the places are taken, a caller may hold its share (places / callers at work), and nobody the last: the
        last eighth is for callers who hold none. Whoever comes while another takes all that he can get is served.
        """
        secrets = (value for name, value in scope["headers"] if name == b"authorization" or name.endswith(b"-token"))
        caller = next(secrets, (scope["client"] or ("",))[0])
        if self._taken * 2 >= self._places and scope["path"] not in ALWAYS_SERVED:
            held = self._held.get(caller, 0)
            share = self._places // (len(self._held) + (held == 0))
            if held >= share or self._taken >= self._places - (self._places // 8 if held else 0):
                return False
        scope["state"]["place_of"] = caller
        self._held[caller] += 1
        self._taken += 1
        return True

    def _refusal_delay(self, at_most: float) -> float:
        now = monotonic()
        self._refusal_due = max(self._refusal_due + 1 / REFUSALS_PER_SECOND, now + REFUSAL_SECONDS)
        return min(self._refusal_due - now, at_most)

    def _leave(self, caller: object) -> None:
        self._taken -= 1
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]

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
        level = DEBUG if route in ALWAYS_SERVED or state["delay"] else INFO
        if isinstance(error, errors.Internal):
            self._log.error("request", extra=facts, exc_info=failure)
        elif self._log.isEnabledFor(level):
            self._output.tell(level, "request", facts)


@lru_cache
def _is_in(host: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        return any(ip_address(host) in network for network in networks)
    except ValueError:
        return False


def _settle(ready: Ready, headers: dict[bytes, bytes]) -> requests.Written:
    """For a reader who has it already, 304."""
    tags = [] if ready.tag is None else [(b"etag", f'"{ready.tag}"'.encode())]
    if tags and requests.names_tag(headers.get(b"if-none-match", b"").decode("latin-1"), str(ready.tag)):
        return 304, tags, b""
    return 200, [(b"content-type", requests.JSON.encode()), *tags], ready.body
