"""What a cart comes to now: its lines at present prices, and what changed since they were added."""

from hashlib import blake2s
from itertools import compress, count
from operator import is_not, or_

import msgspec
from msgspec import Raw, Struct

from carts.cart import Cart, Catalogue
from carts.line import Facts, Line, Notice, PricedLine
from shopkit.values import Money

# Where more lines differ, or half of them, the whole view is made anew, which is no dearer then.
FEW = 8
_encode = msgspec.json.Encoder().encode


class View(Struct, frozen=True, gc=False):
    """Lines as the shopper sees them when the catalogue says `told` of them; `json`: each encoded, with a comma."""

    lines: tuple[Line, ...] = ()
    told: tuple[Facts | None, ...] = ()
    json: bytes = b""
    item_count: int = 0
    amount: int = 0
    notices: tuple[Notice, ...] = ()

    @classmethod
    def of(cls, lines: tuple[Line, ...], told: tuple[Facts | None, ...]) -> "View":
        """The view of these lines, made of nothing else."""
        shown = [line.shown(facts) for line, facts in zip(lines, told, strict=True)]
        priced = [line for line, _ in shown]
        return cls(
            lines,
            told,
            _encode(priced)[1:-1] + b"," if priced else b"",
            sum([line.quantity for line in priced]),
            sum([line.total.amount for line in priced]),
            tuple([notice for _, notices in shown for notice in notices]),
        )

    def followed_by(self, lines: tuple[Line, ...], told: tuple[Facts | None, ...]) -> "View":
        """The view of these lines; of those that this one has too only the text is copied."""
        held = len(self.lines)
        differing = map(is_not, self.lines, lines)
        if told != self.told:
            differing = map(or_, differing, map(is_not, self.told, told))
        changed = [*compress(count(), differing), *range(held, len(lines))]
        if not changed and held == len(lines):
            return self
        if held > len(lines) or len(changed) > min(FEW, len(lines) // 2):
            return View.of(lines, told)
        json, items, amount, notices = self.json, self.item_count, self.amount, self.notices
        for index in changed:
            if index < held:
                was = self.lines[index]
                if was.sku != lines[index].sku:
                    return View.of(lines, told)
                before, _ = was.shown(self.told[index])
                items, amount = items - before.quantity, amount - before.total.amount
                notices = notices and tuple([notice for notice in notices if notice.sku != was.sku])
            now, noticed = lines[index].shown(told[index])
            text = _encode(now)
            # No line's text stands within another's, in which quotes would be escaped.
            json = json.replace(_encode(before), text, 1) if index < held else b"%b%b," % (json, text)
            items, amount, notices = items + now.quantity, amount + now.total.amount, notices + noticed
        if notices:
            place = {line.sku: number for number, line in enumerate(lines)}
            notices = tuple(sorted(notices, key=lambda notice: place[notice.sku]))
        return View(lines, told, json, items, amount, notices)


NO_LINES = View()


class PricedCart(Struct, frozen=True):
    """A cart as the shopper sees it. `stale`: the catalogue cannot be asked; prices and stock are the last seen."""

    cart: Cart
    view: View
    stale: bool
    tag: str

    @property
    def lines(self) -> list[PricedLine]:
        """The priced lines."""
        return [line.shown(facts)[0] for line, facts in zip(self.view.lines, self.view.told, strict=True)]

    @property
    def json(self) -> Raw:
        """The lines' JSON, an array."""
        return Raw(b"[%b]" % self.view.json[:-1])

    @property
    def item_count(self) -> int:
        """How many items can be bought now."""
        return self.view.item_count

    @property
    def subtotal(self) -> Money | None:
        """What they come to."""
        return Money(self.view.amount, self.cart.currency) if self.cart.currency else None

    @property
    def notices(self) -> list[Notice]:
        """What the shopper should know, in the order of the lines."""
        return list(self.view.notices)


def view_of(cart: Cart) -> View:
    """The view that was made last of the cart, or of a version before it; one of no lines if none was."""
    view: View = cart.made.get("view", NO_LINES)
    return view


def price(cart: Cart, catalogue: Catalogue, *, stale: bool) -> PricedCart:
    """The cart at the prices the catalogue tells; where it tells none, at those last seen. Its view stays with it."""
    told: tuple[Facts | None, ...] = tuple(map(catalogue.get, cart.places))
    as_seen = told == cart.seen
    if not as_seen:
        told = tuple([catalogue.get(line.sku, line.seen) for line in cart.lines])
        as_seen = told == cart.seen
    view = cart.made["view"] = view_of(cart).followed_by(cart.lines, told)
    return PricedCart(cart, view, stale, str(cart.version) if as_seen and not stale else _tag(cart, told, stale=stale))


def _tag(cart: Cart, told: tuple[Facts | None, ...], *, stale: bool) -> str:
    """Tells apart answers that differ though the cart's version is the same."""
    return f"{cart.version}-{blake2s(msgspec.json.encode([told, stale]), digest_size=6).hexdigest()}"
