"""What a cart comes to now: its lines at present prices, and what changed since they were added."""

from datetime import datetime
from hashlib import blake2s
from typing import Literal

import msgspec
from msgspec import Struct

from carts.cart import Cart, Catalogue, Facts, Line
from shopkit.values import Money

Code = Literal["price_changed", "quantity_reduced", "unavailable"]


class Notice(Struct, frozen=True):
    """A difference the shopper should know of, with the old and the new value (money or a quantity)."""

    code: Code
    sku: str
    message: str
    old: Money | int
    new: Money | int


class PricedLine(Struct, frozen=True):
    """A line as the shopper sees it: `quantity` is what can be bought of it now."""

    sku: str
    product_id: str
    name: str
    options: dict[str, str]
    image_url: str | None
    quantity: int
    unit_price: Money
    added_price: Money
    total: Money
    available: int | None


class PricedCart(Struct, frozen=True):
    """A cart as the shopper sees it. `stale`: the catalogue cannot be asked; prices and stock are the last seen."""

    id: str
    version: int
    currency: str | None
    lines: list[PricedLine]
    item_count: int
    subtotal: Money | None
    notices: list[Notice]
    stale: bool
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    tag: str


def price(cart: Cart, catalogue: Catalogue, *, stale: bool) -> PricedCart:
    """The cart at the prices the catalogue tells; where it tells none, at those last seen."""
    lines: list[PricedLine] = []
    notices: list[Notice] = []
    facts_of = [catalogue.get(line.sku, line.seen) for line in cart.lines]
    as_saved = not stale and all(facts == line.seen for facts, line in zip(facts_of, cart.lines, strict=True))
    for line, told in zip(cart.lines, facts_of, strict=True):
        facts = told if told is not None and told.price.currency == cart.currency else None
        lines.append(_priced(line, facts))
        notices += _notices(line, facts)
    subtotal = Money(sum(line.total.amount for line in lines), cart.currency) if cart.currency else None
    return PricedCart(
        id=cart.id,
        version=cart.version,
        currency=cart.currency,
        lines=lines,
        item_count=sum(line.quantity for line in lines),
        subtotal=subtotal,
        notices=notices,
        stale=stale,
        created_at=cart.created_at,
        updated_at=cart.updated_at,
        expires_at=cart.expires_at,
        tag=str(cart.version) if as_saved else f"{cart.version}-{_digest(facts_of, stale=stale)}",
    )


def _priced(line: Line, facts: Facts | None) -> PricedLine:
    shown = facts or line.seen
    quantity = line.quantity(facts)
    unit = shown.price
    return PricedLine(
        sku=line.sku,
        product_id=shown.product_id,
        name=shown.name,
        options=shown.options,
        image_url=shown.image_url,
        quantity=quantity,
        unit_price=unit,
        added_price=line.added_price,
        total=Money(unit.amount * quantity, unit.currency),
        available=(facts.stock if facts.for_sale else 0) if facts else 0,
    )


def _notices(line: Line, facts: Facts | None) -> list[Notice]:
    if facts is None or facts.available == 0:
        message = f"{line.seen.name} cannot be bought just now."
        return [Notice("unavailable", line.sku, message, line.wanted, 0)]
    found = []
    if facts.price != line.added_price:
        message = f"The price of {facts.name} has changed since you added it."
        found.append(Notice("price_changed", line.sku, message, line.added_price, facts.price))
    if facts.available < line.wanted:
        message = f"There are only {facts.available} of {facts.name} left."
        found.append(Notice("quantity_reduced", line.sku, message, line.wanted, facts.available))
    return found


def _digest(facts: list[Facts | None], *, stale: bool) -> str:
    """Tells apart answers that differ though the cart's version is the same."""
    return blake2s(msgspec.json.encode([facts, stale]), digest_size=6).hexdigest()
