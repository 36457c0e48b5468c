# mypy: disable-error-code="import-not-found, untyped-decorator"
"""Guests' carts: the routes and the storage. What may be in a cart is said in cart.py."""

import asyncio
import random
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Response
from uuid_utils import uuid7

from . import schemas
from .cart import Edit, Facts, edit, price
from .database import Collection, Database, Document, Opened
from .problems import Problem

LIFE = timedelta(days=30)
ATTEMPTS = 40
PAUSE_SECONDS = 0.02
NAMED = {"name": 1, "image_url": 1, "status": 1, "variants": 1}

Token = Annotated[str, Header(alias="Cart-Token")]
SkuInPath = Annotated[str, Path(pattern=schemas.SKU)]

router = APIRouter(prefix="/carts")


@router.post("", status_code=201, response_model=schemas.OpenedCart, response_model_exclude_unset=True)
async def add_to_my_cart(
    database: Opened, content: schemas.CartIn, response: Response, cart_token: Token = ""
) -> Document:
    """Adds to the cart that the token opens; makes one where there is none."""
    edits = _edits(content)
    current = await database.carts.find_one(_open({"token_hash": _hash(cart_token)})) if cart_token else None
    if current is not None:
        response.status_code = 200
        return await _change(database, _open({"_id": current["_id"]}), edits)
    cart = await _create(database, edits)
    response.headers["Location"] = f"/carts/{cart['id']}"
    return cart


@router.get("/{cart_id}", response_model=schemas.Cart)
async def show_cart(database: Opened, cart_id: str, cart_token: Token = "") -> Document:
    """The cart, at present prices."""
    cart = await _find(database.carts, _own(cart_id, cart_token))
    return price(cart, await _look_up(database.products, cart))


@router.post("/{cart_id}/lines", response_model=schemas.Cart)
async def add_line(database: Opened, cart_id: str, content: schemas.LineIn, cart_token: Token = "") -> Document:
    """Adds so many of a product to those the cart holds."""
    return await _change(database, _own(cart_id, cart_token), [Edit(content.sku, delta=content.quantity)])


@router.put("/{cart_id}/lines/{sku}", response_model=schemas.Cart)
async def set_line(
    database: Opened, cart_id: str, sku: SkuInPath, content: schemas.QuantityIn, cart_token: Token = ""
) -> Document:
    """Sets how many of a product the cart holds; 0 removes the line."""
    return await _change(database, _own(cart_id, cart_token), [Edit(sku, quantity=content.quantity)])


def _edits(content: schemas.CartIn) -> list[Edit]:
    if content.sku:
        return [Edit(content.sku, delta=content.quantity)]
    return [Edit(line.sku, delta=line.quantity, pointer=f"#/lines/{at}") for at, line in enumerate(content.lines)]


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _open(condition: Document) -> Document:
    # MongoDB drops expired carts about once a minute; until then they are no longer found.
    return {**condition, "expires_at": {"$gt": datetime.now(UTC)}}


def _own(cart_id: str, token: str) -> Document:
    return _open({"_id": cart_id, "token_hash": _hash(token)})


def _now() -> datetime:
    """The time, cut to milliseconds: all that BSON keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


async def _find(carts: Collection, condition: Document) -> Document:
    cart = await carts.find_one(condition)
    if cart is None:
        raise Problem("not_found", "There is no such cart, or it is not yours.")
    return cart


async def _create(database: Database, edits: Sequence[Edit]) -> Document:
    token = secrets.token_urlsafe(24)
    now = _now()
    cart: Document = {"_id": str(uuid7()), "token_hash": _hash(token), "version": 0, "currency": None, "lines": []}
    facts = await _look_up(database.products, cart, edits)
    cart |= {"created_at": now, **_next_version(cart, now), **(edit(cart, edits, facts) or {})}
    await database.carts.insert_one(cart)
    return {**price(cart, facts), "token": token}


async def _change(database: Database, condition: Document, edits: Sequence[Edit]) -> Document:
    """Loads, changes and saves the cart if nobody else has meanwhile; else begins again."""
    for _ in range(ATTEMPTS):
        cart = await _find(database.carts, condition)
        facts = await _look_up(database.products, cart, edits)
        edited = edit(cart, edits, facts)
        if edited is None:
            return price(cart, facts)
        version = _next_version(cart, _now())
        update = {"$set": {**version, **_differences(cart["lines"], edited)}}
        outcome = await database.carts.update_one({"_id": cart["_id"], "version": cart["version"]}, update)
        if outcome.matched_count == 1:
            return price({**cart, **version, **edited}, facts)
        await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))
    raise Problem("cart_busy")


def _next_version(cart: Document, now: datetime) -> Document:
    return {"version": cart["version"] + 1, "updated_at": now, "expires_at": now + LIFE}


def _differences(lines: Sequence[Document], edited: Document) -> Document:
    """What to set: where the lines are the same ones, only the quantities that differ."""
    if [line["sku"] for line in lines] != [line["sku"] for line in edited["lines"]]:
        return edited
    pairs = enumerate(zip(lines, edited["lines"], strict=True))
    return {f"lines.{at}.quantity": now["quantity"] for at, (was, now) in pairs if now["quantity"] != was["quantity"]}


async def _look_up(products: Collection, cart: Document, edits: Sequence[Edit] = ()) -> Facts:
    """What the catalogue says of the cart's lines and of what is to be added."""
    skus = list({line["sku"] for line in cart["lines"]} | {wish.sku for wish in edits})
    if not skus:
        return {}
    found = await products.find({"variants.sku": {"$in": skus}}, NAMED).to_list()
    return {variant["sku"]: _fact(product, variant) for product in found for variant in product["variants"]}


def _fact(product: Document, variant: Document) -> dict[str, Any]:
    return {
        "product_id": product["_id"],
        "name": product["name"],
        "options": variant["options"],
        "image_url": product["image_url"],
        "price": variant["price"],
        "stock": variant["stock"],
        "for_sale": product["status"] == "active",
    }
