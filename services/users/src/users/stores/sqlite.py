"""Accounts, sessions, limits and keys in one SQLite file."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from shopkit.errors import RecordChanged
from shopkit.idempotency import Replay
from shopkit.metrics import Metrics
from shopkit.sqlite import (
    REPLAYS,
    Sqlite,
    find_replay,
    from_milliseconds,
    is_duplicate,
    keep_replay,
    to_milliseconds,
)
from shopkit.values import Clock
from users.account import EmailTaken, User
from users.limits import Bucket, require_place
from users.session import Ending, Session
from users.store import SigningKey

# A record is the JSON of its struct; beside it stand the columns that queries need.
SCHEMA = """
    CREATE TABLE users (id TEXT PRIMARY KEY, email_key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
                        record BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE sessions (id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
                           expires_at INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
    CREATE INDEX sessions_by_user ON sessions (user_id);
    CREATE INDEX sessions_by_expiry ON sessions (expires_at);
    CREATE TABLE buckets (key TEXT PRIMARY KEY, due INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX buckets_by_due ON buckets (due);
    CREATE TABLE signing_keys (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
"""

_user = msgspec.json.Decoder(User)
_session = msgspec.json.Decoder(Session)
_key = msgspec.json.Decoder(SigningKey)


class SqliteUserStore:
    """See `users.store.UserStore`."""

    def __init__(self, path: str, metrics: Metrics, clock: Clock) -> None:
        self._database = Sqlite(path, [REPLAYS, SCHEMA], metrics)
        self._clock = clock
        self.prepare = self._database.prepare
        self.ping = self._database.ping
        self.close = self._database.close

    async def find_replay(self, replay_id: str) -> Replay | None:
        return find_replay(self._database, replay_id, self._clock())

    async def add(self, user: User, replay: Replay | None = None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            row = (user.id, user.email_key, user.version, msgspec.json.encode(user))
            try:
                connection.execute("INSERT INTO users VALUES (?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                if is_duplicate(error, "users.email_key"):
                    raise EmailTaken from error
                raise
            keep_replay(connection, replay)

        await self._database.write("add_user", work)

    async def find(self, user_id: str) -> User | None:
        rows = self._database.read("find_user", "SELECT record FROM users WHERE id = ?", (user_id,))
        return _user.decode(rows[0][0]) if rows else None

    async def find_by_address(self, email_key: str) -> User | None:
        sql = "SELECT record FROM users WHERE email_key = ?"
        rows = self._database.read("find_user_by_address", sql, (email_key,))
        return _user.decode(rows[0][0]) if rows else None

    async def save(self, user: User) -> None:
        await self._database.write("save_user", lambda connection: _save(connection, user))

    async def save_password(self, user: User, kept_session: str | None) -> None:
        moment = self._clock()

        def work(connection: sqlite3.Connection) -> None:
            _save(connection, user)
            for session in _open(_of_user(connection, user.id), moment):
                if session.id != kept_session:
                    _keep(connection, msgspec.structs.replace(session, ended="closed"))

        await self._database.write("save_password", work)

    async def remove(self, user: User) -> None:
        def work(connection: sqlite3.Connection) -> None:
            sql = "DELETE FROM users WHERE id = ? AND version = ?"
            _require_one(connection.execute(sql, (user.id, user.version)))

        await self._database.write("remove_user", work)

    async def add_session(self, session: Session, user: User) -> None:
        moment = to_milliseconds(self._clock())
        row = (session.id, session.user_id, to_milliseconds(session.expires_at), msgspec.json.encode(session))

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM sessions WHERE expires_at <= ?", (moment,))
            sql = (
                "INSERT INTO sessions SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM users WHERE id = ? AND version = ?)"
            )
            _require_one(connection.execute(sql, (*row, user.id, user.version)))

        await self._database.write("add_session", work)

    async def find_session(self, session_id: str) -> Session | None:
        sql = "SELECT record FROM sessions WHERE id = ? AND expires_at > ?"
        rows = self._database.read("find_session", sql, (session_id, to_milliseconds(self._clock())))
        return _session.decode(rows[0][0]) if rows else None

    async def turn_session(self, session: Session, turn_hash: bytes) -> None:
        def work(connection: sqlite3.Connection) -> None:
            kept = _find(connection, session.id)
            if kept is None or kept.ended is not None or kept.turn_hash != turn_hash:
                raise RecordChanged
            _keep(connection, session)

        await self._database.write("turn_session", work)

    async def end_session(self, session_id: str, ending: Ending) -> None:
        def work(connection: sqlite3.Connection) -> None:
            kept = _find(connection, session_id)
            if kept is not None and kept.ended is None:
                _keep(connection, msgspec.structs.replace(kept, ended=ending))

        await self._database.write("end_session", work)

    async def open_sessions(self, user_id: str) -> list[Session]:
        rows = await self._database.scan("open_sessions", lambda connection: _of_user(connection, user_id))
        return _open(rows, self._clock())

    async def take(self, buckets: Sequence[Bucket], moment: datetime) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM buckets WHERE due <= ?", (to_milliseconds(moment),))
            for bucket in buckets:
                row = connection.execute("SELECT due FROM buckets WHERE key = ?", (bucket.key,)).fetchone()
                due = require_place(bucket, from_milliseconds(row[0]) if row else None, moment)
                sql = "INSERT INTO buckets VALUES (?, ?) ON CONFLICT DO UPDATE SET due = excluded.due"
                connection.execute(sql, (bucket.key, to_milliseconds(due)))

        await self._database.write("take_places", work)

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        rows = [(round(bucket.limit.interval.total_seconds() * 1000), bucket.key) for bucket in buckets]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("UPDATE buckets SET due = due - ? WHERE key = ?", rows)

        await self._database.write("give_places_back", work)

    async def signing_keys(self) -> list[SigningKey]:
        rows = self._database.read("signing_keys", "SELECT record FROM signing_keys ORDER BY number")
        return [_key.decode(row[0]) for row in rows]

    async def add_key(self, key: SigningKey) -> None:
        def work(connection: sqlite3.Connection) -> None:
            row = (key.number, msgspec.json.encode(key))
            _require_one(connection.execute("INSERT INTO signing_keys VALUES (?, ?) ON CONFLICT DO NOTHING", row))

        await self._database.write("add_key", work)

    async def drop_keys(self, before: int) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM signing_keys WHERE number < ?", (before,))

        await self._database.write("drop_keys", work)


def _save(connection: sqlite3.Connection, user: User) -> None:
    sql = "UPDATE users SET email_key = ?, version = ?, record = ? WHERE id = ? AND version = ?"
    row = (user.email_key, user.version, msgspec.json.encode(user), user.id, user.version - 1)
    _require_one(connection.execute(sql, row))


def _find(connection: sqlite3.Connection, session_id: str) -> Session | None:
    row = connection.execute("SELECT record FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return _session.decode(row[0]) if row else None


def _keep(connection: sqlite3.Connection, session: Session) -> None:
    row = (to_milliseconds(session.expires_at), msgspec.json.encode(session), session.id)
    connection.execute("UPDATE sessions SET expires_at = ?, record = ? WHERE id = ?", row)


def _of_user(connection: sqlite3.Connection, user_id: str) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT record FROM sessions WHERE user_id = ? ORDER BY id", (user_id,)).fetchall()


def _open(rows: list[tuple[Any, ...]], moment: datetime) -> list[Session]:
    found = [_session.decode(row[0]) for row in rows]
    return [session for session in found if session.ended is None and session.expires_at > moment]


def _require_one(done: sqlite3.Cursor) -> None:
    if done.rowcount != 1:
        raise RecordChanged
