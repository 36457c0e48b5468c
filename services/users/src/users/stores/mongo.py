"""Accounts, sessions, limits and keys in one MongoDB database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from pymongo import ASCENDING, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from shopkit.errors import RateLimited, RecordChanged
from shopkit.idempotency import Replay
from shopkit.metrics import Metrics
from shopkit.mongo import Database, Document, Mongo
from shopkit.mongo import Session as Transaction
from shopkit.values import Clock
from users.account import EmailTaken, User
from users.limits import Bucket, latest_due, require_place
from users.session import Ending, Session
from users.store import SigningKey


async def make_indexes(database: Database) -> None:
    """An address has one account; what has expired goes by itself."""
    await database["users"].create_index("email_key", unique=True)
    await database["sessions"].create_index("user_id")
    await database["sessions"].create_index("expires_at", expireAfterSeconds=0)
    await database["buckets"].create_index("due", expireAfterSeconds=0)


class MongoUserStore:
    """See `users.store.UserStore`."""

    def __init__(self, url: str, metrics: Metrics, clock: Clock) -> None:
        self._mongo = Mongo(url, "users", [make_indexes], metrics)
        self._clock = clock
        self.prepare = self._mongo.prepare
        self.ping = self._mongo.ping
        self.close = self._mongo.close

    async def find_replay(self, replay_id: str) -> Replay | None:
        return await self._mongo.find_replay(replay_id, self._clock())

    async def add(self, user: User, replay: Replay | None = None) -> None:
        async def work(database: Database, within: Transaction | None) -> None:
            try:
                await database["users"].insert_one(_document(user, user.id), session=within)
            except DuplicateKeyError as error:
                if "email_key" in (error.details or {}).get("keyPattern", {}):
                    raise EmailTaken from error
                raise

        await self._mongo.change("add_user", replay, work)

    async def find(self, user_id: str) -> User | None:
        async with self._mongo.call("find_user") as database:
            return _maybe_user(await database["users"].find_one({"_id": user_id}))

    async def find_by_address(self, email_key: str) -> User | None:
        async with self._mongo.call("find_user_by_address") as database:
            return _maybe_user(await database["users"].find_one({"email_key": email_key}))

    async def save(self, user: User) -> None:
        async with self._mongo.call("save_user") as database:
            await _save(database, None, user)

    async def save_password(self, user: User, kept_session: str | None) -> None:
        async def work(database: Database, within: Transaction) -> None:
            await _save(database, within, user)
            others = {"user_id": user.id, "_id": {"$ne": kept_session}, "ended": None}
            await database["sessions"].update_many(others, {"$set": {"ended": "closed"}}, session=within)

        await self._mongo.transaction("save_password", work)

    async def remove(self, user: User) -> None:
        async def work(database: Database, within: Transaction) -> None:
            same = {"_id": user.id, "version": user.version}
            _require_one((await database["users"].delete_one(same, session=within)).deleted_count)
            await database["sessions"].delete_many({"user_id": user.id}, session=within)

        await self._mongo.transaction("remove_user", work)

    async def add_session(self, session: Session, user: User) -> None:
        async def work(database: Database, within: Transaction) -> None:
            # Reading the account would not do: only a write makes this transaction and one that changes it exclude
            # each other.
            same = {"_id": user.id, "version": user.version}
            counted = await database["users"].update_one(same, {"$inc": {"sign_ins": 1}}, session=within)
            _require_one(counted.matched_count)
            await database["sessions"].insert_one(_document(session, session.id), session=within)

        await self._mongo.transaction("add_session", work)

    async def find_session(self, session_id: str) -> Session | None:
        async with self._mongo.call("find_session") as database:
            found = await database["sessions"].find_one({"_id": session_id, "expires_at": {"$gt": self._clock()}})
        return None if found is None else _session(found)

    async def turn_session(self, session: Session, turn_hash: bytes) -> None:
        async with self._mongo.call("turn_session") as database:
            same = {"_id": session.id, "turn_hash": turn_hash, "ended": None}
            turned = await database["sessions"].replace_one(same, _document(session, session.id))
        _require_one(turned.matched_count)

    async def end_session(self, session_id: str, ending: Ending) -> None:
        async with self._mongo.call("end_session") as database:
            await database["sessions"].update_one({"_id": session_id, "ended": None}, {"$set": {"ended": ending}})

    async def open_sessions(self, user_id: str) -> list[Session]:
        wanted = {"user_id": user_id, "ended": None, "expires_at": {"$gt": self._clock()}}
        async with self._mongo.call("open_sessions") as database:
            return [_session(found) async for found in database["sessions"].find(wanted).sort("_id", ASCENDING)]

    async def take(self, buckets: Sequence[Bucket], moment: datetime) -> None:
        taken: list[Bucket] = []
        for bucket in buckets:
            due = await self._move(bucket, moment)
            try:
                require_place(bucket, due, moment)
            except RateLimited:
                await self.give_back(taken)
                raise
            taken.append(bucket)

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        changes = [
            UpdateOne({"_id": bucket.key}, [{"$set": {"due": {"$subtract": ["$due", _milliseconds(bucket)]}}}])
            for bucket in buckets
        ]
        if changes:
            async with self._mongo.call("give_places_back") as database:
                await database["buckets"].bulk_write(changes, ordered=False)

    async def _move(self, bucket: Bucket, moment: datetime) -> datetime | None:
        """Takes a place if there is one, in one operation; the bucket's `due` before tells whether there was."""
        after = {"$add": [{"$max": ["$due", moment]}, _milliseconds(bucket)]}
        fits = {"$lte": [after, latest_due(bucket, moment)]}
        async with self._mongo.call("take_place") as database:
            found = await database["buckets"].find_one_and_update(
                {"_id": bucket.key},
                [{"$set": {"due": {"$cond": [fits, after, "$due"]}}}],
                upsert=True,
                return_document=ReturnDocument.BEFORE,
            )
        return None if found is None else found["due"]

    async def signing_keys(self) -> list[SigningKey]:
        async with self._mongo.call("signing_keys") as database:
            found = database["signing_keys"].find().sort("_id", ASCENDING)
            return [msgspec.convert(key, SigningKey) async for key in found]

    async def add_key(self, key: SigningKey) -> None:
        async with self._mongo.call("add_key") as database:
            try:
                await database["signing_keys"].insert_one(_document(key, key.number))
            except DuplicateKeyError as error:
                raise RecordChanged from error

    async def drop_keys(self, before: int) -> None:
        async with self._mongo.call("drop_keys") as database:
            await database["signing_keys"].delete_many({"_id": {"$lt": before}})


def _document(record: msgspec.Struct, key: str | int) -> Document:
    members: dict[str, Any] = msgspec.structs.asdict(record)
    return {"_id": key, **members}


def _maybe_user(found: Document | None) -> User | None:
    return None if found is None else msgspec.convert(found, User)


def _session(found: Document) -> Session:
    return msgspec.convert(found, Session)


def _milliseconds(bucket: Bucket) -> int:
    return round(bucket.limit.interval.total_seconds() * 1000)


async def _save(database: Database, within: Transaction | None, user: User) -> None:
    before = {"_id": user.id, "version": user.version - 1}
    changed = {"$set": msgspec.structs.asdict(user)}
    _require_one((await database["users"].update_one(before, changed, session=within)).matched_count)


def _require_one(count: int) -> None:
    if count != 1:
        raise RecordChanged
