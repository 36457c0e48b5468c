"""One line of a cart: how many of a SKU were wanted, and what that comes to at the catalogue's word. Pure.

As nothing here can refer back to what holds it, the garbage collector need not look (`gc=False`).
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from shopkit.values import Money

T = TypeVar("T")
QUANTITY_MAX = 999

Code = Literal["price_changed", "quantity_reduced", "unavailable"]


class Once(Generic[T]):
    """As `functools.cached_property`, which before Python 3.12 takes a lock that costs more than what is made here."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make

    def __get__(self, cart: Any, _: object) -> T:
        made = cart.made[self._make.__name__] = self._make(cart)
        return made


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


class Line(Struct, frozen=True, array_like=True, gc=False):
    """So many of one SKU. `seen` is what the catalogue last said of it, for when the catalogue is down."""

    sku: str
    position: int
    wanted: int
    added_price: Money
    seen: Facts

    def quantity(self, facts: Facts | None) -> int:
        """How many of those wanted can be bought now."""
        return min(self.wanted, facts.available) if facts else 0

    def packed(self) -> tuple[object, ...]:
        """What the line's `PackedLine` is made of."""
        seen, price, added = self.seen, self.seen.price, self.added_price
        line = (self.sku, self.position, self.wanted, added.currency, added.amount)
        told = (seen.product_id, seen.name, seen.options, seen.image_url, price.amount, seen.stock)
        if seen.for_sale and price.currency == added.currency:
            return line + told
        return (*line, *told, seen.for_sale, price.currency)

    def shown(self, told: Facts | None) -> tuple[PricedLine, tuple[Notice, ...]]:
        """The line as the shopper sees it when the catalogue says this, with what they should know of it; None: that
        there is no such SKU.
        """
        # What is sold in another currency than the cart's is not for this cart.
        facts = told if told is not None and told.price.currency == self.added_price.currency else None
        last = facts or self.seen
        available = facts.available if facts else 0
        quantity = min(self.wanted, available)
        price = last.price
        priced = PricedLine(
            self.sku,
            last.product_id,
            last.name,
            last.options,
            last.image_url,
            quantity,
            price,
            self.added_price,
            Money(price.amount * quantity, price.currency),
            (facts.stock if facts.for_sale else 0) if facts else 0,
        )
        if facts is not None and price == self.added_price and self.wanted <= available:
            return priced, ()
        return priced, _notices(self, facts, available)


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


def adopted(lines: tuple[Line, ...], told: Iterable[Facts | None]) -> tuple[Line, ...]:
    """The lines with what is told of them as seen, in the very objects told, so that carts share them."""
    return tuple(
        [
            line if facts is None or facts is line.seen else replace(line, seen=facts)
            for line, facts in zip(lines, told, strict=True)
        ]
    )


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
