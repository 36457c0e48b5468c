"""Products in MongoDB."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import InsertOne, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

from products.product import STOCK_MAX, Product, SkuTaken, SlugTaken, is_id
from products.stock import StockChange, Stocks, change_stock, total_deltas
from products.store import Refusal
from products.stores.mongo_feed import MongoFeed
from products.stores.mongo_record import Document, from_document, to_document
from shopkit.errors import RecordChanged
from shopkit.idempotency import Replay
from shopkit.metrics import Metrics
from shopkit.mongo import Database, Mongo, Session, keep_replay
from shopkit.values import Clock

# Of transactions over the same stock all but one abort and begin again; a crowd would spend its time on that.
STOCK_TRANSACTIONS_AT_ONCE = 4
# Codes of a unique index that is broken, of a text that is no number, and of an index that is not there.
DUPLICATE_KEY, CONVERSION_FAILURE, INDEX_NOT_FOUND = 11000, 241, 27
# What was searched and sorted by before there was the read view.
SEARCHED = ("words", "price_from", "name_key")
SEARCH_INDEXES = (
    "search",
    *(f"status_1_{key}_1__id_1" for key in ("price_from", "name_key", "created_at", "category", "tags")),
)
CLEARED_AT_ONCE = 1000


async def make_products(database: Database) -> None:
    """The collection and its indexes."""
    products = database["products"]
    await products.create_index("slug", unique=True)
    await products.create_index("variants.sku", unique=True)


async def drop_search(database: Database) -> None:
    """Takes away what only served searches. Portion by portion: all at once might take longer than a call may.

    Versions stay, so replicas at work pass over what they are told of it.
    """
    products = database["products"]
    for name in SEARCH_INDEXES:
        try:
            await products.drop_index(name)
        except OperationFailure as error:
            if error.code != INDEX_NOT_FOUND:
                raise
    last = ""
    while found := await products.find({"_id": {"$gt": last}}, {"_id": 1}).sort("_id").limit(CLEARED_AT_ONCE).to_list():
        portion = {"_id": {"$gt": last, "$lte": found[-1]["_id"]}}
        await products.update_many(portion, {"$unset": dict.fromkeys(SEARCHED, "")})
        last = found[-1]["_id"]


class MongoProductStore:
    """A ProductStore."""

    def __init__(self, url: str, metrics: Metrics, clock: Clock) -> None:
        self._mongo = Mongo(url, "products", [make_products, drop_search], metrics)
        self._clock = clock
        feed = MongoFeed(self._mongo)
        self.position, self.scan, self.follow = feed.position, feed.scan, feed.follow
        self._turns = asyncio.Semaphore(STOCK_TRANSACTIONS_AT_ONCE)
        self.prepare = self._mongo.prepare
        self.ping = self._mongo.ping
        self.close = self._mongo.close

    async def find(self, id_or_slug: str) -> Product | None:
        wanted = {"_id" if is_id(id_or_slug) else "slug": id_or_slug}
        async with self._mongo.call("find") as database:
            found = await database["products"].find_one(wanted)
        return from_document(found) if found else None

    async def find_by_ids(self, ids: Sequence[str]) -> list[Product]:
        async with self._mongo.call("find_by_ids") as database:
            found = await database["products"].find({"_id": {"$in": list(ids)}}).to_list()
        return [from_document(document) for document in found]

    async def find_by_skus(self, skus: Sequence[str]) -> list[Product]:
        async with self._mongo.call("find_by_skus") as database:
            return await _holders(database, None, skus)

    async def add(self, product: Product, replay: Replay | None) -> None:
        async def work(database: Database, session: Session | None) -> None:
            await database["products"].insert_one(to_document(product), session=session)

        try:
            await self._mongo.change("add", replay, work)
        except DuplicateKeyError as error:
            raise _taken(error.details or {}) from error

    async def save(self, product: Product) -> None:
        try:
            async with self._mongo.call("save") as database:
                await _replace(database, None, product)
        except DuplicateKeyError as error:
            raise _taken(error.details or {}) from error

    async def keep_all(self, products: Sequence[Product]) -> list[Refusal | None]:
        writes = [_write(product) for product in products]
        if not writes:
            return []
        async with self._mongo.call("keep_all") as database:
            try:
                await database["products"].bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                refusals = refusals_in(error)
            else:
                refusals = {}
        return [refusals.get(index) for index in range(len(products))]

    async def change_stock(
        self, changes: Sequence[StockChange], at: datetime, remember: Callable[[Stocks], Replay | None] | None
    ) -> Stocks:
        if remember is None and len(total_deltas(changes)) == 1:
            return await self._change_stock_of_one(changes, at)

        async def work(database: Database, session: Session) -> Stocks:
            products = await _holders(database, session, [change.sku for change in changes])
            changed, stocks = change_stock(products, changes, at)
            for product in changed:
                await _replace(database, session, product)
            replay = remember(stocks) if remember is not None else None
            if replay is not None:
                await keep_replay(database, session, replay)
            return stocks

        async with self._turns:
            return await self._mongo.transaction("change_stock", work)

    async def _change_stock_of_one(self, changes: Sequence[StockChange], at: datetime) -> Stocks:
        """One conditional update does it, however many want the same SKU; only a refusal needs the product itself."""
        ((sku, delta),) = total_deltas(changes).items()
        async with self._mongo.call("change_stock") as database:
            while True:
                stocks = await _count(database, sku, delta, at) if delta else None
                if stocks is not None:
                    return stocks
                changed, stocks = change_stock(await _holders(database, None, [sku]), changes, at)
                if not changed:
                    return stocks

    async def keep_replay(self, replay: Replay) -> None:
        async def nothing(_: Database, __: Session | None) -> None: ...

        await self._mongo.change("keep_replay", replay, nothing)

    async def find_replay(self, replay_id: str) -> Replay | None:
        return await self._mongo.find_replay(replay_id, self._clock())


async def _holders(database: Database, session: Session | None, skus: Sequence[str]) -> list[Product]:
    wanted = {"variants.sku": {"$in": list(skus)}}
    found = await database["products"].find(wanted, session=session).to_list()
    return [from_document(document) for document in found]


async def _replace(database: Database, session: Session | None, product: Product) -> None:
    before = {"_id": product.id, "version": product.version - 1}
    outcome = await database["products"].replace_one(before, to_document(product), session=session)
    if outcome.matched_count != 1:
        raise RecordChanged


async def _count(database: Database, sku: str, delta: int, at: datetime) -> Stocks | None:
    """Adds `delta` to a stock that is counted and stays within its bounds; None if there is none such."""
    within = {"$gte": max(0, -delta), "$lte": STOCK_MAX - max(0, delta)}
    found: dict[str, Any] | None = await database["products"].find_one_and_update(
        {"variants": {"$elemMatch": {"sku": sku, "stock": within}}},
        {"$inc": {"variants.$.stock": delta, "version": 1}, "$set": {"updated_at": at}},
        projection={"variants.sku": 1, "variants.stock": 1},
        return_document=ReturnDocument.AFTER,
    )
    if found is None:
        return None
    return {variant["sku"]: variant["stock"] for variant in found["variants"] if variant["sku"] == sku}


def _write(product: Product) -> InsertOne[Document] | UpdateOne:
    """One write of many. A bulk tells how many it matched, not which; so what comes too late fails, and is told of."""
    document = to_document(product)
    if product.version == 1:
        return InsertOne(document)
    is_next = {"$eq": ["$version", product.version - 1]}
    failure = {"$toInt": {"$concat": ["too late for ", "$_id"]}}
    change = {"$replaceWith": {"$cond": [is_next, {"$literal": document}, failure]}}
    # An upsert, so that what is not there at all fails too.
    return UpdateOne({"_id": product.id}, [change], upsert=True)


def refusals_in(error: BulkWriteError) -> dict[int, Refusal]:
    """Why single writes of a bulk were refused, by their place in it; OperationFailure if anything else went wrong."""
    if error.timeout:
        raise error
    details = error.details or {"writeErrors": [], "writeConcernErrors": []}
    refusals: dict[int, Refusal] = {}
    others: list[dict[str, Any]] = list(details["writeConcernErrors"])
    for fault in details["writeErrors"]:
        if fault["code"] == DUPLICATE_KEY:
            refusals[fault["index"]] = _taken(fault)
        elif fault["code"] == CONVERSION_FAILURE:
            refusals[fault["index"]] = RecordChanged()
        else:
            others.append(fault)
    if others:
        raise OperationFailure(others[0]["errmsg"], others[0]["code"]) from error
    return refusals


def _taken(fault: Mapping[str, Any]) -> SkuTaken | SlugTaken:
    (value,) = fault.get("keyValue", {"": ""}).values()
    if "slug" in fault.get("keyPattern", {}):
        return SlugTaken(f"Another product has the slug {value}.")
    return SkuTaken(f"Another product has the SKU {value}.", sku=value)
