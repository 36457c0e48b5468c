"""Taking back a change of a cart."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from carts.cart import Cart, Catalogue, changed, lines_with, require_currency, require_room
from carts.history import Change
from carts.line import Line
from shopkit.errors import Conflict

MERGE_UNDO_LIFE = timedelta(hours=24)


class CannotUndo(Conflict):
    """This change cannot be taken back any more."""


def undo(cart: Cart, version: int, catalogue: Catalogue, moment: datetime) -> Cart:
    """The cart without the change that made `version`. CannotUndo if a later one touched the same lines."""
    history = cart.history
    made = [change for change in history if change.version == version]
    if not made:
        raise CannotUndo(f"The cart's history does not hold what made version {version}.")
    touched = {change.sku for change in made}
    later = next((change for change in history if change.version > version and change.sku in touched), None)
    if later is not None:
        raise CannotUndo(f"Version {later.version} changed {later.sku} again.")
    if made[0].kind == "merged" and moment - made[0].at > MERGE_UNDO_LIFE:
        raise CannotUndo("A merge can be taken back for 24 hours.")
    after = {change.sku: _restored(change, cart.line(change.sku)) for change in made}
    require_room(cart, after)
    lines = list(lines_with(cart, after))
    if lines:
        # Where they are not all in one currency, the first differs from another.
        require_currency(lines[0], lines[1:])
    return changed(cart, after, "undone", catalogue, moment)


def _restored(change: Change, line: Line | None) -> Line | None:
    if change.before == 0:
        return None
    was = line or change.line
    return replace(was, wanted=change.before) if was else None
