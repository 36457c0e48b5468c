"""A cart and its rules. Pure: what happens to a cart is a function of the cart, the catalogue's facts and the time.

A cart is one record. Each change makes a new cart with the next version, and notes in its history what it did, so that
it can be told and taken back.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from shopkit.errors import Conflict, InvalidRequest, NotFound, Unavailable
from shopkit.values import Money

LINES_MAX = 100
QUANTITY_MAX = 999
HISTORY_MAX = 200
GUEST_LIFE = timedelta(days=30)
OWNED_LIFE = timedelta(days=90)

Kind = Literal["added", "set", "removed", "merged", "undone"]


class CartNotFound(NotFound, code="not_found"):
    """There is no such cart, or it is not yours."""


class UnknownSku(InvalidRequest):
    """The shop has no such SKU for sale."""


class QuantityLimit(InvalidRequest):
    """A line holds at most 999 of a product."""


class LineLimit(Conflict):
    """A cart holds at most 100 lines."""


class InsufficientStock(Conflict):
    """There is not enough of this in stock."""


class CurrencyMismatch(Conflict):
    """All lines of a cart are in one currency."""


class CatalogueUnavailable(Unavailable):
    """The catalogue does not answer, and this product was not seen lately."""


class Facts(Struct, frozen=True, array_like=True):
    """What the catalogue says of a SKU. `stock` is None where it is not counted."""

    product_id: str
    name: str
    options: dict[str, str]
    image_url: str | None
    price: Money
    stock: int | None
    for_sale: bool

    @property
    def available(self) -> int:
        """How many can be bought now."""
        if not self.for_sale:
            return 0
        return QUANTITY_MAX if self.stock is None else self.stock


# The catalogue's word on a SKU; None: it has no such SKU; not in the mapping: it cannot be asked just now.
Catalogue = Mapping[str, Facts | None]


class Line(Struct, frozen=True, array_like=True):
    """So many of one SKU. `seen` is what the catalogue last said of it, for when the catalogue is down."""

    sku: str
    position: int
    wanted: int
    added_price: Money
    seen: Facts

    def quantity(self, facts: Facts | None) -> int:
        """How many of those wanted can be bought now."""
        return min(self.wanted, facts.available) if facts else 0


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


class Cart(Struct, frozen=True):
    """A cart: a guest's, opened by the token whose hash it keeps, or a user's. Closed ones only tell that they were."""

    id: str
    version: int
    owner: str | None
    token_hash: str | None
    currency: str | None
    lines: tuple[Line, ...]
    history: tuple[Change, ...]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    is_open: bool = True
    # Beside the changes, not among them: undo takes quantities back and has no eye for prices.
    price_notes: tuple[PriceNote, ...] = ()

    def line(self, sku: str) -> Line | None:
        """The line of that SKU."""
        return next((line for line in self.lines if line.sku == sku), None)

    def told(self) -> list[Change | PriceNote]:
        """All that is told of the cart, oldest first; of one version the prices first, since they changed before it."""
        both: list[Change | PriceNote] = [*self.price_notes, *self.history]
        return sorted(both, key=lambda one: one.version)

    def opens_for(self, user_id: str | None, token_hash: str | None) -> bool:
        """Whether this is the user's own cart, or the one the token was given for."""
        if self.owner is not None:
            return self.owner == user_id
        return self.token_hash is not None and self.token_hash == token_hash


class Edit(Struct, frozen=True):
    """A wish to change one line: set it to `quantity`, or change it by `delta`. `pointer`: where it was asked for."""

    sku: str
    quantity: int | None = None
    delta: int = 0
    pointer: str = "#"


def new_cart(cart_id: str, owner: str | None, token_hash: str | None, moment: datetime) -> Cart:
    """An empty cart, of a user or of a guest. Version 0: nothing is kept yet."""
    expires_at = moment + (GUEST_LIFE if owner is None else OWNED_LIFE)
    return Cart(cart_id, 0, owner, token_hash, None, (), (), moment, moment, expires_at)


def touched(cart: Cart, moment: datetime) -> Cart:
    """The next version of a cart whose lines stay as they are."""
    life = GUEST_LIFE if cart.owner is None else OWNED_LIFE
    return replace(cart, version=cart.version + 1, updated_at=moment, expires_at=moment + life)


def edit(cart: Cart, edits: Sequence[Edit], catalogue: Catalogue, moment: datetime) -> Cart:
    """The cart with all edits made, or the error of the first that cannot be. Unchanged: the same cart."""
    lines = {line.sku: line for line in cart.lines}
    position = _last_position(cart)
    for wish in edits:
        position += 1
        after = _edited(lines.pop(wish.sku, None), wish, catalogue, position)
        was = cart.line(wish.sku)
        if after is not None and was is not None:
            # Removed and added again by the same request: still the line it was, at its place and price.
            after = replace(was, wanted=after.wanted)
        if after is not None:
            require_currency(after, lines.values())
            lines[wish.sku] = after
    if len(lines) > max(LINES_MAX, len(cart.lines)):
        raise LineLimit
    kind: Kind = "set" if any(wish.quantity is not None for wish in edits) else "added"
    return changed(cart, lines.values(), kind, catalogue, moment)


