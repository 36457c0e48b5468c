"""The feed of changes in MongoDB: a change stream of the collection."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure

from products.product import Product
from products.store import Change, PositionLost
from products.stores.mongo_record import Document, from_document
from shopkit.errors import Unavailable
from shopkit.mongo import Database, Mongo

AT_ONCE = 500
# How long MongoDB waits for a change before it says that there is none.
AWAIT_MS = 80
# So many changes in one answer are all that there were.
ALL_AT_ONCE = 20
# Codes of a position that is too old, of another collection, or none at all.
LOST_CODES = frozenset({260, 280, 286, 40585, 40615, 50811})
# Products are never deleted: anything else is somebody's repair, after which nothing here is certain.
CHANGES = frozenset({"insert", "update", "replace"})


class MongoFeed:
    """Position: which collection this is, and the token from which its change stream goes on."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def position(self) -> str:
        """Where the feed stands now."""
        async with self._mongo.call("position") as database:
            collection = await _identity(database)
            async with await _products(database).watch(max_await_time_ms=1) as stream:
                return f"{collection} {_token(stream)}"

    async def scan(self) -> AsyncIterator[list[Product]]:
        """Every product, some hundred at a time."""
        last = ""
        while True:
            async with self._mongo.call("scan") as database:
                found = _products(database).find({"_id": {"$gt": last}})
                documents = await found.sort("_id").limit(AT_ONCE).to_list()
            if not documents:
                return
            last = documents[-1]["_id"]
            yield [from_document(document) for document in documents]

    async def follow(self, position: str) -> AsyncGenerator[Change, None]:
        """Every change after that position."""
        collection, _, token = position.partition(" ")
        stream = await self._opened(collection, token)
        told, asked = 0, time.monotonic()
        try:
            while True:
                # Private, and pinned by a test: nothing public says whether the next one has to be asked for.
                if not stream._cursor._has_next():
                    told, asked = 0, time.monotonic()
                try:
                    async with self._mongo.call("follow"):
                        event = await stream.try_next()
                except OperationFailure as error:
                    raise _translated(error) from error
                if event is not None and event["operationType"] not in CHANGES:
                    raise PositionLost(f"The collection of products had a change of the kind {event['operationType']}.")
                told += 1
                if event is not None and event["fullDocument"] is not None:
                    yield Change(from_document(event["fullDocument"]), f"{collection} {_token(stream)}")
                # A large answer may have been cut off before all that there was.
                if not stream._cursor._has_next() and told <= ALL_AT_ONCE:
                    yield Change(None, f"{collection} {_token(stream)}", asked)
        finally:
            await stream.close()

    async def _opened(self, collection: str, token: str) -> AsyncChangeStream[Document]:
        try:
            async with self._mongo.call("follow") as database:
                if await _identity(database) != collection:
                    raise PositionLost("The collection of products is another one.")
                return await _products(database).watch(
                    [{"$project": {"updateDescription": 0}}],
                    full_document="updateLookup",
                    resume_after={"_data": token},
                    max_await_time_ms=AWAIT_MS,
                    batch_size=AT_ONCE,
                )
        except OperationFailure as error:
            raise _translated(error) from error


def _products(database: Database) -> AsyncCollection[Document]:
    return database["products"]


async def _identity(database: Database) -> str:
    """Another one where the collection was dropped and made again, or came from a backup."""
    found = await (await database.list_collections(filter={"name": "products"})).to_list()
    if not found:
        raise Unavailable("The database has no collection of products.")
    return bytes(found[0]["info"]["uuid"]).hex()


def _token(stream: AsyncChangeStream[Document]) -> str:
    token: Any = stream.resume_token
    return str(token["_data"])


def _translated(error: OperationFailure) -> Exception:
    return PositionLost(f"{error.code}: {error}") if error.code in LOST_CODES else error
