"""Home, search and products."""

from typing import Annotated

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from shopkit.errors import NotFound
from storefront.backends.answers import Refused
from storefront.backends.products import Product, Variant
from storefront.searching import Query
from storefront.visit import Visit, Visitor

LATEST = "12"
Chosen = Annotated[str, QueryParameter(name="sku")]


@get("/")
async def show_home(visit: Visitor) -> Response[str]:
    """The categories, and what is new."""
    latest = await visit.front.catalogue.search([("sort", "-created_at"), ("limit", LATEST)])
    return visit.page("home.html", latest=latest)


@get("/search")
async def show_search(request: Request, visit: Visitor) -> Response[str]:  # type: ignore[type-arg]
    """What was looked for, page by page."""
    currency = visit.front.settings.currency
    fault = visit.say("Enter an amount such as 12.50.")
    query = Query.of(request.query_params.multi_items()).checked(currency, fault)
    try:
        products = await visit.front.catalogue.search(query.for_catalogue(currency))
    except Refused:
        if not query.cursor:
            raise
        # A place in a list that is no more, or was tampered with: the list from its beginning.
        return visit.go(query.link())
    return visit.page("search.html", products=products, query=query, more=bool(query.cursor))


@get("/p/{slug:str}")
async def show_product(visit: Visitor, slug: FromPath[str], sku: Chosen = "") -> Response[str]:
    """A product, with the variant that was chosen or the first that can be had."""
    return await product_page(visit, slug, sku)


async def product_page(
    visit: Visit, slug: str, sku: str = "", *, quantity: int | str = 1, fault: str = "", status: int = 200
) -> Response[str]:
    """The page of a product; with a `fault`, what could not be added and why."""
    try:
        product = await visit.front.catalogue.product(slug)
    except Refused as refused:
        if refused.status == 404:
            raise NotFound from refused
        raise
    if product.status != "active" and status == 200:
        status = 410
    chosen = _chosen(product, sku)
    # Private, so that it comes anew when one goes back to it: a form that was sent adds nothing if it is sent again.
    return visit.page(
        "product.html", status=status, private=True, product=product, chosen=chosen, quantity=quantity, fault=fault
    )


def _chosen(product: Product, sku: str) -> Variant | None:
    return product.variant(sku) or next((v for v in product.variants if v.in_stock), product.variants[0])
