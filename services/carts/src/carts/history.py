"""What happened to a cart. Pure.

Every change adds to the history, and hardly any reads it. So it stays packed as JSON, one entry a line, in two parts of
which a change makes only the newer one anew; it is unpacked, and held to its bound, where it is read.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct

from carts.line import Line, PackedLine
from shopkit.values import Money

HISTORY_MAX = 200

Kind = Literal["added", "set", "removed", "merged", "undone"]

# An entry names its kind by the place here; so new ones come last.
_KINDS: tuple[Kind, ...] = ("added", "set", "removed", "merged", "undone")
_SEPARATOR = b",\n"
# Where another entry begins: never within one, however somebody may have laid out the record meanwhile.
_NEXT = _SEPARATOR + b"["


class Change(Struct, frozen=True, array_like=True):
    """What one version did to one line. `line` is the line that is no longer there, to be brought back."""

    version: int
    at: datetime
    kind: Kind
    sku: str
    before: int
    after: int
    line: Line | None


class PriceNote(Struct, frozen=True, array_like=True):
    """That the price of a line had changed when a version was saved. It is told, and never taken back."""

    version: int
    at: datetime
    sku: str
    before: Money
    after: Money


Entry = Change | PriceNote


class _Packed(Struct, array_like=True):
    """An entry as it is kept, `at` in milliseconds; no `kind` for a price note, `line` only if it was removed."""

    version: int
    at: int
    kind: int | None
    sku: str
    before: int | Money
    after: int | Money
    line: PackedLine | None = None


_decoder = msgspec.json.Decoder(list[_Packed])


class History(Struct, frozen=True, gc=False):
    """The entries, oldest first: `old` ones are kept with the whole cart, `fresh` ones have come since."""

    old: bytes = b""
    fresh: bytes = b""

    def told(self) -> list[Entry]:
        """The newest entries, whole versions at a time: half a version cannot be taken back."""
        packed = _decoder.decode(b"[%b]" % self._packed())
        first = max(0, len(packed) - HISTORY_MAX)
        while 0 < first < len(packed) and packed[first].version == packed[first - 1].version:
            first += 1
        return [_unpacked(one) for one in packed[first:]]

    def followed_by(self, entries: Iterable[Entry]) -> "History":
        """The history with these newest entries, too."""
        more = [_packed(entry) for entry in entries]
        return History(self.old, _SEPARATOR.join([self.fresh, *more] if self.fresh else more))

    def in_base(self) -> "History":
        """The same, all of it old; without the oldest versions where it becomes too long."""
        packed = self._packed()
        count = packed.count(_NEXT) + 1
        while count > HISTORY_MAX:
            oldest = packed[: packed.index(b",") + 1]
            while packed.startswith(oldest):
                _, another, rest = packed.partition(_NEXT)
                packed, count = b"[" + rest if another else b"", count - 1
        return History(packed)

    def _packed(self) -> bytes:
        return _SEPARATOR.join(filter(None, (self.old, self.fresh)))


def _packed(entry: Entry) -> bytes:
    at = round(entry.at.timestamp() * 1000)
    kind = _KINDS.index(entry.kind) if isinstance(entry, Change) else None
    line = (entry.line.packed(),) if isinstance(entry, Change) and entry.line else ()
    return msgspec.json.encode((entry.version, at, kind, entry.sku, entry.before, entry.after, *line))


def _unpacked(one: _Packed) -> Entry:
    at = datetime.fromtimestamp(one.at / 1000, UTC)
    if one.kind is None:
        assert isinstance(one.before, Money)
        assert isinstance(one.after, Money)
        return PriceNote(one.version, at, one.sku, one.before, one.after)
    assert isinstance(one.before, int)
    assert isinstance(one.after, int)
    line = None if one.line is None else one.line.unpacked()
    return Change(one.version, at, _KINDS[one.kind], one.sku, one.before, one.after, line)
