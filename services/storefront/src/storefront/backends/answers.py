"""Reading what services answer: the record asked for, or the situation they name."""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from shopkit.client import Hop, Reply
from shopkit.errors import FieldError

T = TypeVar("T")
JSON = {"Content-Type": "application/json"}
# Seconds between asking again; together somewhat longer than most calls take.
IN_FLIGHT_WAITS = (0.02, 0.05, 0.1, 0.2, 0.3)


class Money(msgspec.Struct, frozen=True):
    """An amount in minor units."""

    amount: int
    currency: str


class Problem(msgspec.Struct):
    """What pages need of a problem document."""

    code: str
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    sku: str = ""
    available: int | None = None


class Refused(Exception):
    """A service did not do what it was asked, and said why."""

    def __init__(self, status: int, problem: Problem, retry_after: int = 0) -> None:
        super().__init__(problem.code)
        self.status = status
        self.problem = problem
        self.retry_after = retry_after

    @property
    def code(self) -> str:
        """The situation's name."""
        return self.problem.code


def read(reply: Reply, kind: type[T]) -> T:
    """The body of a success; Refused for anything else."""
    if reply.status >= 400:
        wait = reply.headers.get("Retry-After", "")
        raise Refused(reply.status, _problem(reply), int(wait) if wait.isdigit() else 0)
    return msgspec.json.decode(reply.body or b"null", type=kind)


def _problem(reply: Reply) -> Problem:
    try:
        return msgspec.json.decode(reply.body, type=Problem)
    except msgspec.DecodeError:
        return Problem("internal")


async def ask(
    hop: Hop,
    method: str,
    path: str,
    kind: type[T],
    content: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    seconds: float = 0,
) -> T:
    """Sends `content` as JSON and reads the answer as `kind`. Refused, or Unavailable where the service fails.

    Where the same form is at work already, as after a double click, it waits for the answer that is for both.
    """
    body = {} if content is None else {"data": msgspec.json.encode(content)}
    sent = {**(JSON if body else {}), **(headers or {})}
    for wait in IN_FLIGHT_WAITS:
        try:
            return read(await hop.call(method, path, sent, seconds, **body), kind)
        except Refused as refused:
            if refused.code != "idempotency_in_flight":
                raise
            await asyncio.sleep(wait)
    return read(await hop.call(method, path, sent, seconds, **body), kind)


def segment(text: str) -> str:
    """A text as one part of a path; Refused, as what is not there, where it would lead elsewhere."""
    if text in {"", ".", ".."}:
        raise Refused(404, Problem("not_found", "There is nothing of this name."))
    return quote(text, safe="")


def acting_for(address: str) -> dict[str, str]:
    """The header that says at which network address the visitor is, where that is known."""
    return {"X-Forwarded-For": address} if address else {}


def bearer(access_token: str) -> dict[str, str]:
    """The header that says who is calling."""
    return {"Authorization": f"Bearer {access_token}"}