def _edited(line: Line | None, wish: Edit, catalogue: Catalogue, position: int) -> Line | None:
    """One line after a wish; None: no line is left."""
    facts = catalogue.get(wish.sku, line.seen if line else None)
    # What the shopper sees and counts from is what can be bought, not what was once wanted.
    present = line.quantity(facts) if line else 0
    quantity = max(0, present + wish.delta) if wish.quantity is None else wish.quantity
    if quantity == 0:
        return None
    if quantity > QUANTITY_MAX:
        raise QuantityLimit.at(f"{wish.pointer}/quantity", f"At most {QUANTITY_MAX} of a product, not {quantity}.")
    if quantity > present:
        if line is None and wish.sku not in catalogue:
            raise CatalogueUnavailable(f"The catalogue cannot be asked about {wish.sku} just now.", sku=wish.sku)
        if facts is None or not facts.for_sale:
            raise UnknownSku.at(f"{wish.pointer}/sku", f"The shop does not sell {wish.sku}.")
        if quantity > facts.available:
            detail = f"There are {facts.available} of {wish.sku}, not {quantity}."
            raise InsufficientStock(detail, sku=wish.sku, available=facts.available)
    if line is not None:
        return line if quantity == line.wanted else replace(line, wanted=quantity)
    assert facts is not None
    return Line(wish.sku, position, quantity, facts.price, facts)


def require_currency(line: Line, others: Iterable[Line]) -> None:
    """CurrencyMismatch unless the others are in the line's currency."""
    currency = line.added_price.currency
    other = next((other.added_price.currency for other in others if other.added_price.currency != currency), None)
    if other is not None:
        raise CurrencyMismatch(f"{line.sku} is sold in {currency}, this cart is in {other}.", sku=line.sku)


def _last_position(cart: Cart) -> int:
    """Of every line there is or was: new ones go behind it, and a line brought back finds its old place free."""
    removed = (change.line for change in cart.history if change.line is not None)
    return max((line.position for line in (*cart.lines, *removed)), default=0)


def changed(cart: Cart, lines: Iterable[Line], kind: Kind, catalogue: Catalogue, moment: datetime) -> Cart:
    """The cart's next version with these lines, its history told; the same cart where no quantity changes."""
    ordered = sorted(lines, key=lambda line: line.position)
    now = {line.sku: line for line in ordered}
    was = {line.sku: line for line in cart.lines}
    skus = sorted(was.keys() | now.keys(), key=lambda sku: (now.get(sku) or was[sku]).position)
    changes = [
        _change(cart.version + 1, moment, kind, was.get(sku), now.get(sku))
        for sku in skus
        if (was[sku].wanted if sku in was else 0) != (now[sku].wanted if sku in now else 0)
    ]
    return next_version(cart, ordered, changes, catalogue, moment) if changes else cart


def next_version(
    cart: Cart, lines: Sequence[Line], changes: Sequence[Change], catalogue: Catalogue, moment: datetime
) -> Cart:
    """The next version with these lines, as the catalogue tells them now, and with what changed in its history."""
    next_cart = touched(cart, moment)
    told = [(line, catalogue.get(line.sku) or line.seen) for line in lines]
    notes = [
        PriceNote(next_cart.version, moment, line.sku, line.seen.price, facts.price)
        for line, facts in told
        if facts.price != line.seen.price
    ]
    return _bounded(
        replace(
            next_cart,
            currency=lines[0].added_price.currency if lines else cart.currency,
            lines=tuple(replace(line, seen=facts) for line, facts in told),
            history=(*cart.history, *changes),
            price_notes=(*cart.price_notes, *notes),
        )
    )


def _change(version: int, moment: datetime, kind: Kind, was: Line | None, now: Line | None) -> Change:
    line = now or was
    assert line is not None
    before, after = (was.wanted if was else 0), (now.wanted if now else 0)
    told = kind
    if kind in ("added", "set"):
        told = "removed" if after == 0 else "set" if after < before else kind
    return Change(version, moment, told, line.sku, before, after, was if now is None else None)


def _bounded(cart: Cart) -> Cart:
    """The cart with the newest of its history; a version is kept whole or not at all: half cannot be taken back."""
    told = cart.told()
    if len(told) <= HISTORY_MAX:
        return cart
    last_dropped = told[-HISTORY_MAX - 1].version
    return replace(
        cart,
        history=tuple(change for change in cart.history if change.version > last_dropped),
        price_notes=tuple(note for note in cart.price_notes if note.version > last_dropped),
    )


def close(cart: Cart, moment: datetime) -> Cart:
    """What is left of a cart that was deleted or merged into another: that it was there, until it would expire."""
    emptied = replace(cart, lines=(), history=(), price_notes=())
    return replace(emptied, version=cart.version + 1, updated_at=moment, is_open=False)
