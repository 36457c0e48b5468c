"""The query parameters of the list of products."""

from typing import Annotated, Any

import msgspec
from litestar.params import QueryParameter

from products.listing import Place, Query, Sort
from products.paging import Cursor, Limit, decode_cursor, encode_cursor
from products.words import words_of

NAMED_MAX = 100
NAMED = "exactly the products of these, archived ones too; no other parameter is heeded"
# The sort keys that a cursor may hold; integers within what every store takes.
Number = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999, description="since 1970, until the year 9999")]
ProductId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
PLACES: dict[Sort, Any] = {
    "relevance": tuple[float, ProductId],
    "price": tuple[Number, ProductId],
    "-price": tuple[Number, ProductId],
    "name": tuple[str, ProductId],
    "-created_at": tuple[Milliseconds, ProductId],
}

Words = Annotated[str | None, QueryParameter(max_length=200, description="words that must all be there")]
InCategory = Annotated[str | None, QueryParameter(name="category", max_length=100)]
WithTags = Annotated[list[str] | None, QueryParameter(name="tag", max_items=50, description="tags it must all have")]
Price = Annotated[int | None, QueryParameter(ge=0, le=10**12, description="minor units; compared with price_from")]
InStock = Annotated[bool | None, QueryParameter(name="in_stock", description="true: to be had; false: sold out")]
InOrder = Annotated[
    Sort | None, QueryParameter(name="sort", description="relevance where there are words, else -created_at")
]
Named = Annotated[list[str] | None, QueryParameter(max_items=NAMED_MAX, description=NAMED)]


def read_query(
    q: Words = None,
    category: InCategory = None,
    tag: WithTags = None,
    min_price: Price = None,
    max_price: Price = None,
    in_stock: InStock = None,
    sort: InOrder = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Query:
    """What is asked for. A blank `q` or `category` counts as none; without words there is no relevance."""
    has_words = q is not None and q.strip() != ""
    order: Sort = sort or "relevance"
    if order == "relevance" and not has_words:
        order = "-created_at"
    return Query(
        sort=order,
        limit=limit,
        after=decode_place(cursor, order) if cursor is not None else None,
        words=tuple(dict.fromkeys(words_of(q or ""))) if has_words else None,
        category=category or None,
        tags=tuple(tag or ()),
        min_price=min_price,
        max_price=max_price,
        in_stock=in_stock,
    )


def encode_place(place: Place | None, sort: Sort) -> str | None:
    """The cursor of a place in that order."""
    return encode_cursor(sort, place) if place is not None else None


def decode_place(cursor: str, sort: Sort) -> Place:
    """The place a cursor names; InvalidRequest unless we made it for that order."""
    place: Place = decode_cursor(cursor, sort, PLACES[sort])
    return place
