"""The wire: what carts take and give as JSON."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from carts.cart import Cart, Edit
from carts.history import Change, Entry, Kind
from carts.line import Notice, PricedLine
from carts.merge import Merged, Mode, Outcome
from carts.pricing import PricedCart
from shopkit.errors import InvalidRequest
from shopkit.values import Money

Sku = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z", min_length=1, max_length=64)]
# Above what a line may hold, so that too many is answered as `quantity_limit`; within what 64 bits hold.
Quantity = Annotated[int, Meta(ge=1, le=10**9)]
QuantityOrNone = Annotated[int, Meta(ge=0, le=10**9)]
Delta = Annotated[int, Meta(ge=-(10**9), le=10**9)]
Version = Annotated[int, Meta(ge=1, le=2**53)]


class LineIn(msgspec.Struct, forbid_unknown_fields=True):
    """So many of a SKU."""

    sku: Sku
    quantity: Quantity


class CartIn(msgspec.Struct, forbid_unknown_fields=True):
    """What to put into a new cart: nothing, one line, or several."""

    sku: Sku | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET
    lines: Annotated[list[LineIn], Meta(max_length=1000)] | UnsetType = UNSET

    def edits(self) -> list[Edit]:
        """The wishes; InvalidRequest where the two forms are mixed or half of one is missing."""
        if self.lines is not UNSET:
            if self.sku is not UNSET or self.quantity is not UNSET:
                raise InvalidRequest.at("#/lines", "Give either `lines`, or `sku` and `quantity`.")
            return [added(line, f"#/lines/{index}") for index, line in enumerate(self.lines)]
        if self.sku is not UNSET and self.quantity is not UNSET:
            return [Edit(self.sku, delta=self.quantity)]
        for name, other in (("sku", self.quantity), ("quantity", self.sku)):
            if other is not UNSET:
                raise InvalidRequest.at(f"#/{name}", f"Object missing required field `{name}`")
        return []


class QuantityIn(msgspec.Struct, forbid_unknown_fields=True):
    """How many there shall be; 0 removes the line."""

    quantity: QuantityOrNone


class ChangeIn(msgspec.Struct, forbid_unknown_fields=True):
    """A line set to `quantity`, or changed by `delta`."""

    sku: Sku
    quantity: QuantityOrNone | UnsetType = UNSET
    delta: Delta | UnsetType = UNSET

    def edit(self, pointer: str) -> Edit:
        """The wish; InvalidRequest unless it has exactly one of the two."""
        if (self.quantity is UNSET) == (self.delta is UNSET):
            raise InvalidRequest.at(pointer, "Give either `quantity` or `delta`.")
        if self.quantity is not UNSET:
            return Edit(self.sku, quantity=self.quantity, pointer=pointer)
        return Edit(self.sku, delta=0 if self.delta is UNSET else self.delta, pointer=pointer)


class ChangesIn(msgspec.Struct, forbid_unknown_fields=True):
    """Several changes at once: all or none."""

    changes: Annotated[list[ChangeIn], Meta(max_length=100)]

    def edits(self) -> list[Edit]:
        """The wishes, in order."""
        return [change.edit(f"#/changes/{index}") for index, change in enumerate(self.changes)]


class UndoIn(msgspec.Struct, forbid_unknown_fields=True):
    """Which version's change to take back."""

    version: Version


class MergeIn(msgspec.Struct, forbid_unknown_fields=True):
    """How to settle a SKU that stands in both carts."""

    mode: Mode = "sum"


class LineOut(PricedLine, frozen=True, gc=False):
    """A line. `quantity` is what can be bought now; `available` is null where stock is not counted."""


class NoticeOut(Notice, frozen=True, gc=False):
    """A difference since the line was added."""


class CartOut(msgspec.Struct, omit_defaults=True):
    """A cart. `token` is given once, in the answer that makes a guest's cart."""

    id: str
    version: int
    currency: str | None
    lines: list[LineOut]
    item_count: int
    subtotal: Money | None
    notices: list[NoticeOut]
    stale: bool
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    token: str | UnsetType = UNSET


class ChangeOut(msgspec.Struct):
    """What a version did to a line: how many there were before and after. A `price_noted` tells its prices instead."""

    version: int
    at: datetime
    kind: Literal[Kind, "price_noted"]
    sku: str
    before: Money | int
    after: Money | int


class HistoryOut(msgspec.Struct):
    """The newest changes, newest first."""

    items: list[ChangeOut]


class MergedOut(msgspec.Struct):
    """What became of one SKU in a merge, and why."""

    sku: str
    outcome: Outcome
    saved: int
    guest: int
    result: int
    reason: str


class MergeOut(msgspec.Struct):
    """The user's cart after a merge, with a report on every SKU of both carts."""

    cart: CartOut
    report: list[MergedOut]


def added(line: LineIn, pointer: str) -> Edit:
    """The wish to have so many more."""
    return Edit(line.sku, delta=line.quantity, pointer=pointer)


def cart_out(priced: PricedCart, token: str | None = None) -> CartOut:
    """A cart for the wire."""
    # Lines come encoded; these and the notices have the members of LineOut and NoticeOut.
    lines: Any = priced.json
    notices: Any = priced.notices
    cart = priced.cart
    return CartOut(
        id=cart.id,
        version=cart.version,
        currency=cart.currency,
        lines=lines,
        item_count=priced.item_count,
        subtotal=priced.subtotal,
        notices=notices,
        stale=priced.stale,
        created_at=cart.created_at,
        updated_at=cart.updated_at,
        expires_at=cart.expires_at,
        token=UNSET if token is None else token,
    )


def history_out(cart: Cart) -> HistoryOut:
    """A cart's history for the wire."""
    return HistoryOut([_change_out(one) for one in reversed(cart.told())])


def _change_out(one: Entry) -> ChangeOut:
    kind: Literal[Kind, "price_noted"] = one.kind if isinstance(one, Change) else "price_noted"
    return ChangeOut(one.version, one.at, kind, one.sku, one.before, one.after)


def merge_out(priced: PricedCart, report: list[Merged]) -> MergeOut:
    """A merge's outcome for the wire."""
    return MergeOut(cart_out(priced), [msgspec.convert(line, MergedOut, from_attributes=True) for line in report])
