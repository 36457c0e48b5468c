"""RFC 9457 problem documents: the one table from situation to HTTP status, and the way out for every failure."""

import math
import random
import re
from functools import partial
from typing import Any

import msgspec
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec

from shopkit import errors
from shopkit.errors import FieldError, ShopError

TYPE_PREFIX, MEDIA_TYPE = "https://trolley.example/problems/", "application/problem+json"

# fmt: off
STATUS: dict[type[ShopError], int] = {
    errors.BrokenRequest: 400, errors.Unauthenticated: 401, errors.Forbidden: 403, errors.NotFound: 404,
    errors.MethodNotAllowed: 405, errors.Conflict: 409, errors.VersionConflict: 412, errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415, errors.InvalidRequest: 422, errors.RateLimited: 429,
    errors.Internal: 500, errors.Unavailable: 503, errors.DeadlineExceeded: 504,
}
# fmt: on
KIND_OF_STATUS = {status: kind for kind, status in STATUS.items()}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a failed call answers. Branch on `code` (or `type`), never on the texts."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    errors: tuple[FieldError, ...] = ()


def status_of(situation: type[ShopError]) -> int:
    """The HTTP status of a situation: that of its nearest kind."""
    return next(STATUS[kind] for kind in situation.__mro__ if kind in STATUS)


def document(error: ShopError, request_id: str) -> dict[str, Any]:
    """The problem document's members for one occurrence."""
    type_, status = TYPE_PREFIX + error.code, status_of(type(error))
    problem = Problem(type_, error.title(), status, error.code, error.detail, request_id, error.errors)
    return {**msgspec.to_builtins(problem), **msgspec.to_builtins(error.facts)}


def write(error: ShopError, scope: Any) -> tuple[dict[str, str], bytes]:
    """A problem document as the answer to a request: its headers, its body."""
    body = msgspec.json.encode(document(error, scope["state"]["request_id"]))
    return {"content-type": MEDIA_TYPE, **headers_of(error)}, body


def headers_of(error: ShopError) -> dict[str, str]:
    """The headers that go with an occurrence: WWW-Authenticate, Retry-After (jittered, whole seconds), its own."""
    headers = ({"WWW-Authenticate": "Bearer"} if isinstance(error, errors.Unauthenticated) else {}) | error.headers
    if error.retry_after >= 0:
        spread = random.uniform(1, 1.5) if isinstance(error, errors.Unavailable) else 1  # noqa: S311
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after * spread)))
    return headers


def translate(failure: Exception) -> ShopError:
    """Any exception as a situation. What we do not know is `internal`, and tells the caller nothing."""
    match failure:
        case ShopError():
            return failure
        case ValidationException():
            return invalid_parameters(failure)
        case HTTPException() if failure.status_code in KIND_OF_STATUS and failure.status_code < 500:
            allow = (failure.headers or {}).get("allow")
            return KIND_OF_STATUS[failure.status_code](headers={"Allow": allow} if allow else None)
        case TimeoutError():
            return errors.DeadlineExceeded()
        case _:
            return errors.Internal()


def invalid_parameters(failure: ValidationException) -> ShopError:
    """Faults in path, query or header parameters, each with a pointer such as `#/query/limit`."""
    faults = [fault for fault in failure.extra or () if isinstance(fault, dict)]
    if any(fault.get("source") == "path" for fault in faults):
        return errors.NotFound()
    # Joined, not formatted: the framework's source is an enumeration, whose text an f-string would not take.
    found = tuple(
        FieldError("/".join(("#", fault.get("source", "query"), fault.get("key", ""))), str(fault["message"]))
        for fault in faults
    )
    return errors.InvalidRequest("; ".join(fault.detail for fault in found), errors=found)


def invalid_body(failure: msgspec.ValidationError) -> errors.InvalidRequest:
    """msgspec's message ends in the place: "Expected `int`, got `str` - at `$.lines[0].quantity`"."""
    detail, _, place = str(failure).replace("[...]", "").partition(" - at `")
    path = re.sub(r"\[(\d+)\]", r"/\1", place.rstrip("`").removeprefix("key` in `").removeprefix("$"))
    member = re.fullmatch(r"Object (?:contains unknown|missing required) field `(.*)`", detail, re.DOTALL)
    name = "/" + member[1].replace("~", "~0").replace("/", "~1") if member else ""
    return errors.InvalidRequest.at("#" + path.replace(".", "/") + name, detail)


def raises(*situations: type[ShopError]) -> dict[int, ResponseSpec]:
    """A route's `responses=`: what it may answer besides success, for the OpenAPI document."""
    by_status: dict[int, list[type[ShopError]]] = {}
    for situation in situations:
        by_status.setdefault(status_of(situation), []).append(situation)
    told = {s: " or ".join(f"`{each.code}`: {each.title()}" for each in found) for s, found in by_status.items()}
    spec = partial(ResponseSpec, Problem, generate_examples=False, media_type=MEDIA_TYPE)
    return {status: spec(description=words) for status, words in told.items()}
