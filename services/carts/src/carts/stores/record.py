"""A cart as both stores keep it: JSON text, with the members that queries need beside it.

The text is in two parts. The record holds the head, and of lines and history what is fresh since the cart was kept
whole, as the record's base; that is written seldom, and so most saves are as small for a large cart as for a small one.
"""

from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from carts.cart import Cart
from carts.history import Change, Entry, History, PriceNote
from carts.line import Line, PackedLine


class Texts(NamedTuple):
    """A cart's record, and its base where that is to be written, or was found."""

    record: str
    base: str | None

    @property
    def size(self) -> int:
        """About how many bytes they take."""
        return len(self.record) + len(self.base or "")


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


class _WrittenLines(Struct):
    """The lines that are not as they are in the base, and the SKUs of those that are no more."""

    fresh: list[tuple[object, ...]]
    gone: list[str]


class _Lines(Struct):
    """The same, read."""

    fresh: list[PackedLine]
    gone: list[str] = []


class _Written(_Head, kw_only=True):
    """A record to be written. Releases that know no base refuse to read it, since `held` is an object."""

    held: _WrittenLines
    past: Raw


class _Read(_Head, kw_only=True):
    """A record that was read. Release 0.1.0 wrote the last three, and not the first two nor `last_position`; before
    there were bases `held` was a list of all lines.
    """

    held: list[PackedLine] | _Lines = []
    past: Raw = Raw(b"[]")
    lines: tuple[Line, ...] = ()
    history: tuple[Change, ...] = ()
    price_notes: tuple[PriceNote, ...] = ()


class _WrittenBase(Struct):
    """All lines and the whole history, as they are at that version."""

    version: int
    held: list[tuple[object, ...]]
    past: Raw


class _Base(Struct):
    """The same, read."""

    version: int
    held: list[PackedLine]
    past: Raw


_NO_BASE = _Base(0, [], Raw(b"[]"))
_decoder = msgspec.json.Decoder(_Read)
_base_decoder = msgspec.json.Decoder(_Base)
_encoder = msgspec.json.Encoder()


def to_texts(cart: Cart) -> Texts:
    """The record's texts; with a base only if this version is kept whole."""
    fresh = [(sku, cart.line(sku)) for sku in cart.fresh]
    record = _Written(
        id=cart.id,
        version=cart.version,
        owner=cart.owner,
        token_hash=cart.token_hash,
        currency=cart.currency,
        held=_WrittenLines(
            [line.packed() for _, line in fresh if line is not None], [sku for sku, line in fresh if line is None]
        ),
        past=Raw(b"[%b]" % cart.past.fresh),
        created_at=cart.created_at,
        updated_at=cart.updated_at,
        expires_at=cart.expires_at,
        is_open=cart.is_open,
        last_position=cart.last_position,
    )
    base = None
    if cart.whole_at == cart.version:
        whole = _WrittenBase(cart.version, [line.packed() for line in cart.lines], Raw(b"[%b]" % cart.past.old))
        base = _encoder.encode(whole).decode()
    return Texts(_encoder.encode(record).decode(), base)


def from_texts(text: str, base_text: str | None) -> Cart:
    """The cart that `to_texts` wrote, in this release or in an earlier one."""
    record = _decoder.decode(text)
    base = _base_decoder.decode(base_text) if base_text else _NO_BASE
    if record.last_position is None:
        lines, past, last_position = record.lines, _past(record), _last_position(record)
        fresh = frozenset([line.sku for line in lines])
    else:
        own = record.held if isinstance(record.held, _Lines) else _Lines(record.held)
        held = {line.sku: line for line in (*base.held, *own.fresh)}
        fresh = frozenset([*(line.sku for line in own.fresh), *own.gone])
        packed = [line for line in held.values() if line.sku not in own.gone]
        lines = tuple([line.unpacked() for line in sorted(packed, key=attrgetter("position"))])
        past, last_position = History(bytes(base.past)[1:-1], bytes(record.past)[1:-1]), record.last_position
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
        whole_at=base.version,
        fresh=fresh,
    )


def _past(record: _Read) -> History:
    # Of one version the prices first: sorting leaves them where they are.
    told: list[Entry] = [*record.price_notes, *record.history]
    return History().followed_by(sorted(told, key=lambda entry: entry.version))


def _last_position(record: _Read) -> int:
    removed = (change.line for change in record.history if change.line is not None)
    return max((line.position for line in (*record.lines, *removed)), default=0)
