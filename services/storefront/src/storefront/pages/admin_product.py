"""Adding and changing one product."""

from collections.abc import Mapping
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from shopkit.errors import NotFound, Unavailable
from storefront.backends.answers import Problem, Refused
from storefront.backends.products import Product
from storefront.forms import Form, FormExpired, key_of
from storefront.product_form import ROWS_MOST, ProductForm
from storefront.product_texts import part
from storefront.visit import Visit, Visitor

# A hundred variants and the longest of texts, in whatever script.
PRODUCT_LIMIT = 2 * 1024 * 1024
# Sales change a product all the time; so often saving is begun again because of them.
ATTEMPTS = 5
# What the form can tell; anything else is no fault of what was typed.
TOLD = {409, 412, 413, 422, 429}


@get("/admin/products/new")
async def show_new(visit: Visitor) -> Response[str]:
    """The form of a new product, with one variant."""
    visit.require_staff()
    return product_page(visit, ProductForm(currency=visit.front.settings.currency))


@post("/admin/products", status_code=200, request_max_body_size=PRODUCT_LIMIT)
async def add_product(visit: Visitor) -> Response[str]:
    """Adds a product; the same form sent twice adds one."""
    visit.require_staff()
    fields, is_good = await _fields(visit)
    form = ProductForm.sent(fields, visit.front.settings.currency)
    if not is_good:
        return _expired(visit, form)
    if focus := _rearranged(form, fields):
        return product_page(visit, form, focus=focus)
    content, once = form.content(visit.say), str(fields.get("once", ""))
    if form.faults:
        return product_page(visit, form, status=422)
    try:
        token = (await visit.person()).access_token
        product = await visit.front.catalogue.add(token, content, key_of(once, content))
    except (Refused, Unavailable) as failure:
        return _again(visit, form, failure, same=once)
    visit.note(visit.say("Added: %(name)s", name=product.name))
    return visit.go(f"/admin/products/{product.id}")


@get("/admin/products/{product_id:str}")
async def show_edit(visit: Visitor, product_id: FromPath[str]) -> Response[str]:
    """The form of a product as it is, and its stock."""
    visit.require_staff()
    product = await editable(visit, product_id)
    return product_page(visit, ProductForm.of(product), product)


@post("/admin/products/{product_id:str}", status_code=200, request_max_body_size=PRODUCT_LIMIT)
async def save_product(visit: Visitor, product_id: FromPath[str]) -> Response[str]:
    """Changes a product, unless somebody else changed the same of it since the form was made."""
    visit.require_staff()
    fields, is_good = await _fields(visit)
    form = ProductForm.sent(fields, str(fields.get("currency", "")))
    product = None
    try:
        product = await editable(visit, product_id)
        form.currency = product.price_from.currency
        if not is_good:
            return _expired(visit, form, product)
        if focus := _rearranged(form, fields):
            return product_page(visit, form, product, focus=focus)
        product, status = await _save(visit, form, product)
    except (Refused, Unavailable) as failure:
        return _again(visit, form, failure, product, product_id=product_id)
    if status != 200:
        return product_page(visit, form, product, status=status)
    visit.note(visit.say("Saved: %(name)s", name=product.name))
    return visit.go(f"/admin/products/{product.id}")


async def editable(visit: Visit, product_id: str) -> Product:
    """The product as it is; NotFound where there is none."""
    try:
        return await visit.front.catalogue.product(product_id)
    except Refused as refused:
        if refused.status == 404:
            raise NotFound from refused
        raise


def product_page(
    visit: Visit,
    form: ProductForm,
    product: Product | None = None,
    *,
    product_id: str = "",
    status: int = 200,
    **more: Any,
) -> Response[str]:
    """The page of a product, or of a new one. `product` is as it is now, if it could be read; else its id alone.

    `focus` names the field to begin with, `same` makes saving again the same attempt, `stock_form` is by SKU.
    """
    context = {"focus": "", "same": "", "stock_form": Form(), **more}
    product_id = product.id if product else product_id
    return visit.page(
        "admin/product.html",
        status=status,
        form=form,
        product=product,
        product_id=product_id,
        is_full=form.rows >= ROWS_MOST,
        **context,
    )


async def _fields(visit: Visit) -> tuple[Mapping[str, Any], bool]:
    """What was typed, and whether it may be acted on: so much typing is not lost where its form has expired."""
    try:
        return await visit.form(), True
    except FormExpired:
        return await visit.typed(), False


def _rearranged(form: ProductForm, fields: Mapping[str, Any]) -> str:
    """Adds or removes a variant, if that is what the button was for: the field to go on with, else nothing."""
    action = str(fields.get("do", ""))
    if not form.rearrange(action):
        return ""
    return part(form.rows - 1, "sku") if action == "add" else "add-variant"


async def _save(visit: Visit, form: ProductForm, product: Product) -> tuple[Product, int]:
    """The product as it is then, and 200; 412 where others changed the same, 422 where the form cannot be read."""
    token = (await visit.person()).access_token
    for _ in range(ATTEMPTS):
        if not form.meet(product, visit.say):
            text = (
                "Somebody else has changed this product meanwhile. Compare, then save again to put yours in its place."
            )
            form.fault = visit.say(text)
            return product, 412
        content = form.content(visit.say, product)
        if form.faults:
            return product, 422
        try:
            return await visit.front.catalogue.change(token, product.id, content, product.version), 200
        except Refused as refused:
            if refused.status != 412:
                raise
        product = await editable(visit, product.id)
    raise Refused(409, Problem("product_busy"))


def _expired(visit: Visit, form: ProductForm, product: Product | None = None) -> Response[str]:
    form.fault = visit.say("You have signed in anew since this page was made. Nothing is saved yet: please save again.")
    return product_page(visit, form, product, status=403)


def _again(
    visit: Visit, form: ProductForm, failure: Refused | Unavailable, product: Product | None = None, **more: str
) -> Response[str]:
    """The form with all that was typed and why it could not be saved."""
    if isinstance(failure, Unavailable):
        text = "A part of the shop is not answering just now, so this may not be saved. Please save again in a moment."
        form.fault = visit.say(text)
        return product_page(visit, form, product, status=503, **more)
    if failure.status not in TOLD:
        raise failure
    form.refuse_product(failure.problem, visit.say)
    return product_page(visit, form, product, status=failure.status, **more | {"same": ""})
