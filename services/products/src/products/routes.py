"""The wire of products: decode, act, encode."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency, Provide
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, SkipValidation
from litestar.types import ControllerRouterHandler

from products import product as rules
from products.batch import place_all
from products.changes import ChangeLog, ChangesOut, Cursor, WaitMs
from products.changing import ProductBusy, Rule, Shop
from products.images import HEADERS, Images
from products.listing import Query
from products.parameters import Named, encode_place, read_query
from products.patching import apply_patch
from products.product import LastVariant, Product, SkuTaken, SlugTaken, VariantLimit
from products.schemas import (
    BatchIn,
    BatchOut,
    ProductIn,
    ProductOut,
    ProductPatch,
    ProductsOut,
    StockIn,
    StockOut,
    VariantContent,
    product_out,
    stock_out,
)
from products.stock import InsufficientStock, StockLimit, Stocks, UnknownSku
from products.view.answers import encode_listing, encode_named
from shopkit import deadline
from shopkit.errors import NotFound
from shopkit.idempotency import IdempotencyInFlight, IdempotencyKeyReused, Remember, Replay, once
from shopkit.problems import raises
from shopkit.requests import KEYED, TAGGED, ShopRequest, staff

BATCH_BODY_LIMIT = 4 * 1024 * 1024

Products = NamedDependency[SkipValidation[Shop]]
Asked = NamedDependency[SkipValidation[Query]]
Pictures = NamedDependency[SkipValidation[Images]]
Changes = NamedDependency[SkipValidation[ChangeLog]]

REPEATED = (IdempotencyKeyReused, IdempotencyInFlight)


@get("/products", dependencies={"wanted": Provide(read_query, sync_to_thread=False)}, summary="Find products")
async def find_products(
    request: ShopRequest, shop: Products, wanted: Asked, sku: Named = None, id: Named = None
) -> Response[ProductsOut]:
    """A page of the active products that fit; or, by `sku` or `id`, exactly those, in the order asked."""
    # These parameters are called as on the wire, for a fault in one is told by its name here.
    if sku is not None or id is not None:
        return request.answer(await _named(request, shop, sku or [], id or []))
    listing = shop.view.answers.page(wanted)
    body = encode_listing(listing, encode_place(listing.next, wanted.sort))
    shop.view.answers.keep_list(request.scope["query_string"], body)
    ready: Any = msgspec.Raw(body)
    return request.answer(ready)


@get("/products/{product:str}", opt=TAGGED, summary="A product, by id or slug", responses=raises(NotFound))
async def show_product(request: ShopRequest, product: FromPath[str], shop: Products) -> Response[ProductOut]:
    """The product; an archived one too."""
    found = await shop.read(product, fresh=_must_be_fresh(request))
    ready: Any = msgspec.Raw(found.json)
    return request.answer(ready, tag=str(found.head.version))


@post(
    "/products",
    before_request=staff,
    opt=KEYED,
    summary="Add a product",
    responses=raises(SkuTaken, SlugTaken, *REPEATED),
)
async def add_product(request: ShopRequest, data: JSONBody[ProductIn], shop: Products) -> Response[ProductOut]:
    """Adds a product with its variants."""
    draft = data.draft()

    def answer(product: Product) -> Response[ProductOut]:
        headers = {"Location": request.location(f"/products/{product.id}")}
        return request.answer(product_out(product), status=201, tag=str(product.version), headers=headers)

    async def work(remember: Remember) -> Response[ProductOut]:
        return answer(await shop.add(draft, lambda product: remember(answer(product))))

    return await once(request, shop.store, shop.clock, request.caller.id, work)


@patch(
    "/products/{product:str}",
    before_request=staff,
    opt=TAGGED,
    summary="Change a product",
    responses=raises(NotFound, SkuTaken, SlugTaken, ProductBusy),
)
async def change_product(
    request: ShopRequest, product: FromPath[str], data: JSONBody[ProductPatch], shop: Products
) -> Response[ProductOut]:
    """JSON Merge Patch; what changes nothing makes no new version."""
    return await _change(request, shop, "changed", product, lambda now: apply_patch(now, data, shop.clock()))


@delete(
    "/products/{product:str}",
    before_request=staff,
    opt=TAGGED,
    summary="Archive a product",
    responses=raises(NotFound, ProductBusy),
)
async def archive_product(request: ShopRequest, product: FromPath[str], shop: Products) -> None:
    """Takes it out of all lists; so does asking again."""
    await _change(request, shop, "archived", product, lambda now: rules.archive(now, shop.clock()))


@put(
    "/products/{product:str}/variants/{sku:str}",
    before_request=staff,
    opt=TAGGED,
    summary="Add or replace a variant",
    responses=raises(NotFound, SkuTaken, VariantLimit, ProductBusy),
)
async def put_variant(
    request: ShopRequest, product: FromPath[str], sku: FromPath[str], data: JSONBody[VariantContent], shop: Products
) -> Response[ProductOut]:
    """Answers the product, with the variant as it is now."""
    variant = data.variant(sku)
    return await _change(
        request, shop, "variant_put", product, lambda now: rules.put_variant(now, variant, shop.clock())
    )


@delete(
    "/products/{product:str}/variants/{sku:str}",
    before_request=staff,
    opt=TAGGED,
    status_code=200,
    summary="Remove a variant",
    responses=raises(NotFound, LastVariant, ProductBusy),
)
async def remove_variant(
    request: ShopRequest, product: FromPath[str], sku: FromPath[str], shop: Products
) -> Response[ProductOut]:
    """Answers the product without it. The last variant stays."""
    return await _change(
        request, shop, "variant_removed", product, lambda now: rules.remove_variant(now, sku, shop.clock())
    )


@post(
    "/products/batch",
    before_request=staff,
    opt=KEYED,
    status_code=200,
    request_max_body_size=BATCH_BODY_LIMIT,
    summary="Add and change many products",
    responses=raises(*REPEATED),
)
async def place_batch(request: ShopRequest, data: JSONBody[BatchIn], shop: Products) -> Response[BatchOut]:
    """An item with a known SKU changes that product as PATCH would, any other is added; each has its own result."""

    async def work(remember: Remember) -> Response[BatchOut]:
        answer = request.answer(BatchOut(await place_all(shop, data.items, str(request.scope["state"]["request_id"]))))
        replay = remember(answer)
        if replay is not None:
            await shop.store.keep_replay(replay)
        return answer

    return await once(request, shop.store, shop.clock, request.caller.id, work)


@post(
    "/stock",
    before_request=staff,
    opt=KEYED,
    status_code=200,
    summary="Change stock",
    responses=raises(UnknownSku, InsufficientStock, StockLimit, *REPEATED),
)
async def change_stock(request: ShopRequest, data: JSONBody[StockIn], shop: Products) -> Response[StockOut]:
    """All changes or none; what is not counted stays so."""
    changes = data.stock_changes()

    def answer(stocks: Stocks) -> Response[StockOut]:
        return request.answer(stock_out(changes, stocks))

    async def work(remember: Remember) -> Response[StockOut]:
        def keep(stocks: Stocks) -> Replay | None:
            return remember(answer(stocks))

        # Without a key there is nothing to keep, and the store may do with less than a transaction.
        keyed = "idempotency-key" in request.headers
        return answer(await shop.change_stock(changes, keep if keyed else None))

    return await once(request, shop.store, shop.clock, request.caller.id, work)


@get("/changes", summary="What has changed since")
async def show_changes(
    request: ShopRequest, changes: Changes, cursor: Cursor = None, wait_ms: WaitMs = 0
) -> Response[ChangesOut]:
    """Products that have changed after `cursor`, which the answer before gave; where none has, waits for the first."""
    if wait_ms:
        # Asked over and over by each replica of carts: told in the log it would be all that is seen there.
        request.scope["state"]["is_quiet"] = True
        await changes.wait(cursor, deadline.remaining(wait_ms / 1000))
    # A cursor means something to this replica alone.
    return request.answer(changes.after(cursor), headers={"Connection": "keep-alive"})


@get(
    "/images/{file:str}",
    summary="A picture of a product",
    responses=raises(NotFound) | {200: ResponseSpec(bytes, description="The picture", media_type="image/*")},
)
async def show_image(file: FromPath[str], pictures: Pictures) -> Response[bytes]:
    """A file of the folder IMAGES_DIR."""
    content, media_type = await pictures.get(file)
    return Response(content, media_type=media_type, headers=HEADERS)


def handlers() -> list[ControllerRouterHandler]:
    """All of them."""
    return [
        find_products,
        show_product,
        add_product,
        change_product,
        archive_product,
        put_variant,
        remove_variant,
        place_batch,
        change_stock,
        show_changes,
        show_image,
    ]


async def _named(request: ShopRequest, shop: Shop, skus: Sequence[str], ids: Sequence[str]) -> Any:
    fresh = _must_be_fresh(request)
    found = [
        *(await shop.read_all("sku", skus, fresh=fresh) if skus else []),
        *(await shop.read_all("id", ids, fresh=fresh) if ids else []),
    ]
    asked = list(dict.fromkeys([*skus, *ids]))
    by_name = {sku: one for one in found for sku in one.head.skus if sku in skus}
    by_name |= {one.head.id: one for one in found if one.head.id in ids}
    named = {by_name[name].head.id: by_name[name] for name in asked if name in by_name}
    return msgspec.Raw(encode_named(list(named.values()), [name for name in asked if name not in by_name]))


def _must_be_fresh(request: ShopRequest) -> bool:
    """Whether the caller wants to hear it from the store."""
    return "no-cache" in request.headers.get("cache-control", "").lower()


async def _change(request: ShopRequest, shop: Shop, kind: str, name: str, rule: Rule) -> Response[ProductOut]:
    """Changes the product that the caller has seen: If-Match is asked anew whenever another was faster."""

    def checked(product: Product) -> Product:
        request.require_version(product.version, current=product_out(product))
        return rule(product)

    return _answer(request, await shop.change(kind, name, checked))


def _answer(request: ShopRequest, product: Product) -> Response[ProductOut]:
    return request.answer(product_out(product), tag=str(product.version))
