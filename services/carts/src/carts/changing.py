"""Changing a cart: load it, apply a rule, save it if nobody else has meanwhile, else begin again."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cache
from hashlib import sha256
from typing import TypeVar

import msgspec
from litestar import Response
from msgspec.structs import replace

from carts.cart import Cart, Catalogue, new_cart, touched
from carts.catalogue import ProductCatalogue, Told
from carts.line import adopted
from carts.memory import KnownCarts, Memory, Unsure
from carts.pricing import PricedCart, price
from carts.schemas import CartOut, cart_out
from carts.store import CartStore, OwnerHasCart
from shopkit.errors import Conflict, RecordChanged, ShopError
from shopkit.idempotency import Remember
from shopkit.metrics import Metrics
from shopkit.requests import ShopRequest
from shopkit.values import Clock, new_id

T = TypeVar("T")
ATTEMPTS = 40
PAUSE_SECONDS = 0.002
TOKEN_BYTES = 24

Rule = Callable[[Cart, Catalogue], Cart]


class CartBusy(Conflict):
    """So many others change this cart that this change found no gap; try again."""


class Shop:
    """What the use cases of carts have at hand."""

    def __init__(
        self, store: CartStore, memory: Memory, catalogue: ProductCatalogue, clock: Clock, metrics: Metrics
    ) -> None:
        self.store = store
        self.clock = clock
        self._memory = memory
        self._catalogue = catalogue
        # Label children are bound once, not at each change.
        self._changed = cache(metrics.counter("carts_changed", "Changes of carts", "kind", "outcome").labels)
        self._conflicts = metrics.counter("conflicts_retried", "Changes begun again because another was faster")

    async def look_up(self, cart: Cart, more: Iterable[str] = ()) -> Told:
        """What the catalogue says of the cart's lines, and of more SKUs."""
        return await self._catalogue.look_up([*cart.places, *more])

    async def show(self, cart: Cart) -> PricedCart:
        """The cart at present prices."""
        told = await self.look_up(cart)
        is_known = "view" in cart.made
        priced = price(cart if is_known else sharing(cart, told.facts), told.facts, stale=told.stale)
        if not is_known:
            self._memory.keep(priced.cart)
        return priced

    def reading(self) -> KnownCarts:
        """The carts as the store has them now."""
        return KnownCarts(self._memory, self.store, reads=True)

    async def retry(self, kind: str, attempt: Callable[[KnownCarts], Awaitable[T]]) -> T:
        """Makes the attempt, again while others are faster; counts how it went.

        It begins with carts that are remembered. What then would not be settled by a save is decided anew on carts
        that are read, as is every later attempt after that.
        """
        reads = False
        for number in range(ATTEMPTS):
            known = KnownCarts(self._memory, self.store, reads=reads)
            try:
                result = await attempt(known)
            except Unsure:
                reads = True
            except (RecordChanged, OwnerHasCart):
                self._conflicts.inc()
                await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * min(number, 10)))  # noqa: S311
            except ShopError as error:
                if known.is_unsure:
                    reads = True
                    continue
                self._changed(kind, error.code).inc()
                raise
            else:
                self._changed(kind, "ok").inc()
                return result
        self._changed(kind, CartBusy.code).inc()
        raise CartBusy


def sharing(cart: Cart, catalogue: Catalogue) -> Cart:
    """The same cart, with the catalogue's objects in the place of equal ones of its own."""
    told = zip(map(catalogue.get, cart.places), cart.seen, strict=True)
    return replace(cart, lines=adopted(cart.lines, [facts if facts == seen else None for facts, seen in told]))


def hash_of(token: str) -> str:
    """How a cart's token is kept."""
    return sha256(token.encode()).hexdigest()


async def change_once(
    request: ShopRequest,
    shop: Shop,
    known: KnownCarts,
    cart: Cart,
    rule: Rule,
    skus: Sequence[str],
    remember: Remember,
) -> Response[CartOut]:
    """Applies `rule`, which may bring in `skus`, and saves; RecordChanged if another was faster. Answers the cart."""
    told = await shop.look_up(cart, skus)
    await require_version(request, shop, cart)
    after = rule(cart, told.facts)
    if after is cart:
        known.require_sure()
    priced = price(after, told.facts, stale=told.stale)
    answer = request.answer(cart_out(priced), tag=priced.tag)
    replay = remember(answer)
    if after is not cart:
        await known.save(after, replay)
    elif replay is not None:
        await shop.store.keep_replay(replay)
    return answer


async def make_cart(
    request: ShopRequest,
    shop: Shop,
    known: KnownCarts,
    owner: str | None,
    rule: Rule,
    skus: Sequence[str],
    remember: Remember,
) -> Response[CartOut]:
    """A new cart with what `rule` puts into it; a guest's comes with its token. OwnerHasCart if another was faster."""
    token = None if owner else secrets.token_urlsafe(TOKEN_BYTES)
    moment = shop.clock()
    empty = new_cart(new_id(), owner, hash_of(token) if token else None, moment)
    told = await shop.look_up(empty, skus)
    filled = rule(empty, told.facts)
    cart = filled if filled.version else touched(filled, moment)
    priced = price(cart, told.facts, stale=told.stale)
    headers = {"Location": request.location(f"/carts/{cart.id}")}
    answer = request.answer(cart_out(priced, token), status=201, tag=priced.tag, headers=headers)
    await known.add(cart, remember(answer))
    return answer


async def require_version(request: ShopRequest, shop: Shop, cart: Cart) -> None:
    """If-Match, with the present cart for a caller whose copy is stale."""
    if "if-match" in request.headers:
        current = msgspec.json.encode(cart_out(await shop.show(cart)))
        request.require_version(cart.version, current=msgspec.json.decode(current))
