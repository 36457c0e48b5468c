"""Merging a guest's cart into the user's own at sign-in: what becomes of each line, and why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from carts.cart import LINES_MAX, Cart, Catalogue, changed, next_version
from carts.line import QUANTITY_MAX, Facts, Line

Mode = Literal["sum", "max", "keep_saved", "keep_guest"]
Outcome = Literal["kept", "summed", "capped", "replaced", "dropped"]


class Merged(Struct, frozen=True):
    """What became of one SKU: how many there were in either cart, how many there are now, and why."""

    sku: str
    outcome: Outcome
    saved: int
    guest: int
    result: int
    reason: str


def merge(saved: Cart, guest: Cart, mode: Mode, catalogue: Catalogue, moment: datetime) -> tuple[Cart, list[Merged]]:
    """The user's cart with the guest's lines in it, and a report on every SKU of both.

    A merge takes nothing from what either cart held: limits and stock cap only what it would add. The one thing it
    drops is a line for which there is no room or which is in another currency.
    """
    lines = {line.sku: line for line in saved.lines}
    report = [_only(line, "saved") for line in saved.lines if guest.line(line.sku) is None]
    position = saved.last_position
    for theirs in guest.lines:
        ours = lines.get(theirs.sku)
        if ours is not None:
            merged = _both(ours, theirs, mode, catalogue.get(theirs.sku, theirs.seen))
            lines[theirs.sku] = replace(ours, wanted=merged.result)
        else:
            merged = _guest_only(theirs, lines)
            if merged.outcome == "kept":
                position += 1
                lines[theirs.sku] = replace(theirs, position=position)
        report.append(merged)
    merged_cart = changed(saved, {sku: lines.get(sku) for sku in guest.places}, "merged", catalogue, moment)
    if merged_cart is saved:
        # A version all the same: the answer and the end of the guest's cart are kept with it.
        merged_cart = next_version(saved, {}, (), catalogue, moment)
    return merged_cart, report


def _only(line: Line, where: Literal["saved", "guest"]) -> Merged:
    saved, guest = (line.wanted, 0) if where == "saved" else (0, line.wanted)
    return Merged(line.sku, "kept", saved, guest, line.wanted, f"only_in_{where}_cart")


def _guest_only(theirs: Line, lines: Mapping[str, Line]) -> Merged:
    # All of the cart's are in one currency, so any of them will do.
    first = next(iter(lines.values()), theirs)
    if first.added_price.currency != theirs.added_price.currency:
        return Merged(theirs.sku, "dropped", 0, theirs.wanted, 0, "currency_mismatch")
    if len(lines) >= LINES_MAX:
        return Merged(theirs.sku, "dropped", 0, theirs.wanted, 0, "line_limit")
    return _only(theirs, "guest")


def _both(ours: Line, theirs: Line, mode: Mode, facts: Facts | None) -> Merged:
    saved, guest = ours.wanted, theirs.wanted
    if mode == "keep_saved":
        return Merged(ours.sku, "kept", saved, guest, saved, mode)
    if mode == "keep_guest":
        return Merged(ours.sku, "kept" if guest == saved else "replaced", saved, guest, guest, mode)
    if mode == "max":
        return Merged(ours.sku, "replaced" if guest > saved else "kept", saved, guest, max(saved, guest), mode)
    available = facts.available if facts else 0
    room = min(QUANTITY_MAX, max(available, saved, guest))
    if saved + guest <= room:
        return Merged(ours.sku, "summed", saved, guest, saved + guest, mode)
    reason = "quantity_limit" if room == QUANTITY_MAX else "insufficient_stock"
    return Merged(ours.sku, "capped", saved, guest, room, reason)
