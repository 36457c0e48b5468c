"""A cart and its rules. Pure: what happens to a cart is a function of the cart, the catalogue's facts and the time.

A cart is one record. Each change makes a new cart with the next version, and notes in its history what it did, so that
it can be told and taken back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter, is_not
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from carts.history import HISTORY_MAX as HISTORY_MAX
from carts.history import Change, Entry, History, Kind, PriceNote
from carts.line import QUANTITY_MAX as QUANTITY_MAX
from carts.line import Facts as Facts
from carts.line import Line, Once, adopted
from shopkit.errors import Conflict, InvalidRequest, NotFound, Unavailable

LINES_MAX = 100
GUEST_LIFE = timedelta(days=30)
OWNED_LIFE = timedelta(days=90)
# Now and then a cart is kept whole; in between only what is fresh since, so many bytes at most, about so many a line.
FRESH_MAX = 2000
LINE_BYTES = 200


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
    # The version that was kept whole last, and the SKUs of the lines that are not as they were then.
    whole_at: int = 0
    fresh: frozenset[str] = frozenset()

    @property
    def made(self) -> dict[str, Any]:
        """What was made of this version, or of one before it, and can be used again."""
        return self.__dict__

    @Once
    def places(self) -> dict[str, int]:
        """Where among the lines each SKU stands, in their order; for reading alone."""
        return {line.sku: place for place, line in enumerate(self.lines)}

    @Once
    def seen(self) -> tuple[Facts, ...]:
        """What the catalogue last said of each line."""
        return tuple([line.seen for line in self.lines])

    def line(self, sku: str) -> Line | None:
        """The line of that SKU."""
        place = self.places.get(sku)
        return None if place is None else self.lines[place]

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


def touched(cart: Cart, moment: datetime, **members: Any) -> Cart:
    """The next version of a cart, of which only these members become others."""
    life = GUEST_LIFE if cart.owner is None else OWNED_LIFE
    return replace(cart, version=cart.version + 1, updated_at=moment, expires_at=moment + life, **members)


def edit(cart: Cart, edits: Sequence[Edit], catalogue: Catalogue, moment: datetime) -> Cart:
    """The cart with all edits made, or the error of the first that cannot be. Unchanged: the same cart."""
    after: dict[str, Line | None] = {}
    position = cart.last_position
    for wish in edits:
        position += 1
        was = cart.line(wish.sku)
        line = after.get(wish.sku, was)
        now = _edited(line, wish, catalogue, position)
        if line is None and now is not None and was is not None:
            # Removed and added again by the same request: still the line it was, at its place and price.
            now = replace(was, wanted=now.wanted)
        after[wish.sku] = now
        if line is None and now is not None:
            # All others are in one currency, so one of them will do.
            require_currency(now, islice((line for line in lines_with(cart, after) if line is not now), 1))
    require_room(cart, after)
    kind: Kind = "set" if any([wish.quantity is not None for wish in edits]) else "added"
    return changed(cart, after, kind, catalogue, moment)


def lines_with(cart: Cart, after: Mapping[str, Line | None]) -> Iterator[Line]:
    """The cart's lines with these in their places: first those that stay, then these."""
    yield from (line for line in cart.lines if line.sku not in after)
    yield from filter(None, after.values())


def require_room(cart: Cart, after: Mapping[str, Line | None]) -> None:
    """LineLimit if there were too many lines with these in their places; more than there are, where there are more."""
    if len(cart.lines) + len(after) > LINES_MAX:
        more = sum([line is not None for line in after.values()]) - sum([sku in cart.places for sku in after])
        if len(cart.lines) + more > max(LINES_MAX, len(cart.lines)):
            raise LineLimit


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


def changed(cart: Cart, after: Mapping[str, Line | None], kind: Kind, catalogue: Catalogue, moment: datetime) -> Cart:
    """The cart's next version with these lines in the places of those of the same SKUs, its history told; None: there
    shall be none. The same cart where no quantity changes.
    """
    pairs = [(was, now) for sku, now in after.items() if (was := cart.line(sku)) or now]
    made = [_change(cart.version + 1, moment, kind, was, now) for was, now in sorted(pairs, key=_position)]
    changes = [change for change in made if change.before != change.after]
    return next_version(cart, after, changes, catalogue, moment) if changes else cart


def _position(pair: tuple[Line | None, Line | None]) -> int:
    line = pair[1] or pair[0]
    return line.position if line else 0


def _placed(cart: Cart, after: Mapping[str, Line | None], moment: datetime) -> Cart:
    """The next version, with these lines in their places."""
    held: list[Line | None] = list(cart.lines)
    new = []
    for sku, line in after.items():
        if sku in cart.places:
            held[cart.places[sku]] = line
        elif line is not None:
            new.append(line)
    new.sort(key=attrgetter("position"))
    lines = [*filter(None, held), *new]
    if new and new[0].position <= cart.last_position:
        # Brought back to where it was removed.
        lines.sort(key=attrgetter("position"))
    placed = touched(cart, moment, lines=tuple(lines))
    if not new and len(lines) == len(held):
        # A line that only has another quantity stays at its place, and what was seen of it does too.
        placed.made.update(places=cart.places, seen=cart.seen)
    return placed


def next_version(
    cart: Cart, after: Mapping[str, Line | None], changes: Sequence[Change], catalogue: Catalogue, moment: datetime
) -> Cart:
    """The next version, with these lines in their places, all as the catalogue tells them now; and what changed."""
    placed = _placed(cart, after, moment)
    lines, made = placed.lines, placed.made
    told = list(map(catalogue.get, placed.places))
    notes: list[PriceNote] = []
    fresh = cart.fresh.union(after)
    # Most often the very objects that were seen: then the lines stay.
    if any(map(is_not, told, placed.seen)):
        both = [(line, facts) for line, facts in zip(lines, told, strict=True) if facts is not None]
        notes = [
            PriceNote(placed.version, moment, line.sku, line.seen.price, facts.price)
            for line, facts in both
            if facts.price != line.seen.price
        ]
        fresh = fresh.union([line.sku for line, facts in both if facts != line.seen])
        lines, made = adopted(lines, told), {"places": placed.places}
    past = cart.past.followed_by([*notes, *changes])
    is_whole = len(past.fresh) + LINE_BYTES * len(fresh) > FRESH_MAX
    version = replace(
        placed,
        currency=lines[0].added_price.currency if lines else cart.currency,
        lines=lines,
        past=past.in_base() if is_whole else past,
        last_position=max(cart.last_position, lines[-1].position) if lines else cart.last_position,
        whole_at=placed.version if is_whole else cart.whole_at,
        fresh=frozenset() if is_whole else fresh,
    )
    # The next view is made from the last one.
    version.made.update(made, **({"view": cart.made["view"]} if "view" in cart.made else {}))
    return version


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
    emptied = replace(cart, lines=(), past=History(), fresh=frozenset())
    version = cart.version + 1
    return replace(emptied, version=version, updated_at=moment, is_open=False, whole_at=version)
