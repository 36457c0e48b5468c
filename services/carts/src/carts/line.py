"""One line of a cart: how many of a SKU were wanted, and what that comes to at the catalogue's word. Pure.

Lines never change and most outlive many versions of their cart, so what is made of one is made once and stays with it.
As nothing here can refer back to what holds it, the garbage collector need not look (`gc=False`).
"""

from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from shopkit.values import Money

T = TypeVar("T")
QUANTITY_MAX = 999
_encode = msgspec.json.Encoder().encode

Code = Literal["price_changed", "quantity_reduced", "unavailable"]


class Facts(Struct, frozen=True, array_like=True, gc=False):
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


class Notice(Struct, frozen=True, gc=False):
    """A difference the shopper should know of, with the old and the new value (money or a quantity)."""

    code: Code
    sku: str
    message: str
    old: Money | int
    new: Money | int


class PricedLine(Struct, frozen=True, gc=False):
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


class Shown(Struct, frozen=True, gc=False):
    """A line as the shopper sees it, its JSON, what it comes to in minor units, and what they should know of it."""

    line: PricedLine
    json: Raw
    quantity: int
    amount: int
    notices: tuple[Notice, ...]


class _Once(Generic[T]):
    """As `functools.cached_property`, which before Python 3.12 takes a lock that costs more than what is made here."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make

    def __get__(self, line: Any, _: object) -> T:
        made = line.__dict__[self._make.__name__] = self._make(line)
        return made


class Line(Struct, frozen=True, array_like=True, dict=True):
    """So many of one SKU. `seen` is what the catalogue last said of it, for when the catalogue is down."""

    sku: str
    position: int
    wanted: int
    added_price: Money
    seen: Facts

    def quantity(self, facts: Facts | None) -> int:
        """How many of those wanted can be bought now."""
        return min(self.wanted, facts.available) if facts else 0

    @_Once
    def as_seen(self) -> Shown:
        """The line as the shopper sees it while the catalogue says what it said last."""
        return _shown(self, self.seen)

    @_Once
    def packed(self) -> Raw:
        """The JSON of the line's `PackedLine`."""
        seen, price, added = self.seen, self.seen.price, self.added_price
        line = (self.sku, self.position, self.wanted, added.currency, added.amount)
        told = (seen.product_id, seen.name, seen.options, seen.image_url, price.amount, seen.stock)
        if seen.for_sale and price.currency == added.currency:
            return Raw(_encode(line + told))
        return Raw(_encode((*line, *told, seen.for_sale, price.currency)))

    @_Once
    def size(self) -> int:
        """About how many bytes the line takes: as objects, and as what is kept ready of it."""
        return 1000 + 3 * len(bytes(self.packed))

    def shown(self, facts: Facts | None) -> Shown:
        """The line as the shopper sees it when the catalogue says this; None: that there is no such SKU."""
        return self.as_seen if facts is self.seen or facts == self.seen else _shown(self, facts)


class PackedLine(Struct, array_like=True, gc=False):
    """A line as it is kept, small, since each save keeps all lines of the cart. Amounts are in minor units."""

    sku: str
    position: int
    wanted: int
    currency: str
    added_amount: int
    product_id: str
    name: str
    options: dict[str, str]
    image_url: str | None
    amount: int
    stock: int | None
    # These two are kept only where they are otherwise; `None`: the currency is the same.
    for_sale: bool = True
    seen_currency: str | None = None

    def unpacked(self) -> Line:
        """The line."""
        added_price = price = Money(self.added_amount, self.currency)
        if self.seen_currency is not None or self.amount != self.added_amount:
            price = Money(self.amount, self.seen_currency or self.currency)
        seen = Facts(self.product_id, self.name, self.options, self.image_url, price, self.stock, self.for_sale)
        return Line(self.sku, self.position, self.wanted, added_price, seen)


def _shown(line: Line, told: Facts | None) -> Shown:
    # What is sold in another currency than the cart's is not for this cart.
    facts = told if told is not None and told.price.currency == line.added_price.currency else None
    last = facts or line.seen
    available = facts.available if facts else 0
    quantity = min(line.wanted, available)
    amount = last.price.amount * quantity
    priced = PricedLine(
        line.sku,
        last.product_id,
        last.name,
        last.options,
        last.image_url,
        quantity,
        unit_price=last.price,
        added_price=line.added_price,
        total=Money(amount, last.price.currency),
        available=(facts.stock if facts.for_sale else 0) if facts else 0,
    )
    return Shown(priced, Raw(_encode(priced)), quantity, amount, _notices(line, facts, available))


def _notices(line: Line, facts: Facts | None, available: int) -> tuple[Notice, ...]:
    if facts is None or available == 0:
        message = f"{line.seen.name} cannot be bought just now."
        return (Notice("unavailable", line.sku, message, line.wanted, 0),)
    found: tuple[Notice, ...] = ()
    if facts.price != line.added_price:
        message = f"The price of {facts.name} has changed since you added it."
        found = (Notice("price_changed", line.sku, message, line.added_price, facts.price),)
    if available < line.wanted:
        message = f"There are only {available} of {facts.name} left."
        found = (*found, Notice("quantity_reduced", line.sku, message, line.wanted, available))
    return found
