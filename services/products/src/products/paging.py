"""Keyset pages: a cursor says behind which record the next page begins, so inserts never shift what comes."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, TypeVar

import msgspec
from litestar.params import QueryParameter

from shopkit.errors import InvalidRequest

K = TypeVar("K")

LIMIT_MAX = 100
Limit = Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="how many at most")]
Cursor = Annotated[str | None, QueryParameter(max_length=2000, description="`next_cursor` of the page before")]


def encode_cursor(kind: str, key: object) -> str:
    """An opaque cursor; `kind` names the order it belongs to."""
    content = msgspec.json.encode([kind, key])
    checked = binascii.crc32(content).to_bytes(4) + content
    return urlsafe_b64encode(checked).rstrip(b"=").decode()


def decode_cursor(cursor: str, kind: str, key_type: type[K]) -> K:
    """The key inside; InvalidRequest unless we made this cursor for this order."""
    try:
        checked = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        if checked[:4] != binascii.crc32(checked[4:]).to_bytes(4):
            raise ValueError
        found: Any
        of_kind, found = msgspec.json.decode(checked[4:])
        if of_kind != kind:
            raise ValueError
        return msgspec.convert(found, key_type)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise InvalidRequest.at("#/query/cursor", "This cursor was not made for this list.") from error
