"""The port: what the service asks of whatever keeps its carts."""

from typing import Protocol

from carts.cart import Cart
from shopkit.idempotency import Replay
from shopkit.watch import Store


class OwnerHasCart(Exception):
    """The user has an open cart already; another replica may just have made it. Never shown to a caller."""


class CartStore(Store, Protocol):
    """Where carts live. One cart is one record; every method is atomic, and durable when it returns.

    Calls may share a round trip or a commit, but neither an outcome nor a deadline: one that fails, is slow or is left
    by its caller fails no other. A find tells what was kept when it was called, or later.

    Expired carts are not found. A `replay` is kept by the same transaction as the change, or raises
    `shopkit.idempotency.ReplayExists`, and then nothing was changed.
    """

    async def find(self, cart_id: str) -> Cart | None:
        """The cart of that id, open or closed."""
        ...

    async def is_current(self, cart_id: str, version: int) -> bool:
        """Whether `find` would find that version of the cart."""
        ...

    async def find_of_owner(self, owner: str) -> Cart | None:
        """The user's open cart."""
        ...

    async def find_of_token(self, token_hash: str) -> Cart | None:
        """The open guest cart whose token has that hash."""
        ...

    async def add(self, cart: Cart, replay: Replay | None) -> None:
        """Keeps a new cart. OwnerHasCart if its owner has an open one."""
        ...

    async def save(self, cart: Cart, replay: Replay | None) -> None:
        """Keeps the cart's next version. RecordChanged unless the one before it is what is kept now.

        Unavailable leaves open whether it is kept. A cart that is gone is never brought back.
        """
        ...

    async def merge(self, saved: Cart, guest: Cart, replay: Replay) -> None:
        """Keeps the user's cart (new if its version is 1) and the closed guest cart, both or none.

        RecordChanged or OwnerHasCart as `save` and `add`.
        """
        ...

    async def keep_replay(self, replay: Replay) -> None:
        """Keeps the answer to a request that changed nothing."""
        ...

    async def find_replay(self, replay_id: str) -> Replay | None:
        """The kept answer of that id."""
        ...
