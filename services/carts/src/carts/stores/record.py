"""A cart as both stores keep it: JSON text, with the members that queries need beside it."""

from datetime import datetime

import msgspec
from msgspec import Raw, Struct

from carts.cart import Cart
from carts.history import Change, Entry, History, PriceNote
from carts.line import Line, PackedLine


class _Head(Struct, omit_defaults=True, kw_only=True):
    """What a record holds beside its lines."""

    id: str
    version: int
    owner: str | None
    token_hash: str | None
    currency: str | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    is_open: bool = True
    last_position: int | None = None


class _Written(_Head, kw_only=True):
    """A record to be written. Its lines are encoded already: each once, however many versions it stays in."""

    held: list[Raw]
    past: Raw


class _Read(_Head, kw_only=True):
    """A record that was read. Release 0.1.0 wrote the last three, and not the first two nor `last_position`."""

    held: tuple[PackedLine, ...] = ()
    past: Raw = Raw(b"[]")
    lines: tuple[Line, ...] = ()
    history: tuple[Change, ...] = ()
    price_notes: tuple[PriceNote, ...] = ()


_decoder = msgspec.json.Decoder(_Read)
_encoder = msgspec.json.Encoder()


def to_text(cart: Cart) -> str:
    """The record's text."""
    record = _Written(
        id=cart.id,
        version=cart.version,
        owner=cart.owner,
        token_hash=cart.token_hash,
        currency=cart.currency,
        held=[line.packed for line in cart.lines],
        past=Raw(cart.past.json),
        created_at=cart.created_at,
        updated_at=cart.updated_at,
        expires_at=cart.expires_at,
        is_open=cart.is_open,
        last_position=cart.last_position,
    )
    return _encoder.encode(record).decode()


def from_text(text: str) -> Cart:
    """The cart that `to_text` wrote, in this release or in an earlier one."""
    record = _decoder.decode(text)
    if record.last_position is None:
        lines, past, last_position = record.lines, _past(record), _last_position(record)
    else:
        lines = tuple([line.unpacked() for line in record.held])
        past, last_position = History.of(bytes(record.past)), record.last_position
    return Cart(
        id=record.id,
        version=record.version,
        owner=record.owner,
        token_hash=record.token_hash,
        currency=record.currency,
        lines=lines,
        past=past,
        created_at=record.created_at,
        updated_at=record.updated_at,
        expires_at=record.expires_at,
        is_open=record.is_open,
        last_position=last_position,
    )


def _past(record: _Read) -> History:
    # Of one version the prices first: sorting leaves them where they are.
    told: list[Entry] = [*record.price_notes, *record.history]
    return History().followed_by(sorted(told, key=lambda entry: entry.version))


def _last_position(record: _Read) -> int:
    removed = (change.line for change in record.history if change.line is not None)
    return max((line.position for line in (*record.lines, *removed)), default=0)
