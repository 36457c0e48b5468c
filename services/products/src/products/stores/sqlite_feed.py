"""The feed of changes in SQLite: every write gives its product the next number of one sequence."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from products.product import Product
from products.store import Change, PositionLost
from shopkit.errors import Unavailable
from shopkit.sqlite import Sqlite

AT_ONCE = 500
# After so many others get their turn.
IN_A_TURN = 20
# How often it is looked whether any process has written; a look takes microseconds.
POLL_SECONDS = 0.02
# What a write sets the column `change` to. Writers take turns, so the numbers are in the order of the commits.
NEXT_CHANGE = "(SELECT coalesce(max(change), 0) + 1 FROM products)"
# `feed` says which file this is: numbers of another one mean nothing here.
SCHEMA = """
    CREATE TABLE feed (id TEXT NOT NULL);
    INSERT INTO feed VALUES (lower(hex(randomblob(16))));
    ALTER TABLE products ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
    UPDATE products SET change = number;
    CREATE UNIQUE INDEX products_by_change ON products (change);
"""

Decode = Callable[[bytes], Product]


class SqliteFeed:
    """Position: the file's id and the number of the last change that was told."""

    def __init__(self, database: Sqlite, decode: Decode) -> None:
        self._database = database
        self._decode = decode

    async def position(self) -> str:
        """Where the feed stands now."""
        ((feed_id, last),) = self._read("SELECT feed.id, (SELECT coalesce(max(change), 0) FROM products) FROM feed")
        return f"{feed_id} {last}"

    async def scan(self) -> AsyncIterator[list[Product]]:
        """Every product, some hundred at a time."""
        sql = "SELECT number, record FROM products WHERE number > ? ORDER BY number LIMIT ?"
        last = -1

        def portion(connection: sqlite3.Connection) -> list[tuple[int, Product]]:
            return [(number, self._decode(record)) for number, record in connection.execute(sql, (last, AT_ONCE))]

        while rows := await self._database.scan("scan", portion):
            last = rows[-1][0]
            yield [product for _, product in rows]

    async def follow(self, position: str) -> AsyncGenerator[Change, None]:
        """Every change after that position."""
        feed_id, _, number = position.partition(" ")
        if not (number.isascii() and number.isdigit()):
            raise PositionLost
        last, seen = int(number), None
        await self._require(feed_id, last)
        sql = "SELECT record, change FROM products WHERE change > ? ORDER BY change LIMIT ?"
        while True:
            looked_at = time.monotonic()
            # Differs after every commit of another connection, and the one that reads never writes.
            state = self._read("PRAGMA data_version")
            rows = self._read(sql, (last, AT_ONCE)) if state != seen else []
            if state != seen and not rows:
                await self._require(feed_id, last)
            for place, (record, last) in enumerate(rows):
                yield Change(self._decode(record), f"{feed_id} {last}")
                if place % IN_A_TURN == 0:
                    await asyncio.sleep(0)
            if len(rows) < AT_ONCE:
                seen = state
                yield Change(None, f"{feed_id} {last}", looked_at)
                await asyncio.sleep(POLL_SECONDS)

    async def _require(self, feed_id: str, last: int) -> None:
        """PositionLost where the file is another one, or an older copy was put into it."""
        now_id, _, newest = (await self.position()).partition(" ")
        if feed_id != now_id or last > int(newest):
            raise PositionLost

    def _read(self, sql: str, arguments: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._database.read("follow", sql, arguments)
        except sqlite3.DatabaseError as error:
            raise Unavailable(f"The database cannot be read: {error}.") from error
