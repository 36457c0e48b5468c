"""Carts that this replica saw lately, so that a change need not read first: its save tells whether one was stale.

What no save settles (an answer to a read, a refusal, a change of nothing) is never decided on a remembered cart, unless
the store says that its version is the present one.
"""

from typing import Protocol

from carts.cart import Cart
from carts.pricing import view_of
from carts.store import CartStore
from shopkit.idempotency import Replay
from shopkit.values import Clock

CARTS_MAX = 10_000
NOTHING: tuple[None, int] = (None, 0)
# Of a cart besides its lines and its history; of a line besides its JSON, and of that where it is not made yet.
CART_BYTES = 1500
LINE_BYTES = 250
JSON_BYTES = 400


class Unsure(Exception):
    """The attempt saves nothing that would tell whether the cart it remembered was stale. Never shown to a caller."""


class CartFinder(Protocol):
    """Finds carts as a CartStore does."""

    async def find(self, cart_id: str) -> Cart | None: ...
    async def find_of_owner(self, owner: str) -> Cart | None: ...
    async def find_of_token(self, token_hash: str) -> Cart | None: ...


class Memory:
    """The newest version seen of the open carts that were seen last."""

    def __init__(self, clock: Clock, bytes_max: int, carts_max: int = CARTS_MAX) -> None:
        self._clock = clock
        self._carts_max = carts_max
        self._bytes_max = bytes_max
        self._bytes = 0
        # With what each takes. The one seen longest ago is the first.
        self._carts: dict[str, tuple[Cart, int]] = {}
        self._of_owner: dict[str, str] = {}
        self._of_token: dict[str, str] = {}

    def find(self, cart_id: str | None) -> Cart | None:
        """The open cart of that id, as it was seen last."""
        cart, _ = self._carts.get(cart_id, NOTHING) if cart_id else NOTHING
        if cart is not None and cart.expires_at <= self._clock():
            self._drop(cart)
            return None
        return cart

    def find_of_owner(self, owner: str) -> Cart | None:
        """The user's open cart."""
        return self.find(self._of_owner.get(owner))

    def find_of_token(self, token_hash: str) -> Cart | None:
        """The open guest cart whose token has that hash."""
        return self.find(self._of_token.get(token_hash))

    def keep(self, cart: Cart) -> None:
        """Remembers the cart, unless a newer version is."""
        known, _ = self._carts.get(cart.id, NOTHING)
        if known is not None:
            if known.version > cart.version:
                return
            self._drop(known)
        if not cart.is_open:
            return
        size = size_of(cart)
        self._carts[cart.id] = cart, size
        self._bytes += size
        if cart.owner is not None:
            self._of_owner[cart.owner] = cart.id
        elif cart.token_hash is not None:
            self._of_token[cart.token_hash] = cart.id
        while len(self._carts) > self._carts_max or self._bytes > self._bytes_max:
            self._drop(next(iter(self._carts.values()))[0])

    def forget(self, cart_id: str, version: int) -> None:
        """Forgets the cart, unless it is one of a later version."""
        known, _ = self._carts.get(cart_id, NOTHING)
        if known is not None and known.version <= version:
            self._drop(known)

    def _drop(self, cart: Cart) -> None:
        _, size = self._carts.pop(cart.id)
        self._bytes -= size
        for index, key in ((self._of_owner, cart.owner), (self._of_token, cart.token_hash)):
            if key is not None and index.get(key) == cart.id:
                del index[key]


def size_of(cart: Cart) -> int:
    """About how many bytes a cart takes; what it shares with others, the catalogue's facts, is not its own."""
    json = len(view_of(cart).json) or JSON_BYTES * len(cart.lines)
    return CART_BYTES + LINE_BYTES * len(cart.lines) + json + len(cart.past.old) + len(cart.past.fresh)


class KnownCarts:
    """The carts as one attempt at a change knows them. `reads`: as the store has them now."""

    def __init__(self, memory: Memory, store: CartStore, *, reads: bool) -> None:
        self._memory = memory
        self._store = store
        self._reads = reads
        # Whether what this attempt has decided so far may rest on a stale cart.
        self.is_unsure = False

    async def find(self, cart_id: str) -> Cart | None:
        """The cart of that id, open or closed."""
        return await self._recall(self._memory.find(cart_id)) or self._seen(await self._store.find(cart_id))

    async def find_of_owner(self, owner: str) -> Cart | None:
        """The user's open cart."""
        known = await self._recall(self._memory.find_of_owner(owner))
        return known or self._seen(await self._store.find_of_owner(owner))

    async def find_of_token(self, token_hash: str) -> Cart | None:
        """The open guest cart whose token has that hash."""
        known = await self._recall(self._memory.find_of_token(token_hash))
        return known or self._seen(await self._store.find_of_token(token_hash))

    def require_sure(self) -> None:
        """Unsure if a cart of this attempt was remembered, not read."""
        if self.is_unsure:
            raise Unsure

    async def add(self, cart: Cart, replay: Replay | None) -> None:
        """As CartStore.add."""
        self.is_unsure = False
        await self._store.add(cart, replay)
        self._memory.keep(cart)

    async def save(self, cart: Cart, replay: Replay | None) -> None:
        """As CartStore.save."""
        # From here the store decides.
        self.is_unsure = False
        try:
            await self._store.save(cart, replay)
        except Exception:
            # Another was faster, or whether this was kept is not known: the next attempt reads.
            self._memory.forget(cart.id, cart.version - 1)
            raise
        self._memory.keep(cart)

    async def merge(self, saved: Cart, guest: Cart, replay: Replay) -> None:
        """As CartStore.merge."""
        self.is_unsure = False
        try:
            await self._store.merge(saved, guest, replay)
        except Exception:
            for cart in (saved, guest):
                self._memory.forget(cart.id, cart.version - 1)
            raise
        for cart in (saved, guest):
            self._memory.keep(cart)

    async def _recall(self, cart: Cart | None) -> Cart | None:
        if cart is None:
            return None
        if self._reads:
            # Of one version of a cart there is only one form: what is remembered of it need not be read again.
            return cart if await self._store.is_current(cart.id, cart.version) else None
        self.is_unsure = True
        return cart

    def _seen(self, cart: Cart | None) -> Cart | None:
        if cart is None:
            return None
        # What is remembered of the same version brings along what was already made of it.
        known = self._memory.find(cart.id)
        if known is not None and known.version == cart.version:
            return known
        # Of many who were too slow to change it one reads it for all.
        self._memory.keep(cart)
        return cart
