"""SQLite as a service's own database: durable, no set-up, one file.

Reads run at once on the event loop (a point read takes microseconds) or, where they may be long, in a thread. All
writes go through one thread that commits everything waiting in one transaction; each is answered only after its commit
is on disk, and one that fails takes back nothing but itself.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from shopkit.errors import Unavailable
from shopkit.idempotency import KEPT, Replay, ReplayExists
from shopkit.metrics import Metrics

T = TypeVar("T")
Row = tuple[Any, ...]
Work = Callable[[sqlite3.Connection], T]

BATCH_MAX = 256
BUSY_TIMEOUT_MS = 5000
PRAGMAS = f"""
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA busy_timeout = {BUSY_TIMEOUT_MS};
    PRAGMA foreign_keys = ON;
"""
REPLAYS = """
    CREATE TABLE replays (id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, answer BLOB NOT NULL,
                          expires_at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX replays_by_expiry ON replays (expires_at);
"""


def opened(part: T | None) -> T:
    """Unavailable as long as the database was never reached."""
    if part is None:
        raise Unavailable("The database is not open yet.")
    return part


def to_milliseconds(moment: datetime) -> int:
    """A time as SQLite keeps it: integer milliseconds since 1970, in UTC."""
    return round(moment.timestamp() * 1000)


def from_milliseconds(milliseconds: int) -> datetime:
    """The time that `to_milliseconds` made an integer of."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class _Write(NamedTuple):
    work: Work[Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]


class Sqlite:
    """One SQLite file. `migrations` are scripts that run once each, in order, the first being number 1."""

    def __init__(self, path: str, migrations: Sequence[str], metrics: Metrics) -> None:
        self._path = Path(path)
        self._migrations = migrations
        self._call = metrics.store_call
        self._reader: sqlite3.Connection | None = None
        self._scanner: sqlite3.Connection | None = None
        self._scans = ThreadPoolExecutor(1, "scan")
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    async def prepare(self) -> None:
        """Opens the file, making it and its folder where there are none, and runs the migrations it lacks."""
        try:
            connection = await asyncio.to_thread(self._open_and_migrate)
            self._reader, self._scanner = self._connect(), self._connect()
        except (sqlite3.OperationalError, OSError) as error:
            raise Unavailable(f"The database file {self._path} cannot be opened: {error}.") from error
        self._writer = threading.Thread(target=self._write_on, args=(connection,), name="writer", daemon=True)
        self._writer.start()

    async def ping(self) -> None:
        """Reads from the file; Unavailable if that fails."""
        if not self._path.exists():
            raise Unavailable(f"The database file {self._path} is gone.")
        self.read("ping", "SELECT count(*) FROM sqlite_schema")

    async def close(self) -> None:
        """Commits what waits and closes the file."""
        if self._writer is not None:
            self._writes.put(None)
            await asyncio.to_thread(self._writer.join)
        self._scans.shutdown()
        for connection in (self._reader, self._scanner):
            if connection is not None:
                connection.close()

    def read(self, operation: str, sql: str, arguments: Sequence[Any] = ()) -> list[Row]:
        """All rows of a short query, at once."""
        with self._call(operation):
            try:
                return opened(self._reader).execute(sql, arguments).fetchall()
            except sqlite3.OperationalError as error:
                raise Unavailable(f"The database cannot be read: {error}.") from error

    async def scan(self, operation: str, work: Work[T]) -> T:
        """`work` on a connection of its own, in a thread: for queries that may take long."""
        with self._call(operation):
            return await asyncio.get_running_loop().run_in_executor(self._scans, work, opened(self._scanner))

    async def write(self, operation: str, work: Work[T]) -> T:
        """What `work` returns, once its changes are durable; what it raises, with its changes taken back."""
        opened(self._writer)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        with self._call(operation):
            self._writes.put(_Write(work, loop, done))
            return await asyncio.shield(done)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.executescript(PRAGMAS)
        return connection

    def _open_and_migrate(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # For its owner alone: it holds password hashes, keys and carts. SQLite's other files take after it.
        self._path.touch(mode=0o600)
        connection = self._connect()
        while (version := _version(connection)) < len(self._migrations):
            # In one transaction with the number, so that of two replicas the second finds all done or nothing.
            step = f"BEGIN IMMEDIATE; {self._migrations[version]}; PRAGMA user_version = {version + 1}; COMMIT"
            try:
                connection.executescript(step)
            except sqlite3.Error:
                connection.rollback()
                if _version(connection) == version:
                    raise
        return connection

    def _write_on(self, connection: sqlite3.Connection) -> None:
        while batch := self._next_batch():
            self._commit(connection, batch)
        connection.close()

    def _next_batch(self) -> list[_Write]:
        """All that waits, at least one; none when there will be no more."""
        batch = [self._writes.get()]
        while batch[-1] is not None and len(batch) < BATCH_MAX and not self._writes.empty():
            batch.append(self._writes.get())
        if batch[-1] is None:
            self._writes.put(None)
        return [write for write in batch if write is not None]

    def _commit(self, connection: sqlite3.Connection, batch: list[_Write]) -> None:
        outcomes: list[tuple[Any, Exception | None]]
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [_attempt(connection, write.work) for write in batch]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = Unavailable(f"The database cannot be written: {error}.")
            outcomes = [(None, failure)] * len(batch)
        for write, (result, fault) in zip(batch, outcomes, strict=True):
            write.loop.call_soon_threadsafe(_settle, write.done, result, fault)


def _attempt(connection: sqlite3.Connection, work: Work[Any]) -> tuple[Any, Exception | None]:
    connection.execute("SAVEPOINT one")
    try:
        result = work(connection)
    except Exception as error:
        connection.execute("ROLLBACK TO one")
        return None, error
    finally:
        connection.execute("RELEASE one")
    return result, None


def _settle(done: asyncio.Future[Any], result: Any, fault: Exception | None) -> None:
    if done.cancelled():
        return
    if fault is not None:
        done.set_exception(fault)
    else:
        done.set_result(result)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def is_duplicate(error: sqlite3.IntegrityError, column: str) -> bool:
    """Whether a UNIQUE or PRIMARY KEY constraint on `table.column` refused the write."""
    codes = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
    return error.sqlite_errorcode in codes and column in str(error)


def keep_replay(connection: sqlite3.Connection, replay: Replay | None) -> None:
    """Keeps an answer in the transaction of the change it tells of; ReplayExists takes that change back."""
    if replay is None:
        return
    row = (replay.id, replay.fingerprint, replay.answer, to_milliseconds(replay.expires_at))
    # Each sweeps out those that expired before it was made: what nobody finds any more must not stand in its way.
    connection.execute("DELETE FROM replays WHERE expires_at <= ?", (to_milliseconds(replay.expires_at - KEPT),))
    try:
        connection.execute("INSERT INTO replays VALUES (?, ?, ?, ?)", row)
    except sqlite3.IntegrityError as error:
        raise ReplayExists from error


def find_replay(database: Sqlite, replay_id: str, now: datetime) -> Replay | None:
    """The kept answer of that id, if it has not expired."""
    sql = "SELECT id, fingerprint, answer, expires_at FROM replays WHERE id = ? AND expires_at > ?"
    rows = database.read("find_replay", sql, (replay_id, to_milliseconds(now)))
    return next((Replay(i, print_, answer, from_milliseconds(expiry)) for i, print_, answer, expiry in rows), None)
