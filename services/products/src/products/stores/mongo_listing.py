"""Lists of products in MongoDB: a query becomes a filter, an order, and counts."""

from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.collection import AsyncCollection

from products.listing import FACET_VALUES_MAX, Facet, Listing, Place, Query, Sort
from products.stores.facts import Facts, KeptFacts
from products.stores.mongo_record import Document, from_document
from shopkit.mongo import Database

ORDERS: dict[Sort, tuple[str, int]] = {
    "relevance": ("score", DESCENDING),
    "price": ("price_from", ASCENDING),
    "-price": ("price_from", DESCENDING),
    "name": ("name_key", ASCENDING),
    "-created_at": ("created_at", DESCENDING),
}
HAVE_IT = {"$elemMatch": {"$or": [{"stock": None}, {"stock": {"$gt": 0}}]}}


async def read_listing(database: Database, query: Query, kept: KeptFacts) -> Listing:
    """One page and the facts about the whole result."""
    if query.words == ():
        return Listing([], None, 0, [], [])
    # Up to where a majority has what was written: what reads see, for the service reads what a majority has.
    state = (await database.command("hello"))["lastWrite"]["majorityOpTime"]
    wanted = _filter(query)
    facts = kept.find(state, query)
    if facts is None:
        facts = await _facts(database["products"], wanted)
        kept.keep(state, query, facts)
    documents = await _page(database["products"], query, wanted)
    last = documents[query.limit - 1] if len(documents) > query.limit else None
    products = [from_document(document) for document in documents[: query.limit]]
    return Listing(products, None if last is None else _place(last, query.sort), *facts)


async def _page(products: AsyncCollection[Document], query: Query, wanted: Document) -> list[Document]:
    """Documents, one more than asked for where there is a next page."""
    key, direction = ORDERS[query.sort]
    stages: list[Document] = [{"$match": wanted}]
    if query.sort == "relevance":
        stages.append({"$set": {"score": {"$meta": "textScore"}}})
    if query.after is not None:
        value: Any
        value, product_id = query.after
        if query.sort == "-created_at":
            value = datetime.fromtimestamp(value / 1000, UTC)
        beyond = "$gt" if direction == ASCENDING else "$lt"
        stages.append({"$match": {"$or": [{key: {beyond: value}}, {key: value, "_id": {beyond: product_id}}]}})
    stages += [{"$sort": {key: direction, "_id": direction}}, {"$limit": query.limit + 1}, {"$unset": "words"}]
    return await (await products.aggregate(stages)).to_list()


def _place(document: Document, sort: Sort) -> Place:
    key = document[ORDERS[sort][0]]
    return round(key.timestamp() * 1000) if sort == "-created_at" else key, document["_id"]


async def _facts(products: AsyncCollection[Document], wanted: Document) -> Facts:
    count: list[Document] = [{"$sort": {"count": -1, "_id": 1}}, {"$limit": FACET_VALUES_MAX}]
    facets = {
        "total": [{"$count": "count"}],
        "categories": [
            {"$match": {"category": {"$ne": None}}},
            {"$group": {"_id": "$category", "count": {"$sum": 1}}},
            *count,
        ],
        "tags": [{"$unwind": "$tags"}, {"$group": {"_id": "$tags", "count": {"$sum": 1}}}, *count],
    }
    stages = [{"$match": wanted}, {"$project": {"category": 1, "tags": 1}}, {"$facet": facets}]
    (counts,) = await (await products.aggregate(stages)).to_list()
    return Facts(
        sum(group["count"] for group in counts["total"]),
        [Facet(group["_id"], group["count"]) for group in counts["categories"]],
        [Facet(group["_id"], group["count"]) for group in counts["tags"]],
    )


def _filter(query: Query) -> Document:
    """What a product of the result fulfils."""
    wanted: Document = {"status": "active"}
    if query.words:
        # The text index finds products with any of the words, and scores them; that all are there is said beside it.
        wanted["$text"] = {"$search": " ".join(query.words)}
        fields = ("words.name", "words.labels", "words.description")
        wanted["$and"] = [{"$or": [{field: word} for field in fields]} for word in query.words]
    if query.tags:
        wanted["tags"] = {"$all": list(query.tags)}
    prices = {"$gte": query.min_price, "$lte": query.max_price}
    bounds = {operator: bound for operator, bound in prices.items() if bound is not None}
    if bounds:
        wanted["price_from"] = bounds
    if query.category is not None:
        wanted["category"] = query.category
    if query.in_stock is not None:
        wanted["variants"] = HAVE_IT if query.in_stock else {"$not": HAVE_IT}
    return wanted
