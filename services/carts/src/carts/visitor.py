"""Who asks for a cart, and which carts open for them."""

from typing import NamedTuple

from carts.cart import Cart, CartNotFound
from carts.changing import hash_of
from carts.memory import CartFinder
from shopkit.requests import ShopRequest


class Visitor(NamedTuple):
    """Who asks: a signed-in user, the holder of a guest cart's token, both or neither."""

    user_id: str | None
    token_hash: str | None

    @classmethod
    def of(cls, request: ShopRequest, token: str | None) -> "Visitor":
        """The visitor behind a request."""
        caller = request.caller_or_none
        return cls(caller.id if caller else None, hash_of(token) if token else None)

    async def find_current(self, carts: CartFinder) -> Cart | None:
        """Their open cart: the user's own, else the one the token opens."""
        own = await carts.find_of_owner(self.user_id) if self.user_id else None
        if own is None and self.token_hash is not None:
            return await carts.find_of_token(self.token_hash)
        return own

    async def get(self, carts: CartFinder, cart_id: str) -> Cart:
        """The cart of that id, open or closed; CartNotFound unless it opens for them."""
        cart = await carts.find(cart_id)
        if cart is None or not cart.opens_for(self.user_id, self.token_hash):
            raise CartNotFound
        return cart

    async def get_open(self, carts: CartFinder, cart_id: str) -> Cart:
        """The open cart of that id; CartNotFound unless it opens for them."""
        cart = await self.get(carts, cart_id)
        if not cart.is_open:
            raise CartNotFound
        return cart

    def scope(self, request: ShopRequest) -> str:
        """Whose idempotency keys these are."""
        return self.user_id or self.token_hash or f"anonymous {request.address}"
