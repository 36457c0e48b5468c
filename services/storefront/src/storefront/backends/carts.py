"""Carts, as the carts service has them."""

import msgspec

from shopkit.client import Hop
from storefront.backends.answers import Money, acting_for, ask, segment

Opener = dict[str, str]


class Line(msgspec.Struct):
    """So many of a SKU. `available`: how many can be had, None where stock is not counted."""

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


class Notice(msgspec.Struct):
    """A difference since a line was added: of a price, or of a quantity."""

    code: str
    sku: str
    old: Money | int
    new: Money | int


class Cart(msgspec.Struct):
    """A cart at present prices; `stale` where those are the last known. `token` opens a guest's, and is told once."""

    id: str
    version: int
    lines: list[Line]
    item_count: int
    subtotal: Money | None
    notices: list[Notice]
    stale: bool
    token: str = ""

    def line(self, sku: str) -> Line | None:
        """The line of that SKU."""
        return next((line for line in self.lines if line.sku == sku), None)


class Change(msgspec.Struct):
    """What a version did to a line: how many there were before and after, or what it cost."""

    version: int
    at: str
    kind: str
    sku: str
    before: Money | int
    after: Money | int


class _History(msgspec.Struct):
    items: list[Change]


class Merged(msgspec.Struct):
    """What became of a SKU in a merge."""

    sku: str
    outcome: str
    saved: int
    guest: int
    result: int
    reason: str


class Merge(msgspec.Struct):
    """The cart after a merge, and a report on each SKU."""

    cart: Cart
    report: list[Merged]


class Carts:
    """The service. An opener is the header that opens the cart: the access token of its owner, or a guest's token."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop

    async def current(self, opener: Opener, seconds: float = 0) -> Cart:
        """The cart that is open; it may take so long, 0: as long as any call."""
        return await ask(self._hop, "GET", "/carts/current", Cart, headers=opener, seconds=seconds)

    async def make(self, visitor: str, address: str) -> Cart:
        """A guest's first cart, with its token; the same one for all who ask for the same visitor."""
        headers = {"Idempotency-Key": f"visitor-{visitor}", **acting_for(address)}
        return await ask(self._hop, "POST", "/carts", Cart, {}, headers=headers)

    async def add(self, opener: Opener, sku: str, quantity: int, key: str) -> Cart:
        """Adds to the cart that is open; a user who has none gets one."""
        headers = {**opener, "Idempotency-Key": key}
        return await ask(self._hop, "POST", "/carts", Cart, {"sku": sku, "quantity": quantity}, headers=headers)

    async def set_quantity(self, opener: Opener, cart_id: str, sku: str, quantity: int) -> Cart:
        """Sets how many there shall be; 0 removes the line."""
        path = f"/carts/{cart_id}/lines/{segment(sku)}"
        return await ask(self._hop, "PUT", path, Cart, {"quantity": quantity}, headers=opener)

    async def history(self, opener: Opener, cart_id: str) -> list[Change]:
        """What happened to the cart, newest first."""
        return (await ask(self._hop, "GET", f"/carts/{cart_id}/history", _History, headers=opener)).items

    async def undo(self, opener: Opener, cart_id: str, version: int, key: str) -> Cart:
        """Takes back what made that version."""
        headers = {**opener, "Idempotency-Key": key}
        return await ask(self._hop, "POST", f"/carts/{cart_id}/undo", Cart, {"version": version}, headers=headers)

    async def merge(self, owner: Opener, guest: Opener) -> Merge:
        """The guest's cart into the owner's."""
        return await ask(self._hop, "POST", "/carts/merge", Merge, {}, headers={**owner, **guest})
