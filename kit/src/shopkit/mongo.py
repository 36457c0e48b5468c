"""MongoDB as a service's own database: acknowledged means on the journal of a majority."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pymongo
from pymongo import AsyncMongoClient, lock
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError

from shopkit import deadline
from shopkit.errors import Unavailable
from shopkit.idempotency import Replay, ReplayExists
from shopkit.metrics import Metrics
from shopkit.values import now

T = TypeVar("T")
Document = dict[str, Any]
Session = AsyncClientSession
Database = AsyncDatabase[Document]
Work = Callable[[Database, Session | None], Awaitable[T]]
Migration = Callable[[Database], Awaitable[None]]

DURABLE: Any = {"w": "majority", "journal": True, "readConcernLevel": "majority", "tz_aware": True}
PATIENCE: Any = {"serverSelectionTimeoutMS": 2000, "connectTimeoutMS": 1000, "maxPoolSize": 50, "maxIdleTimeMS": 300000}
CALL_SECONDS = 3.0
MIGRATION_SECONDS, MIGRATION_POLL_SECONDS = 60.0, 0.05
# Codes of a server that is up but cannot take this just now (shutting down, no primary, failed write concern, busy).
PASSING_CODES = frozenset({6, 7, 64, 89, 91, 112, 133, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})


class Mongo:
    """One MongoDB database. `migrations` run in order; one that a crash cut short runs again."""

    def __init__(self, url: str, name: str, migrations: Sequence[Migration], metrics: Metrics) -> None:
        self._url, self._name, self._metrics = url, name, metrics
        self._migrations = (make_replays, *migrations)
        self._client: AsyncMongoClient[Document] | None = None

    async def prepare(self) -> None:
        """Connects, and runs the migrations that this database lacks: each once, however many replicas start."""
        if self._client is None:
            lock.wait_for = wait_for  # type: ignore[assignment, attr-defined]
            self._client = AsyncMongoClient(self._url, appname=self._name, tzinfo=UTC, **DURABLE, **PATIENCE)
        await self.ping()
        async with self.call("migrate", seconds=MIGRATION_SECONDS) as database:
            for number, migration in enumerate(self._migrations, start=1):
                while not await database["migrations"].find_one({"_id": number, "done": True}):
                    if not await _migrated(database, number, migration):
                        await asyncio.sleep(MIGRATION_POLL_SECONDS)

    async def ping(self) -> None:
        """Asks the primary; Unavailable if there is none."""
        async with self.call("ping", seconds=1.0) as database:
            hello = await database.command("hello")
            if not hello.get("isWritablePrimary"):
                raise Unavailable("MongoDB has no primary.")
            if "setName" not in hello:
                raise Unavailable("MongoDB must run as a replica set: start it with --replSet and initiate it.")

    async def close(self) -> None:
        """Closes all connections."""
        if self._client is not None:
            await self._client.close()

    @asynccontextmanager
    async def call(self, operation: str, seconds: float = CALL_SECONDS) -> AsyncIterator[Database]:
        """The database for one operation, within the request's deadline; failures of the store become Unavailable."""
        with self._metrics.store_call(operation):
            try:
                with pymongo.timeout(deadline.remaining(seconds)):
                    yield self._database()
            except PyMongoError as error:
                if error.timeout or isinstance(error, ConnectionFailure) or getattr(error, "code", 0) in PASSING_CODES:
                    raise Unavailable(f"MongoDB does not answer: {type(error).__name__}.") from error
                raise

    async def transaction(self, operation: str, work: Callable[[Database, Session], Coroutine[Any, Any, T]]) -> T:
        """All that `work` changes, or nothing; conflicts with other transactions are retried until the deadline."""
        async with self.call(operation) as database, database.client.start_session() as session:
            return await session.with_transaction(lambda within: work(database, within))

    async def change(self, operation: str, replay: Replay | None, work: Work[T]) -> T:
        """`work`, together with the answer to keep for it; without one, a single write needs no transaction."""
        if replay is None:
            async with self.call(operation) as database:
                return await work(database, None)

        async def both(database: Database, session: Session) -> T:
            # First, so that a request another replica is doing too is told as such, and not as what its effect breaks.
            await keep_replay(database, session, replay)
            return await work(database, session)

        return await self.transaction(operation, both)

    async def find_replay(self, replay_id: str, moment: datetime) -> Replay | None:
        """The kept answer of that id, if it has not expired."""
        async with self.call("find_replay") as database:
            found = await database["replays"].find_one({"_id": replay_id, "expires_at": {"$gt": moment}})
        return Replay(replay_id, found["fingerprint"], found["answer"], found["expires_at"]) if found else None

    def _database(self) -> Database:
        if self._client is None:
            raise Unavailable("The database is not open yet.")
        return self._client.get_default_database(self._name)


async def wait_for(awaited: Awaitable[T], seconds: float | None) -> T:
    """As asyncio's of Python 3.12, for the driver's conditions.

    That of 3.11 leaves a task behind where the caller is cancelled while its time runs out. With a condition, that task
    takes the driver's lock when nobody is there to give it back: the client never answers again.
    """
    async with asyncio.timeout(seconds):
        return await awaited


async def _migrated(database: Database, number: int, migration: Migration) -> bool:
    """Runs a migration, unless another replica is at it: False."""
    moment = now()
    unfinished = {"_id": number, "done": False, "until": {"$lt": moment}}
    claim = {"$set": {"done": False, "until": moment + timedelta(seconds=MIGRATION_SECONDS)}}
    try:
        # Matches what a replica began and died in, inserts what nobody began, and collides with all else.
        await database["migrations"].update_one(unfinished, claim, upsert=True)
    except DuplicateKeyError:
        return False
    await migration(database)
    await database["migrations"].update_one({"_id": number}, {"$set": {"done": True}})
    return True


async def make_replays(database: Database) -> None:
    """The collection of kept answers; MongoDB drops each when it expires."""
    await database["replays"].create_index("expires_at", expireAfterSeconds=0)


async def keep_replay(database: Database, session: Session, replay: Replay) -> None:
    """Keeps an answer in the transaction of the change it tells of; ReplayExists takes that change back."""
    document = {"fingerprint": replay.fingerprint, "answer": replay.answer, "expires_at": replay.expires_at}
    # One that has expired, and that MongoDB has not dropped yet, gives way; one that has not collides.
    expired = {"_id": replay.id, "expires_at": {"$lte": replay.expires_at - replay.kept}}
    try:
        await database["replays"].replace_one(expired, document, upsert=True, session=session)
    except DuplicateKeyError as error:
        raise ReplayExists from error
