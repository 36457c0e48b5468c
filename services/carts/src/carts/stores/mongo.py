"""Carts in MongoDB."""

from collections.abc import Callable
from typing import Any, TypeVar

from pymongo.errors import DuplicateKeyError

from carts.cart import Cart
from carts.store import OwnerHasCart
from carts.stores.batches import Batches, batch_sizes
from carts.stores.mongo_saves import Saves, changing_members
from carts.stores.record import Texts, from_texts
from shopkit.errors import RecordChanged
from shopkit.idempotency import Replay
from shopkit.metrics import Metrics
from shopkit.mongo import Database, Document, Mongo, Session, keep_replay
from shopkit.values import Clock

FINDS_AT_ONCE = 64
Found = TypeVar("Found")


class MongoCartStore:
    """A CartStore."""

    def __init__(self, url: str, metrics: Metrics, clock: Clock) -> None:
        self._mongo = Mongo(url, "carts", [make_carts], metrics)
        self._clock = clock
        self._sizes = batch_sizes(metrics)
        self._saves = Saves(self._mongo, self._sizes("save"))
        self._versions = self._finds("is_current", "_id", {}, _version_in, "version")
        self._by_id = self._finds("find", "_id", {}, _texts_in, "record", "base")
        self._by_owner = self._finds("find_of_owner", "owner", {"is_open": True}, _texts_in, "record", "base")
        self._by_token = self._finds("find_of_token", "token_hash", {"is_open": True}, _texts_in, "record", "base")
        self.prepare = self._mongo.prepare
        self.ping = self._mongo.ping

    async def close(self) -> None:
        for batches in (self._saves, self._versions, self._by_id, self._by_owner, self._by_token):
            await batches.close()
        await self._mongo.close()

    async def find(self, cart_id: str) -> Cart | None:
        return _cart_in(await self._by_id.do(cart_id))

    async def is_current(self, cart_id: str, version: int) -> bool:
        return await self._versions.do(cart_id) == version

    async def find_of_owner(self, owner: str) -> Cart | None:
        return _cart_in(await self._by_owner.do(owner))

    async def find_of_token(self, token_hash: str) -> Cart | None:
        return _cart_in(await self._by_token.do(token_hash))

    def _finds(
        self, operation: str, member: str, condition: Document, found_in: Callable[[Document], Found], *members: str
    ) -> Batches[str, Found | None]:
        """Finds some members of records by one of their members, many at once."""
        wanted_members = dict.fromkeys((member, *members), 1)

        async def work(values: list[str]) -> list[Found | None]:
            # MongoDB drops expired carts about once a minute; until then they are no longer found.
            wanted = {member: {"$in": list(set(values))}, **condition, "expires_at": {"$gt": self._clock()}}
            async with self._mongo.call(operation) as database:
                records = await database["carts"].find(wanted, wanted_members).to_list()
            found = {each[member]: found_in(each) for each in records}
            return [found.get(value) for value in values]

        return Batches(work, FINDS_AT_ONCE, self._sizes(operation))

    async def add(self, cart: Cart, replay: Replay | None) -> None:
        async def work(database: Database, session: Session | None) -> None:
            await self._insert(database, session, cart)

        await self._mongo.change("add", replay, work)

    async def save(self, cart: Cart, replay: Replay | None) -> None:
        async def work(database: Database, session: Session | None) -> None:
            await _update(database, session, cart)

        if replay is None:
            await self._saves.save(cart)
        else:
            await self._mongo.change("save", replay, work)

    async def merge(self, saved: Cart, guest: Cart, replay: Replay) -> None:
        async def work(database: Database, session: Session) -> None:
            if saved.version == 1:
                await self._insert(database, session, saved)
            else:
                await _update(database, session, saved)
            await _update(database, session, guest)
            await keep_replay(database, session, replay)

        await self._mongo.transaction("merge", work)

    async def keep_replay(self, replay: Replay) -> None:
        async def nothing(_: Database, __: Session | None) -> None: ...

        await self._mongo.change("keep_replay", replay, nothing)

    async def find_replay(self, replay_id: str) -> Replay | None:
        return await self._mongo.find_replay(replay_id, self._clock())

    async def _insert(self, database: Database, session: Session | None, cart: Cart) -> None:
        carts = database["carts"]
        if cart.owner is not None:
            await carts.delete_many({"owner": cart.owner, "expires_at": {"$lte": self._clock()}}, session=session)
        try:
            await carts.insert_one({"_id": cart.id, **_members(cart)}, session=session)
        except DuplicateKeyError as error:
            raise OwnerHasCart from error


async def _update(database: Database, session: Session | None, cart: Cart) -> None:
    condition = {"_id": cart.id, "version": cart.version - 1}
    result = await database["carts"].update_one(condition, {"$set": changing_members(cart)}, session=session)
    if result.matched_count != 1:
        raise RecordChanged


def _members(cart: Cart) -> dict[str, Any]:
    # Absent, not null: the indexes hold only the carts that have these.
    opened_by = {"owner": cart.owner, "token_hash": cart.token_hash}
    return changing_members(cart) | {name: value for name, value in opened_by.items() if value is not None}


def _texts_in(record: Document) -> Texts:
    return Texts(record["record"], record.get("base"))


def _version_in(record: Document) -> int:
    version: int = record["version"]
    return version


def _cart_in(texts: Texts | None) -> Cart | None:
    # Each caller reads its own: a record that cannot be read is no fault of those found with it.
    return from_texts(*texts) if texts else None


async def make_carts(database: Database) -> None:
    """One open cart a user, one cart a token; MongoDB drops each cart when it expires."""
    carts = database["carts"]
    own = {"is_open": True, "owner": {"$exists": True}}
    await carts.create_index("owner", name="one_open_cart", unique=True, partialFilterExpression=own)
    await carts.create_index("token_hash", unique=True, sparse=True)
    await carts.create_index("expires_at", expireAfterSeconds=0)
