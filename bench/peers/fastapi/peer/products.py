# mypy: disable-error-code="import-not-found, untyped-decorator"
"""The catalogue, copied from the shop's with what it is searched and sorted by: a product, and lists of products."""

import asyncio
import json
import re
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import TypeAdapter

from . import schemas
from .database import Collection, Document, Opened
from .problems import Problem

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# All of a document but what it is only searched and sorted by.
SHOWN = {"words": 0, "name_key": 0}
FACET_VALUES_MAX = 50
Sort = Literal["relevance", "price", "-price", "name", "-created_at"]
ORDERS: dict[str, tuple[str, int]] = {
    "relevance": ("score", -1),
    "price": ("price_from", 1),
    "-price": ("price_from", -1),
    "name": ("name_key", 1),
    "-created_at": ("created_at", -1),
}
Place = tuple[Any, str]
CURSOR = TypeAdapter(tuple[Sort, int | float | str, str])
LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "þ": "th", "ð": "d", "ı": "i"})

router = APIRouter(prefix="/products")


@router.get("", response_model=schemas.Products)
async def find_products(
    database: Opened,
    q: Annotated[str, Query(max_length=200)] = "",
    category: Annotated[str, Query(max_length=100)] = "",
    sort: Sort = "relevance",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """A page of the active products that fit, and facts about all of them."""
    words = _words_of(q) if q.strip() else None
    if sort == "relevance" and words is None:
        sort = "-created_at"
    after = None if cursor is None else _decode(cursor, sort)
    if words == []:
        return {"items": [], "next_cursor": None, "total": 0, "facets": {"category": [], "tag": []}}
    wanted = _filter(words, category)
    page, facts = await asyncio.gather(
        _page(database.products, wanted, sort, after, limit), _facts(database.products, wanted)
    )
    return page | facts


@router.get("/{name}", response_model=schemas.Product)
async def show_product(database: Opened, name: str) -> dict[str, Any]:
    """A product, by its id or slug."""
    found = await database.products.find_one({"_id" if ID.fullmatch(name) else "slug": name}, SHOWN)
    if found is None:
        raise Problem("not_found", "No product has this id or slug.")
    return _product(found)


def _filter(words: list[str] | None, category: str) -> Document:
    wanted: Document = {"status": "active"}
    if words:
        # The text index finds products with any of the words, and scores them; that all are there is said beside it.
        fields = ("words.name", "words.labels", "words.description")
        wanted["$text"] = {"$search": " ".join(words)}
        wanted["$and"] = [{"$or": [{field: word} for field in fields]} for word in words]
    if category:
        wanted["category"] = category
    return wanted


async def _page(products: Collection, wanted: Document, sort: Sort, after: Place | None, limit: int) -> dict[str, Any]:
    key, direction = ORDERS[sort]
    stages: list[Document] = [{"$match": wanted}]
    if sort == "relevance":
        stages.append({"$set": {"score": {"$meta": "textScore"}}})
    if after is not None:
        value, product_id = after
        beyond = "$gt" if direction == 1 else "$lt"
        stages.append({"$match": {"$or": [{key: {beyond: value}}, {key: value, "_id": {beyond: product_id}}]}})
    stages += [{"$sort": {key: direction, "_id": direction}}, {"$limit": limit + 1}, {"$unset": "words"}]
    found = await (await products.aggregate(stages)).to_list()
    shown = found[:limit]
    next_cursor = _encode(sort, shown[-1]) if len(found) > limit else None
    return {"items": [_product(document) for document in shown], "next_cursor": next_cursor}


async def _facts(products: Collection, wanted: Document) -> dict[str, Any]:
    frequent: list[Document] = [{"$sort": {"count": -1, "_id": 1}}, {"$limit": FACET_VALUES_MAX}]
    facets = {
        "total": [{"$count": "count"}],
        "category": [
            {"$match": {"category": {"$ne": None}}},
            {"$group": {"_id": "$category", "count": {"$sum": 1}}},
            *frequent,
        ],
        "tag": [{"$unwind": "$tags"}, {"$group": {"_id": "$tags", "count": {"$sum": 1}}}, *frequent],
    }
    stages = [{"$match": wanted}, {"$project": {"category": 1, "tags": 1}}, {"$facet": facets}]
    (counts,) = await (await products.aggregate(stages)).to_list()
    values = {
        name: [{"value": group["_id"], "count": group["count"]} for group in counts[name]]
        for name in ("category", "tag")
    }
    return {"total": sum(group["count"] for group in counts["total"]), "facets": values}


def _product(found: Document) -> dict[str, Any]:
    variants = found["variants"]
    return {
        **found,
        "id": found["_id"],
        "attributes": dict(found["attributes"]),
        "variants": [{**variant, "options": dict(variant["options"])} for variant in variants],
        "price_from": min((variant["price"] for variant in variants), key=lambda price: price["amount"]),
        "in_stock": any(variant["stock"] is None or variant["stock"] > 0 for variant in variants),
    }


def _encode(sort: Sort, last: Document) -> str:
    key = last[ORDERS[sort][0]]
    value = round(key.timestamp() * 1000) if sort == "-created_at" else key
    return urlsafe_b64encode(json.dumps([sort, value, last["_id"]]).encode()).decode().rstrip("=")


def _decode(cursor: str, sort: Sort) -> Place:
    try:
        of, value, product_id = CURSOR.validate_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if of == sort:
            return datetime.fromtimestamp(float(value) / 1000, UTC) if sort == "-created_at" else value, product_id
    except (ValueError, OverflowError):
        pass
    raise Problem.at("#/query/cursor", "This cursor was not made for this list.")


def _words_of(text: str) -> list[str]:
    """The words of a text as the catalogue keeps them: without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text).casefold().translate(LETTERS)
    bare = re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", plain))
    composed = unicodedata.normalize("NFC", bare)
    split = "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in composed)
    return list(dict.fromkeys(split.split()))
