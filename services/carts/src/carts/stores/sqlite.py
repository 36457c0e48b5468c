"""Carts in SQLite."""

import sqlite3

from carts.cart import Cart
from carts.store import OwnerHasCart
from carts.stores.record import Texts, from_texts, to_texts
from shopkit.errors import RecordChanged
from shopkit.idempotency import Replay
from shopkit.metrics import Metrics
from shopkit.sqlite import REPLAYS, Sqlite, find_replay, keep_replay, to_milliseconds
from shopkit.values import Clock

SCHEMA = """
    CREATE TABLE carts (id TEXT PRIMARY KEY, version INTEGER NOT NULL, owner TEXT, token_hash TEXT UNIQUE,
                        is_open INTEGER NOT NULL, expires_at INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
    CREATE UNIQUE INDEX one_open_cart ON carts (owner) WHERE is_open AND owner IS NOT NULL;
    CREATE INDEX carts_by_expiry ON carts (expires_at);
"""
# A row of a WITHOUT ROWID table that is larger than 1 KB takes two pages at least, and each save would write both. What
# is written seldom is in a row of its own, since SQLite writes rows whole.
BASES = """
    ALTER TABLE carts RENAME TO carts_before;
    CREATE TABLE carts (id TEXT PRIMARY KEY, version INTEGER NOT NULL, owner TEXT, token_hash TEXT UNIQUE,
                        is_open INTEGER NOT NULL, expires_at INTEGER NOT NULL, record TEXT NOT NULL);
    INSERT INTO carts SELECT * FROM carts_before;
    DROP TABLE carts_before;
    CREATE UNIQUE INDEX one_open_cart ON carts (owner) WHERE is_open AND owner IS NOT NULL;
    CREATE INDEX carts_by_expiry ON carts (expires_at);
    CREATE TABLE bases (id TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
    CREATE TRIGGER no_cart_no_base AFTER DELETE ON carts BEGIN DELETE FROM bases WHERE id = OLD.id; END;
"""
# A new cart sweeps out a few that have expired: no task is needed, and no write ever takes long.
SWEPT_AT_ONCE = 10


class SqliteCartStore:
    """A CartStore."""

    def __init__(self, path: str, metrics: Metrics, clock: Clock) -> None:
        self._database = Sqlite(path, [REPLAYS, SCHEMA, BASES], metrics)
        self._clock = clock
        self.prepare = self._database.prepare
        self.ping = self._database.ping
        self.close = self._database.close

    async def find(self, cart_id: str) -> Cart | None:
        return self._find("find", "id = ?", cart_id)

    async def is_current(self, cart_id: str, version: int) -> bool:
        sql = "SELECT 1 FROM carts WHERE id = ? AND version = ? AND expires_at > ?"
        return bool(self._database.read("is_current", sql, (cart_id, version, to_milliseconds(self._clock()))))

    async def find_of_owner(self, owner: str) -> Cart | None:
        return self._find("find_of_owner", "owner = ? AND is_open", owner)

    async def find_of_token(self, token_hash: str) -> Cart | None:
        return self._find("find_of_token", "token_hash = ? AND is_open", token_hash)

    def _find(self, operation: str, condition: str, value: str) -> Cart | None:
        base = "(SELECT text FROM bases WHERE bases.id = carts.id)"
        sql = f"SELECT record, {base} FROM carts WHERE {condition} AND expires_at > ?"  # noqa: S608 (constant text)
        rows = self._database.read(operation, sql, (value, to_milliseconds(self._clock())))
        return from_texts(*rows[0]) if rows else None

    async def add(self, cart: Cart, replay: Replay | None) -> None:
        moment = to_milliseconds(self._clock())

        def work(connection: sqlite3.Connection) -> None:
            _sweep(connection, cart, moment)
            _insert(connection, cart)
            keep_replay(connection, replay)

        await self._database.write("add", work)

    async def save(self, cart: Cart, replay: Replay | None) -> None:
        texts = to_texts(cart)

        def work(connection: sqlite3.Connection) -> None:
            _update(connection, cart, texts)
            keep_replay(connection, replay)

        await self._database.write("save", work, texts.size)

    async def merge(self, saved: Cart, guest: Cart, replay: Replay) -> None:
        moment = to_milliseconds(self._clock())

        def work(connection: sqlite3.Connection) -> None:
            if saved.version == 1:
                _sweep(connection, saved, moment)
                _insert(connection, saved)
            else:
                _update(connection, saved, to_texts(saved))
            _update(connection, guest, to_texts(guest))
            keep_replay(connection, replay)

        await self._database.write("merge", work)

    async def keep_replay(self, replay: Replay) -> None:
        await self._database.write("keep_replay", lambda connection: keep_replay(connection, replay))

    async def find_replay(self, replay_id: str) -> Replay | None:
        return find_replay(self._database, replay_id, self._clock())


def _insert(connection: sqlite3.Connection, cart: Cart) -> None:
    texts = to_texts(cart)
    row = (cart.id, cart.version, cart.owner, cart.token_hash, cart.is_open, to_milliseconds(cart.expires_at))
    try:
        connection.execute("INSERT INTO carts VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, texts.record))
    except sqlite3.IntegrityError as error:
        raise OwnerHasCart from error
    _keep_base(connection, cart, texts)


def _update(connection: sqlite3.Connection, cart: Cart, texts: Texts) -> None:
    sql = "UPDATE carts SET version = ?, is_open = ?, expires_at = ?, record = ? WHERE id = ? AND version = ?"
    values = (cart.version, cart.is_open, to_milliseconds(cart.expires_at), texts.record, cart.id, cart.version - 1)
    if connection.execute(sql, values).rowcount != 1:
        raise RecordChanged
    _keep_base(connection, cart, texts)


def _keep_base(connection: sqlite3.Connection, cart: Cart, texts: Texts) -> None:
    if texts.base is not None:
        connection.execute("INSERT OR REPLACE INTO bases VALUES (?, ?)", (cart.id, texts.base))


def _sweep(connection: sqlite3.Connection, cart: Cart, moment: int) -> None:
    connection.execute("DELETE FROM carts WHERE owner = ? AND expires_at <= ?", (cart.owner, moment))
    expired = "SELECT id FROM carts WHERE expires_at <= ? LIMIT ?"
    connection.execute(f"DELETE FROM carts WHERE id IN ({expired})", (moment, SWEPT_AT_ONCE))  # noqa: S608
