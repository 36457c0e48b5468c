"""Staff's own pages: the list of all products, what is in the shop and what is not, and stock."""

import re
from typing import Annotated
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from storefront.backends.answers import Problem, Refused, segment
from storefront.backends.products import Product, Products
from storefront.forms import Form, key_of
from storefront.pages.admin_product import editable, product_page
from storefront.product_form import SKU, ProductForm
from storefront.visit import Visit, Visitor, problem_text

PAGE = "24"
WORDS_MOST = 200
# A sign may be typed as any of the characters that look like one.
DELTA = re.compile(r"([+\-−–]?)([0-9]{1,9})")
ATTEMPTS = 5
Words = Annotated[str, QueryParameter(name="q")]


@get("/admin")
async def show_products(visit: Visitor, words: Words = "", cursor: FromQuery[str] = "") -> Response[str]:
    """The products of the shop, newest first or as they fit; a SKU finds what is archived, too."""
    visit.require_staff()
    words = words.strip()[:WORDS_MOST]
    query = [("q", words)] if words else [("sort", "-created_at")]
    try:
        found = await visit.front.catalogue.search([*query, ("limit", PAGE), *([("cursor", cursor)] if cursor else [])])
    except Refused:
        # A place in a list that is no more: the list from its beginning. Words that no catalogue knows: all of it.
        return visit.go(_link(words if cursor else ""))
    named = await _named(visit, words) if not cursor else []
    others = [product for product in found.items if product.id not in {each.id for each in named}]
    # Those found by their SKU that the words do not find as well.
    total = found.total + len(named) - (len(found.items) - len(others))
    more = _link(words, found.next_cursor) if found.next_cursor else ""
    return visit.page("admin/products.html", products=named + others, total=total, q=words, cursor=cursor, more=more)


@post("/admin/products/{product_id:str}/archive", status_code=200)
async def archive(visit: Visitor, product_id: FromPath[str]) -> Response[str]:
    """Takes a product out of the shop."""
    visit.require_staff()
    await visit.form()
    product = await editable(visit, product_id)
    await visit.front.catalogue.archive((await visit.person()).access_token, product.id)
    visit.note(visit.say("Archived: %(name)s", name=product.name))
    return visit.go(f"/admin/products/{product.id}")


@post("/admin/products/{product_id:str}/restore", status_code=200)
async def restore(visit: Visitor, product_id: FromPath[str]) -> Response[str]:
    """Puts a product back into the shop."""
    visit.require_staff()
    await visit.form()
    product = await _restored(visit, product_id)
    visit.note(visit.say("Back in the shop: %(name)s", name=product.name))
    return visit.go(f"/admin/products/{product.id}")


@post("/admin/stock", status_code=200)
async def change_stock(visit: Visitor) -> Response[str]:
    """So many more of a SKU, or fewer; the same form sent twice counts once."""
    visit.require_staff()
    fields = {name: str(value) for name, value in (await visit.form()).items()}
    sku, typed, once = (fields.get(name, "").strip() for name in ("sku", "delta", "once"))
    delta, fault = _delta(typed), ""
    if not delta:
        fault = visit.say("Enter how many more or fewer, such as +5 or -2.")
    else:
        try:
            token = (await visit.person()).access_token
            await visit.front.catalogue.change_stock(token, sku, delta, key_of(once, sku, delta))
        except Refused as refused:
            if refused.status not in {409, 422}:
                raise
            fault = _stock_fault(visit, refused.problem)
    if fault:
        product = await editable(visit, fields.get("product", ""))
        stock_form = Form({sku: typed}, {sku: fault})
        return product_page(visit, ProductForm.of(product), product, status=422, stock_form=stock_form)
    visit.note(visit.say("Stock of %(sku)s changed by %(delta)s.", sku=sku, delta=f"{delta:+}"))
    return visit.go(f"/admin/products/{segment(fields.get('product', ''))}#stock")


async def _named(visit: Visit, words: str) -> list[Product]:
    if not SKU.fullmatch(words):
        return []
    # SKUs are mostly written in capitals, and mostly typed without.
    skus = dict.fromkeys((words, words.upper()))
    found: Products = await visit.front.catalogue.search([("sku", sku) for sku in skus])
    return found.items


async def _restored(visit: Visit, product_id: str) -> Product:
    """Whatever else others change at the same time."""
    token = (await visit.person()).access_token
    for _ in range(ATTEMPTS):
        product = await editable(visit, product_id)
        try:
            return await visit.front.catalogue.change(token, product.id, {"status": "active"}, product.version)
        except Refused as refused:
            if refused.status != 412:
                raise
            last = refused
    raise last


def _delta(typed: str) -> int:
    """0 for what is no number of pieces."""
    found = DELTA.fullmatch(typed.replace(" ", ""))
    if found is None:
        return 0
    return int(found[2]) if found[1] in {"", "+"} else -int(found[2])


def _stock_fault(visit: Visit, problem: Problem) -> str:
    words = {
        "insufficient_stock": visit.say("There are not so many in stock."),
        "unknown_sku": visit.say("The shop has no such SKU any more."),
        "stock_limit": visit.say("That would be too much of it."),
    }
    return words.get(problem.code) or problem_text(visit, problem)


def _link(words: str, cursor: str = "") -> str:
    query = urlencode([(name, value) for name, value in (("q", words), ("cursor", cursor)) if value])
    return f"/admin?{query}" if query else "/admin"
