"""The request as routes see it: a strict body, the caller, preconditions; and the answer to give."""

import json
from typing import Any, TypeVar, cast

import msgspec
from litestar import Request, Response
from litestar.exceptions import InternalServerException

from shopkit.errors import BrokenRequest, Forbidden, Headers, Unauthenticated, UnsupportedMediaType, VersionConflict
from shopkit.problems import invalid_body
from shopkit.tokens import Caller

T = TypeVar("T")
# A route's `opt=`, for its description: its POST takes an Idempotency-Key; its record has an ETag.
KEYED: dict[str, Any] = {"keyed": True}
TAGGED: dict[str, Any] = {"tagged": True}
RawHeaders = list[tuple[bytes, bytes]]
# Status, headers but for Content-Length, body.
Written = tuple[int, RawHeaders, bytes]
JSON = "application/json"


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    # Which of the two counts would be a guess.
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("an object names the same member twice")


# NaN and Infinity, which JSON does not know, are no integers either.
_syntax = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=int)


def decode(body: bytes, kind: Any) -> Any:
    """`body` as `kind`; BrokenRequest where it is no JSON, InvalidRequest with a pointer where it does not fit."""
    try:
        # First, for what is no JSON at all is told as such, wherever else it does not fit.
        _syntax.decode(body.decode())
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from error
    except (ValueError, RecursionError) as error:
        raise BrokenRequest(f"The body is not JSON: {error}.") from error


def names_tag(known: str, tag: str) -> bool:
    """Whether `known`, an If-None-Match, names `tag`."""
    return known.strip() == "*" or tag in {part.strip().removeprefix("W/").strip('"') for part in known.split(",")}


async def send_answer(send: Any, status: int, headers: RawHeaders, body: bytes) -> None:
    """A whole answer at once."""
    await send({"type": "http.response.start", "status": status, "headers": with_length(status, headers, body)})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def with_length(status: int, headers: RawHeaders, body: bytes) -> RawHeaders:
    """The headers of a whole answer."""
    return headers if status == 304 else [*headers, (b"content-length", str(len(body)).encode())]


class Answer(Response[T]):
    """An answer in bytes, sent as it is: what the framework would do to it first has been done."""

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        return self._send

    async def _send(self, _: Any, __: Any, send: Any) -> None:
        kind = {} if self.status_code == 304 else {"content-type": JSON}
        raw = [(name.lower().encode(), value.encode()) for name, value in {**kind, **self.headers}.items()]
        await send_answer(send, self.status_code or 200, raw, cast("bytes", self.content))


class ShopRequest(Request[Any, Any, Any]):
    """A request of ours: its body is decoded strictly by the route's `data` type."""

    async def body(self) -> bytes:
        try:
            content = await super().body()
        except InternalServerException as error:
            raise BrokenRequest("The connection ended before the body did.") from error
        if not content and self.route_handler.parsed_data_field is not None:
            raise BrokenRequest("The body is empty; a JSON object is expected.")
        return content

    async def json(self) -> Any:
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
            raise UnsupportedMediaType
        field = self.route_handler.parsed_data_field
        return decode(await self.body(), field.annotation if field else Any)

    @property
    def caller_or_none(self) -> Caller | None:
        """The caller that the route's guard found."""
        return cast("Caller | None", self.scope["state"].get("caller"))

    @property
    def caller(self) -> Caller:
        """The caller; Unauthenticated where there is none."""
        if self.caller_or_none is None:
            raise Unauthenticated
        return self.caller_or_none

    @property
    def address(self) -> str:
        """The network address of the client, seen through the proxies we trust."""
        return self.client.host if self.client else ""

    def require_version(self, version: int, current: object) -> None:
        """The If-Match precondition: 412 with the current record unless it names `version` (or `*`)."""
        wanted = self.headers.get("if-match", "*")
        # A tag is the version, with a suffix after "-" where the answer hangs on more than the record.
        strong = (tag for tag in map(str.strip, wanted.split(",")) if not tag.startswith("W/"))
        if wanted.strip() != "*" and str(version) not in {tag.strip('"').partition("-")[0] for tag in strong}:
            raise VersionConflict(f"The record is now at version {version}.", current=current)

    def location(self, path: str) -> str:
        """`path` as a client that came this way would write it, with the prefix it used."""
        return f"{self.scope['state']['prefix']}{path}"

    def answer(self, data: T, *, status: int = 200, tag: str | None = None, headers: Headers = None) -> Response[T]:
        """`data` as JSON; with a `tag`, an ETag and, for a reader who has it already, 304."""
        headers = dict(headers or {})
        if tag is not None:
            headers["ETag"] = f'"{tag}"'
            if self.method == "GET" and names_tag(self.headers.get("if-none-match", ""), tag):
                return Answer(cast("T", b""), status_code=304, headers=headers)
        return Answer(cast("T", msgspec.json.encode(data)), status_code=status, headers=headers)


# The guards below are set as a route's `before_request`. Set as its `guards` they work too, and cost more than they do
# themselves: for each the framework copies all that it knows of the route.


async def maybe_signed_in(request: Request[Any, Any, Any], _: object = None) -> None:
    """Guard: anyone may call; a token that is sent must be good."""
    header = request.headers.get("authorization")
    if header is None:
        return
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Authorization must be: Bearer <access token>.")
    request.scope["state"]["caller"] = await request.app.state.verifier.caller(token.strip())


async def signed_in(request: Request[Any, Any, Any], _: object = None) -> None:
    """Guard: only a caller with a good access token."""
    await maybe_signed_in(request)
    if "caller" not in request.scope["state"]:
        raise Unauthenticated


async def staff(request: Request[Any, Any, Any], _: object = None) -> None:
    """Guard: only staff."""
    await signed_in(request)
    if "staff" not in request.scope["state"]["caller"].roles:
        raise Forbidden
