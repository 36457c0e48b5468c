"""The cart, and what is done to it."""

from contextlib import suppress
from itertools import groupby

from litestar import Response, get, post
from litestar.params import FromPath

from shopkit.errors import InvalidRequest, Unavailable
from storefront.backends.answers import Problem, Refused
from storefront.backends.carts import Cart, Change, Opener
from storefront.backends.products import Product
from storefront.forms import key_of, whole_number
from storefront.merging import take_cart_along
from storefront.pages.catalogue import product_page
from storefront.visit import CART_TOKEN, Visit, Visitor, problem_text

QUANTITY_MOST = 999


@get("/cart")
async def show_cart(visit: Visitor) -> Response[str]:
    """The cart at present prices."""
    try:
        await take_cart_along(visit)
        cart = await visit.cart()
    except Unavailable:
        return visit.page("cart.html", status=503, cart=None, names={}, unreadable=True)
    return visit.page("cart.html", cart=cart, names=_links(cart), unreadable=False)


@post("/cart/add", status_code=200)
async def add_to_cart(visit: Visitor) -> Response[str]:
    """Puts so many of a SKU into the cart. The same form sent twice adds once."""
    form = await visit.form()
    sku, slug, typed = str(form.get("sku", "")), str(form.get("slug", "")), str(form.get("quantity", "1"))
    try:
        quantity = whole_number(typed, 1, QUANTITY_MOST, visit.say)
        cart = await _add(visit, sku, quantity, key_of(str(form.get("once", "")), sku, quantity))
    except (Refused, InvalidRequest) as refused:
        fault = _words_for(visit, refused)
        if visit.is_partial:
            visit.note(fault, kind="bad")
            return visit.page("_added.html")
        return await product_page(visit, slug, sku, quantity=typed, fault=fault, status=409)
    line = cart.line(sku)
    visit.keep(item_count=cart.item_count)
    visit.note(
        visit.say("Added to your cart: %(quantity)s × %(name)s", quantity=quantity, name=line.name if line else sku)
    )
    return visit.page("_added.html") if visit.is_partial else visit.go("/cart")


@post("/cart/lines/{sku:str}", status_code=200)
async def set_line(visit: Visitor, sku: FromPath[str]) -> Response[str]:
    """Sets how many of a SKU there shall be; 0 removes it, which can be undone."""
    form = await visit.form()
    opener, before = await _open(visit, leaves=0.5)
    line = before.line(sku) if before else None
    if opener is None or before is None:
        visit.note(visit.say("Your cart is gone; here is a new one."), kind="bad")
        return _cart_again(visit, None)
    try:
        quantity = whole_number(str(form.get("quantity", "")), 0, QUANTITY_MOST, visit.say)
        cart = await visit.front.carts.set_quantity(opener, before.id, sku, quantity)
    except (Refused, InvalidRequest) as refused:
        visit.note(_words_for(visit, refused), kind="bad")
        return _cart_again(visit, before)
    if quantity == 0 and line is not None:
        visit.note(visit.say("Removed from your cart: %(name)s", name=line.name), undo=cart.version)
    return _cart_again(visit, cart)


@post("/cart/undo", status_code=200)
async def undo(visit: Visitor) -> Response[str]:
    """Takes back what made a version of the cart."""
    form = await visit.form()
    opener, before = await _open(visit, leaves=0.5)
    if opener is None or before is None:
        return _cart_again(visit, None)
    try:
        version = whole_number(str(form.get("version", "")), 1, 10**9 - 1, visit.say)
        key = key_of(str(form.get("once", "")), version)
        cart = await visit.front.carts.undo(opener, before.id, version, key)
    except (Refused, InvalidRequest) as refused:
        problem = refused.problem if isinstance(refused, Refused) else Problem("cannot_undo")
        visit.note(problem_text(visit, problem), kind="bad")
        return _cart_again(visit, before)
    visit.note(visit.say("Undone."))
    return _cart_again(visit, cart)


@get("/cart/history")
async def show_history(visit: Visitor) -> Response[str]:
    """What happened to the cart, newest first."""
    opener, cart = await _open(visit)
    if opener is None or cart is None:
        return visit.page("history.html", changes=[], names={}, undoable=set())
    changes = await visit.front.carts.history(opener, cart.id)
    skus = list(dict.fromkeys(change.sku for change in changes))[:100]
    products: list[Product] = []
    if skus:
        # Without names, SKUs tell well enough what happened.
        with suppress(Unavailable):
            products = (await visit.front.catalogue.search([("sku", sku) for sku in skus])).items
    names = {variant.sku: product.name for product in products for variant in product.variants}
    return visit.page("history.html", changes=changes, names=names, undoable=_undoable(changes))


def _undoable(changes: list[Change]) -> set[int]:
    """The versions that no later change stands in the way of; `changes` newest first. Carts has the last word."""
    free, touched = set[int](), set[str]()
    for version, group in groupby(changes, lambda change: change.version):
        skus = {change.sku for change in group if change.kind != "price_noted"}
        if skus and not skus & touched:
            free.add(version)
        touched |= skus
    return free


def _words_for(visit: Visit, refused: Refused | InvalidRequest) -> str:
    """What a service refused, or what was typed wrongly, in words."""
    return problem_text(visit, refused.problem) if isinstance(refused, Refused) else refused.detail


async def _open(visit: Visit, leaves: float = 0) -> tuple[Opener | None, Cart | None]:
    """The cart, and what opens it. `leaves`: that share of the time is for a call that prices the cart once more."""
    cart = await visit.cart(visit.front.settings.call_timeout_ms / 1000 * (1 - leaves))
    return await visit.opener(), cart


async def _add(visit: Visit, sku: str, quantity: int, key: str) -> Cart:
    opener = await visit.opener() or await _first_cart(visit)
    cart = await visit.front.carts.add(opener, sku, quantity, key)
    if cart.token:
        # The guest's cart had expired or was deleted; a new one took its place.
        visit.keep(cart_token=cart.token)
    return cart


async def _first_cart(visit: Visit) -> Opener:
    cart = await visit.front.carts.make(visit.session.visitor, visit.address)
    visit.keep(cart_token=cart.token)
    return {CART_TOKEN: cart.token}


def _cart_again(visit: Visit, cart: Cart | None) -> Response[str]:
    """After a change: the page anew, or for htmx only what is in it."""
    visit.keep(item_count=cart.item_count if cart else 0)
    if not visit.is_partial:
        return visit.go("/cart")
    return visit.page("_cart_changed.html", cart=cart, names=_links(cart), unreadable=False)


def _links(cart: Cart | None) -> dict[str, str]:
    """Where each line's product is; ids lead there as well as slugs, without asking anybody."""
    return {line.sku: line.product_id for line in cart.lines} if cart else {}
