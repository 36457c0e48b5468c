"""Carts in MongoDB."""

from typing import Any

from pymongo.errors import DuplicateKeyError

from carts.cart import Cart
from carts.store import OwnerHasCart
from carts.stores.record import from_text, to_text
from shopkit.errors import RecordChanged
from shopkit.idempotency import Replay
from shopkit.metrics import Metrics
from shopkit.mongo import Database, Mongo, Session, keep_replay
from shopkit.values import Clock


class MongoCartStore:
    """A CartStore."""

    def __init__(self, url: str, metrics: Metrics, clock: Clock) -> None:
        self._mongo = Mongo(url, "carts", [make_carts], metrics)
        self._clock = clock
        self.prepare = self._mongo.prepare
        self.ping = self._mongo.ping
        self.close = self._mongo.close

    async def find(self, cart_id: str) -> Cart | None:
        return await self._find("find", {"_id": cart_id})

    async def find_of_owner(self, owner: str) -> Cart | None:
        return await self._find("find_of_owner", {"owner": owner, "is_open": True})

    async def find_of_token(self, token_hash: str) -> Cart | None:
        return await self._find("find_of_token", {"token_hash": token_hash, "is_open": True})

    async def _find(self, operation: str, condition: dict[str, Any]) -> Cart | None:
        # MongoDB drops expired carts about once a minute; until then they are no longer found.
        async with self._mongo.call(operation) as database:
            found = await database["carts"].find_one({**condition, "expires_at": {"$gt": self._clock()}}, {"record": 1})
        return from_text(found["record"]) if found else None

    async def add(self, cart: Cart, replay: Replay | None) -> None:
        async def work(database: Database, session: Session | None) -> None:
            await self._insert(database, session, cart)

        await self._mongo.change("add", replay, work)

    async def save(self, cart: Cart, replay: Replay | None) -> None:
        async def work(database: Database, session: Session | None) -> None:
            await _update(database, session, cart)

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
    result = await database["carts"].update_one(condition, {"$set": _members(cart)}, session=session)
    if result.matched_count != 1:
        raise RecordChanged


def _members(cart: Cart) -> dict[str, Any]:
    members = {"version": cart.version, "is_open": cart.is_open, "expires_at": cart.expires_at, "record": to_text(cart)}
    # Absent, not null: the indexes hold only the carts that have these.
    opened_by = {"owner": cart.owner, "token_hash": cart.token_hash}
    return members | {name: value for name, value in opened_by.items() if value is not None}


async def make_carts(database: Database) -> None:
    """One open cart a user, one cart a token; MongoDB drops each cart when it expires."""
    carts = database["carts"]
    own = {"is_open": True, "owner": {"$exists": True}}
    await carts.create_index("owner", name="one_open_cart", unique=True, partialFilterExpression=own)
    await carts.create_index("token_hash", unique=True, sparse=True)
    await carts.create_index("expires_at", expireAfterSeconds=0)
