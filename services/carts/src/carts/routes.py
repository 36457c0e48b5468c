"""The wire of carts: decode, act, encode."""

from typing import Annotated

from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, PathParameter, SkipValidation
from litestar.types import ControllerRouterHandler

from carts import cart as rules
from carts.cart import Cart, CartNotFound, Edit
from carts.changing import CartBusy, Rule, Shop, change_once, make_cart, require_version
from carts.memory import KnownCarts
from carts.merging import merge_carts
from carts.schemas import (
    CartIn,
    CartOut,
    ChangesIn,
    HistoryOut,
    LineIn,
    MergeIn,
    MergeOut,
    QuantityIn,
    UndoIn,
    added,
    cart_out,
    history_out,
)
from carts.undo import CannotUndo, undo
from carts.visitor import Visitor
from shopkit.errors import InvalidRequest
from shopkit.idempotency import IdempotencyInFlight, IdempotencyKeyReused, Remember, once
from shopkit.problems import raises
from shopkit.requests import KEYED, TAGGED, ShopRequest, maybe_signed_in, signed_in

Carts = NamedDependency[SkipValidation[Shop]]
Token = Annotated[str | None, HeaderParameter(name="Cart-Token", description="opens a guest's cart")]
SkuInPath = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]

REPEATED = (IdempotencyKeyReused, IdempotencyInFlight)
REFUSED = (
    CartNotFound,
    CartBusy,
    rules.UnknownSku,
    rules.InsufficientStock,
    rules.QuantityLimit,
    rules.LineLimit,
    rules.CurrencyMismatch,
    rules.CatalogueUnavailable,
)


@post(
    "/carts",
    before_request=maybe_signed_in,
    opt=KEYED,
    summary="Add to my cart",
    responses=raises(*REFUSED, *REPEATED) | {200: ResponseSpec(CartOut, description="Added to the cart there was")},
)
async def add_to_my_cart(
    request: ShopRequest, data: JSONBody[CartIn], shop: Carts, cart_token: Token = None
) -> Response[CartOut]:
    """Adds to the caller's cart; makes one where there is none. A guest's new cart comes with its token, told once."""
    visitor = Visitor.of(request, cart_token)
    edits = data.edits()

    async def work(remember: Remember) -> Response[CartOut]:
        async def attempt(known: KnownCarts) -> Response[CartOut]:
            cart = await visitor.find_current(known)
            rule, skus = _editing(shop, edits)
            if cart is None:
                return await make_cart(request, shop, known, visitor.user_id, rule, skus, remember)
            return await change_once(request, shop, known, cart, rule, skus, remember)

        return await shop.retry("added", attempt)

    return await once(request, shop.store, shop.clock, visitor.scope(request), work)


@get("/carts/current", before_request=maybe_signed_in, opt=TAGGED, summary="My cart", responses=raises(CartNotFound))
async def show_my_cart(request: ShopRequest, shop: Carts, cart_token: Token = None) -> Response[CartOut]:
    """The signed-in user's cart, or the one the token opens."""
    cart = await Visitor.of(request, cart_token).find_current(shop.reading())
    if cart is None:
        raise CartNotFound("You have no cart yet.")
    return await _answer(request, shop, cart)


@get(
    "/carts/{cart_id:str}", before_request=maybe_signed_in, opt=TAGGED, summary="A cart", responses=raises(CartNotFound)
)
async def show_cart(
    request: ShopRequest, cart_id: FromPath[str], shop: Carts, cart_token: Token = None
) -> Response[CartOut]:
    """The cart, at present prices."""
    cart = await Visitor.of(request, cart_token).get_open(shop.reading(), cart_id)
    return await _answer(request, shop, cart)


@delete(
    "/carts/{cart_id:str}",
    before_request=maybe_signed_in,
    opt=TAGGED,
    summary="Delete a cart",
    responses=raises(CartNotFound, CartBusy),
)
async def delete_cart(request: ShopRequest, cart_id: FromPath[str], shop: Carts, cart_token: Token = None) -> None:
    """Deletes the cart; so does asking again."""
    visitor = Visitor.of(request, cart_token)

    async def attempt(known: KnownCarts) -> None:
        cart = await visitor.get(known, cart_id)
        if cart.is_open:
            await require_version(request, shop, cart)
            await known.save(rules.close(cart, shop.clock()), None)

    await shop.retry("deleted", attempt)


@post(
    "/carts/{cart_id:str}/lines",
    before_request=maybe_signed_in,
    opt=KEYED | TAGGED,
    status_code=200,
    summary="Add to a cart",
    responses=raises(*REFUSED, *REPEATED),
)
async def add_line(
    request: ShopRequest, cart_id: FromPath[str], data: JSONBody[LineIn], shop: Carts, cart_token: Token = None
) -> Response[CartOut]:
    """Adds so many of a product to those the cart holds."""
    return await _change(request, shop, cart_id, cart_token, "added", _editing(shop, [added(data, "#")]))


