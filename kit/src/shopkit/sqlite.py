"""SQLite as a service's own database: durable, no set-up, one file.

Reads run at once on the event loop (a point read takes microseconds) or, where they may be long, in a thread. All
writes go through one thread that commits everything waiting in one transaction; each is answered only after its commit
is on disk, and one that fails takes back nothing but itself.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from shopkit.errors import Unavailable
from shopkit.idempotency import Replay, ReplayExists
from shopkit.metrics import Metrics

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Outcome = tuple[Any, Exception | None]
Waiting = tuple[Work[Any], int, asyncio.Future[Any]]

BATCH_MAX, BATCH_BYTES_MAX, BUSY_SECONDS = 256, 1024 * 1024, 5.0
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
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


class Sqlite:
    """One SQLite file. `migrations` are scripts that run once each, in order, the first being number 1."""

    def __init__(self, path: str, migrations: Sequence[str], metrics: Metrics) -> None:
        self._path, self._migrations, self._call = Path(path), migrations, metrics.store_call
        self._reader: sqlite3.Connection | None = None
        self._scanner: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._scans, self._writes = ThreadPoolExecutor(1, "scan"), ThreadPoolExecutor(1, "write")
        self._waiting: list[Waiting] = []
        self._flushing: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Opens the file, making it and its folder where there are none, and runs the migrations it lacks."""
        try:
            self._writer = await asyncio.to_thread(self._open_and_migrate)
            self._reader, self._scanner = self._connect(), self._connect()
        except (sqlite3.OperationalError, OSError) as error:
            raise Unavailable(f"The database file {self._path} cannot be opened: {error}.") from error

    async def ping(self) -> None:
        """Reads from the file; Unavailable if that fails."""
        if not self._path.exists():
            raise Unavailable(f"The database file {self._path} is gone.")
        self.read("ping", "SELECT count(*) FROM sqlite_schema")

    async def close(self) -> None:
        """Commits what waits and closes the file."""
        if self._flushing is not None:
            await self._flushing
        self._scans.shutdown()
        self._writes.shutdown()
        for connection in filter(None, (self._reader, self._scanner, self._writer)):
            connection.close()

    def read(self, operation: str, sql: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a short query, at once."""
        with self._reading(operation):
            return opened(self._reader).execute(sql, arguments).fetchall()

    async def scan(self, operation: str, work: Work[T]) -> T:
        """`work` on a connection of its own, in a thread: for queries that may take long."""
        with self._reading(operation):
            return await asyncio.get_running_loop().run_in_executor(self._scans, work, opened(self._scanner))

    async def write(self, operation: str, work: Work[T], size: int = 0) -> T:
        """What `work` returns, once its changes are durable; what it raises, with its changes taken back.

        It writes about `size` bytes: those that are committed together are at most so many, and so large.
        """
        opened(self._writer)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, size, done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        with self._call(operation):
            return await done

    @contextmanager
    def _reading(self, operation: str) -> Iterator[None]:
        with self._call(operation):
            try:
                yield
            except sqlite3.OperationalError as error:
                raise Unavailable(f"The database cannot be read: {error}.") from error

    async def _flush(self) -> None:
        """Commits all that waits, and all that comes meanwhile, so many at once as there are."""
        while self._waiting:
            sizes = accumulate(size for _, size, _ in self._waiting[:BATCH_MAX])
            count = max(1, sum(size <= BATCH_BYTES_MAX for size in sizes))
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
            outcomes = await asyncio.get_running_loop().run_in_executor(self._writes, self._commit, batch)
            # Whoever has left has cancelled only what they wait for.
            for (_, _, done), (result, fault) in zip(batch, outcomes, strict=True):
                if not done.done():
                    done.set_exception(fault) if fault is not None else done.set_result(result)
        self._flushing = None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        # Of two that make the file at once one fails without waiting for the other; the second time it waits.
        with suppress(sqlite3.OperationalError):
            connection.executescript(PRAGMAS)
        connection.executescript(PRAGMAS)
        return connection

    def _open_and_migrate(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # For its owner alone: it may hold hashes and keys. SQLite's other files take after it.
        self._path.touch(mode=0o600)
        connection = self._connect()
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY)")
        count = "SELECT count(*) FROM migrations"
        while (done := connection.execute(count).fetchone()[0]) < len(self._migrations):
            # In one transaction with its number, which only one of two replicas can insert; the other goes on.
            number = f"INSERT INTO migrations VALUES ({done})"  # noqa: S608
            try:
                connection.executescript(f"BEGIN IMMEDIATE; {number}; {self._migrations[done]}; COMMIT")
            except sqlite3.Error:
                connection.rollback()
                if connection.execute(count).fetchone()[0] == done:
                    raise
        return connection

    def _commit(self, batch: list[Waiting]) -> list[Outcome]:
        connection = opened(self._writer)
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [_attempt(connection, work) for work, _, _ in batch]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.rollback()
            return [(None, Unavailable(f"The database cannot be written: {error}."))] * len(batch)
        return outcomes


def _attempt(connection: sqlite3.Connection, work: Work[Any]) -> Outcome:
    connection.execute("SAVEPOINT one")
    try:
        return work(connection), None
    except Exception as error:
        connection.execute("ROLLBACK TO one")
        return None, error
    finally:
        connection.execute("RELEASE one")


def is_duplicate(error: sqlite3.IntegrityError, column: str) -> bool:
    """Whether a UNIQUE or PRIMARY KEY constraint on `table.column` refused the write."""
    return error.sqlite_errorname.endswith(("_UNIQUE", "_PRIMARYKEY")) and column in str(error)


def keep_replay(connection: sqlite3.Connection, replay: Replay | None) -> None:
    """Keeps an answer in the transaction of the change it tells of; ReplayExists takes that change back."""
    if replay is None:
        return
    row = (replay.id, replay.fingerprint, replay.answer, to_milliseconds(replay.expires_at))
    # Each sweeps out those that expired before it was made: what nobody finds any more must not stand in its way.
    connection.execute("DELETE FROM replays WHERE expires_at <= ?", (to_milliseconds(replay.expires_at - replay.kept),))
    try:
        connection.execute("INSERT INTO replays VALUES (?, ?, ?, ?)", row)
    except sqlite3.IntegrityError as error:
        raise ReplayExists from error


def find_replay(database: Sqlite, replay_id: str, now: datetime) -> Replay | None:
    """The kept answer of that id, if it has not expired."""
    sql = "SELECT id, fingerprint, answer, expires_at FROM replays WHERE id = ? AND expires_at > ?"
    rows = database.read("find_replay", sql, (replay_id, to_milliseconds(now)))
    return next((Replay(i, print_, answer, from_milliseconds(expiry)) for i, print_, answer, expiry in rows), None)
