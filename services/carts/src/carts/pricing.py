"""What a cart comes to now: its lines at present prices, and what changed since they were added."""

from datetime import datetime
from hashlib import blake2s

import msgspec
from msgspec import Struct

from carts.cart import Cart, Catalogue
from carts.line import Facts, Notice, PricedLine, Shown
from shopkit.values import Money


class PricedCart(Struct, frozen=True):
    """A cart as the shopper sees it. `stale`: the catalogue cannot be asked; prices and stock are the last seen."""

    id: str
    version: int
    currency: str | None
    shown: list[Shown]
    item_count: int
    subtotal: Money | None
    notices: list[Notice]
    stale: bool
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    tag: str

    @property
    def lines(self) -> list[PricedLine]:
        """The priced lines."""
        return [shown.line for shown in self.shown]


def price(cart: Cart, catalogue: Catalogue, *, stale: bool) -> PricedCart:
    """The cart at the prices the catalogue tells; where it tells none, at those last seen."""
    told = [catalogue.get(line.sku, line.seen) for line in cart.lines]
    as_seen = told == [line.seen for line in cart.lines]
    if as_seen:
        shown = [line.as_seen for line in cart.lines]
    else:
        shown = [line.shown(facts) for line, facts in zip(cart.lines, told, strict=True)]
    count, amount, notices = 0, 0, list[Notice]()
    for one in shown:
        count += one.quantity
        amount += one.amount
        notices += one.notices
    return PricedCart(
        id=cart.id,
        version=cart.version,
        currency=cart.currency,
        shown=shown,
        item_count=count,
        subtotal=Money(amount, cart.currency) if cart.currency else None,
        notices=notices,
        stale=stale,
        created_at=cart.created_at,
        updated_at=cart.updated_at,
        expires_at=cart.expires_at,
        tag=str(cart.version) if as_seen and not stale else f"{cart.version}-{_digest(told, stale=stale)}",
    )


def _digest(facts: list[Facts | None], *, stale: bool) -> str:
    """Tells apart answers that differ though the cart's version is the same."""
    return blake2s(msgspec.json.encode([facts, stale]), digest_size=6).hexdigest()