@put(
    "/carts/{cart_id:str}/lines/{sku:str}",
    before_request=maybe_signed_in,
    opt=TAGGED,
    summary="Set a quantity",
    responses=raises(*REFUSED),
)
async def set_line(
    request: ShopRequest,
    cart_id: FromPath[str],
    sku: SkuInPath,
    data: JSONBody[QuantityIn],
    shop: Carts,
    cart_token: Token = None,
) -> Response[CartOut]:
    """Sets how many of a product the cart holds; 0 removes the line."""
    edits = [Edit(sku, quantity=data.quantity)]
    return await _change(request, shop, cart_id, cart_token, "set", _editing(shop, edits))


@patch(
    "/carts/{cart_id:str}/lines",
    before_request=maybe_signed_in,
    opt=TAGGED,
    summary="Change several lines",
    responses=raises(*REFUSED),
)
async def change_lines(
    request: ShopRequest, cart_id: FromPath[str], data: JSONBody[ChangesIn], shop: Carts, cart_token: Token = None
) -> Response[CartOut]:
    """Several changes, all or none."""
    return await _change(request, shop, cart_id, cart_token, "set", _editing(shop, data.edits()))


@delete(
    "/carts/{cart_id:str}/lines/{sku:str}",
    before_request=maybe_signed_in,
    opt=TAGGED,
    status_code=200,
    summary="Remove a line",
    responses=raises(CartNotFound, CartBusy),
)
async def remove_line(
    request: ShopRequest, cart_id: FromPath[str], sku: SkuInPath, shop: Carts, cart_token: Token = None
) -> Response[CartOut]:
    """Removes a line; fine too if there is none."""
    edits = [Edit(sku, quantity=0)]
    return await _change(request, shop, cart_id, cart_token, "removed", _editing(shop, edits))


@get(
    "/carts/{cart_id:str}/history",
    before_request=maybe_signed_in,
    summary="What happened to a cart",
    responses=raises(CartNotFound),
)
async def show_history(
    request: ShopRequest, cart_id: FromPath[str], shop: Carts, cart_token: Token = None
) -> Response[HistoryOut]:
    """What happened to the cart, newest first: the last 200 changes of lines and of their prices."""
    cart = await Visitor.of(request, cart_token).get_open(shop.reading(), cart_id)
    return request.answer(history_out(cart))


@post(
    "/carts/{cart_id:str}/undo",
    before_request=maybe_signed_in,
    opt=KEYED | TAGGED,
    status_code=200,
    summary="Take back a change",
    responses=raises(CartNotFound, CartBusy, CannotUndo, rules.LineLimit, rules.CurrencyMismatch, *REPEATED),
)
async def undo_change(
    request: ShopRequest, cart_id: FromPath[str], data: JSONBody[UndoIn], shop: Carts, cart_token: Token = None
) -> Response[CartOut]:
    """Takes back what made that version, unless a later change touched the same lines; a merge for 24 hours."""
    changing: Changing = (lambda cart, catalogue: undo(cart, data.version, catalogue, shop.clock())), []
    return await _change(request, shop, cart_id, cart_token, "undone", changing)


@post(
    "/carts/merge",
    before_request=signed_in,
    status_code=200,
    summary="Merge a guest's cart into mine",
    responses=raises(CartNotFound, CartBusy),
)
async def merge_into_my_cart(
    request: ShopRequest, data: JSONBody[MergeIn], shop: Carts, cart_token: Token = None
) -> Response[MergeOut]:
    """Puts the lines of the token's cart into the caller's, and reports on each; the same token, the same answer."""
    if not cart_token:
        raise InvalidRequest.at("#/header/Cart-Token", "The token of the guest's cart is missing.")
    return await merge_carts(request, shop, cart_token, data.mode)


Changing = tuple[Rule, list[str]]


def _editing(shop: Shop, edits: list[Edit]) -> Changing:
    """The rule that makes these edits, and the SKUs it may bring in."""
    return (lambda cart, catalogue: rules.edit(cart, edits, catalogue, shop.clock())), [edit.sku for edit in edits]


async def _change(
    request: ShopRequest, shop: Shop, cart_id: FromPath[str], token: str | None, kind: str, changing: Changing
) -> Response[CartOut]:
    visitor = Visitor.of(request, token)
    rule, skus = changing

    async def work(remember: Remember) -> Response[CartOut]:
        async def attempt(known: KnownCarts) -> Response[CartOut]:
            cart = await visitor.get_open(known, cart_id)
            return await change_once(request, shop, known, cart, rule, skus, remember)

        return await shop.retry(kind, attempt)

    return await once(request, shop.store, shop.clock, visitor.scope(request), work)


async def _answer(request: ShopRequest, shop: Shop, cart: Cart) -> Response[CartOut]:
    priced = await shop.show(cart)
    return request.answer(cart_out(priced), tag=priced.tag)


def handlers() -> list[ControllerRouterHandler]:
    """All of them."""
    return [
        add_to_my_cart,
        show_my_cart,
        show_cart,
        delete_cart,
        add_line,
        set_line,
        change_lines,
        remove_line,
        show_history,
        undo_change,
        merge_into_my_cart,
    ]
