"""A cart and its rules. Pure: what happens to a cart is a function of the cart, the catalogue's facts and the time.

A cart is one record. Each change makes a new cart with the next version, and notes in its history what it did, so that
it can be told and taken back.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from operator import attrgetter, is_not

from msgspec import Struct
from msgspec.structs import replace

from carts.history import HISTORY_MAX as HISTORY_MAX
from carts.history import Change, Entry, History, Kind, PriceNote
from carts.line import QUANTITY_MAX as QUANTITY_MAX
from carts.line import Facts as Facts
from carts.line import Line
from shopkit.errors import Conflict, InvalidRequest, NotFound, Unavailable

LINES_MAX = 100
GUEST_LIFE = timedelta(days=30)
OWNED_LIFE = timedelta(days=90)


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


# The catalogue's word on a SKU; None: it has no such SKU; not in the mapping: it cannot be asked just now.
Catalogue = Mapping[str, Facts | None]


class Cart(Struct, frozen=True, dict=True):
    """A cart: a guest's, opened by the token whose hash it keeps, or a user's. Closed ones only tell that they were."""

    id: str
    version: int
    owner: str | None
    token_hash: str | None
    currency: str | None
    lines: tuple[Line, ...]
    past: History
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    is_open: bool = True
    # Of all lines there ever were: new ones go behind it, and a line brought back finds its old place free.
    last_position: int = 0

    @cached_property
    def by_sku(self) -> dict[str, Line]:
        """The lines, each under its SKU; for reading alone."""
        return {line.sku: line for line in self.lines}

    def line(self, sku: str) -> Line | None:
        """The line of that SKU."""
        return self.by_sku.get(sku)

    def told(self) -> list[Entry]:
        """All that is told of the cart, oldest first; of one version the prices first, since they changed before it."""
        return self.past.told()

    # Two, though told in one: undo takes quantities back and has no eye for prices.
    @property
    def history(self) -> tuple[Change, ...]:
        """The changes that are told, oldest first."""
        return tuple(one for one in self.told() if isinstance(one, Change))

    @property
    def price_notes(self) -> tuple[PriceNote, ...]:
        """The price notes that are told, oldest first."""
        return tuple(one for one in self.told() if isinstance(one, PriceNote))

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
    return Cart(cart_id, 0, owner, token_hash, None, (), History(), moment, moment, expires_at)


def touched(cart: Cart, moment: datetime) -> Cart:
    """The next version of a cart whose lines stay as they are."""
    life = GUEST_LIFE if cart.owner is None else OWNED_LIFE
    return replace(cart, version=cart.version + 1, updated_at=moment, expires_at=moment + life)


def edit(cart: Cart, edits: Sequence[Edit], catalogue: Catalogue, moment: datetime) -> Cart:
    """The cart with all edits made, or the error of the first that cannot be. Unchanged: the same cart."""
    lines = dict(cart.by_sku)
    position = cart.last_position
    for wish in edits:
        position += 1
        after = _edited(lines.pop(wish.sku, None), wish, catalogue, position)
        was = cart.line(wish.sku)
        if after is not None and was is not None:
            # Removed and added again by the same request: still the line it was, at its place and price.
            after = replace(was, wanted=after.wanted)
        if after is not None:
            # All others are in one currency, so one of them will do.
            require_currency(after, islice(lines.values(), 1))
            lines[wish.sku] = after
    if len(lines) > max(LINES_MAX, len(cart.lines)):
        raise LineLimit
    kind: Kind = "set" if any(wish.quantity is not None for wish in edits) else "added"
    return changed(cart, lines, {wish.sku for wish in edits}, kind, catalogue, moment)


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


def changed(
    cart: Cart, lines: Mapping[str, Line], skus: Iterable[str], kind: Kind, catalogue: Catalogue, moment: datetime
) -> Cart:
    """The cart's next version with these lines, of which only those of `skus` may differ from the cart's; its history
    told. The same cart where no quantity changes.
    """
    touched_lines = [line for sku in skus if (line := lines.get(sku) or cart.line(sku))]
    made = [
        _change(cart.version + 1, moment, kind, cart.line(line.sku), lines.get(line.sku))
        for line in sorted(touched_lines, key=attrgetter("position"))
    ]
    changes = [change for change in made if change.before != change.after]
    ordered = sorted(lines.values(), key=attrgetter("position"))
    return next_version(cart, ordered, changes, catalogue, moment) if changes else cart


def next_version(
    cart: Cart, lines: Sequence[Line], changes: Sequence[Change], catalogue: Catalogue, moment: datetime
) -> Cart:
    """The next version with these lines, as the catalogue tells them now, and with what changed in its history."""
    told = [catalogue.get(line.sku) or line.seen for line in lines]
    notes: list[PriceNote] = []
    # Most often the very objects that were seen: then the lines stay, and with them what was made of them.
    if any(map(is_not, told, [line.seen for line in lines])):
        both = list(zip(lines, told, strict=True))
        notes = [
            PriceNote(cart.version + 1, moment, line.sku, line.seen.price, facts.price)
            for line, facts in both
            if facts.price != line.seen.price
        ]
        lines = [line if facts is line.seen else replace(line, seen=facts) for line, facts in both]
    return replace(
        touched(cart, moment),
        currency=lines[0].added_price.currency if lines else cart.currency,
        lines=tuple(lines),
        past=cart.past.followed_by([*notes, *changes]),
        last_position=max(cart.last_position, lines[-1].position) if lines else cart.last_position,
    )


def _change(version: int, moment: datetime, kind: Kind, was: Line | None, now: Line | None) -> Change:
    line = now or was
    assert line is not None
    before, after = (was.wanted if was else 0), (now.wanted if now else 0)
    told = kind
    if kind in ("added", "set"):
        told = "removed" if after == 0 else "set" if after < before else kind
    return Change(version, moment, told, line.sku, before, after, was if now is None else None)


def close(cart: Cart, moment: datetime) -> Cart:
    """What is left of a cart that was deleted or merged into another: that it was there, until it would expire."""
    emptied = replace(cart, lines=(), past=History())
    return replace(emptied, version=cart.version + 1, updated_at=moment, is_open=False)
