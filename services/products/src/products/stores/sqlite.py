"""Products in SQLite."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from products.product import Product, SkuTaken, SlugTaken
from products.stock import StockChange, Stocks, change_stock
from products.store import Refusal
from products.stores.sqlite_feed import NEXT_CHANGE, SqliteFeed
from products.stores.sqlite_feed import SCHEMA as FEED
from shopkit.errors import RecordChanged
from shopkit.idempotency import Replay
from shopkit.metrics import Metrics
from shopkit.sqlite import REPLAYS, Sqlite, find_replay, is_duplicate, keep_replay
from shopkit.values import Clock

# The record holds the product whole; the columns beside it, and the other tables, are what is asked for.
SCHEMA = """
    CREATE TABLE products (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, slug TEXT NOT NULL UNIQUE,
                           version INTEGER NOT NULL, is_active INTEGER NOT NULL, category TEXT,
                           price INTEGER NOT NULL, in_stock INTEGER NOT NULL, name_key TEXT NOT NULL,
                           created_at INTEGER NOT NULL, record BLOB NOT NULL);
    CREATE INDEX products_by_price ON products (price, id) WHERE is_active;
    CREATE INDEX products_by_name ON products (name_key, id) WHERE is_active;
    CREATE INDEX products_by_creation ON products (created_at, id) WHERE is_active;
    CREATE INDEX products_by_category ON products (category) WHERE is_active;
    CREATE TABLE skus (sku TEXT PRIMARY KEY, product INTEGER NOT NULL REFERENCES products) WITHOUT ROWID;
    CREATE INDEX skus_by_product ON skus (product);
    CREATE TABLE tags (tag TEXT, product INTEGER NOT NULL REFERENCES products, PRIMARY KEY (tag, product))
        WITHOUT ROWID;
    CREATE INDEX tags_by_product ON tags (product);
    CREATE VIRTUAL TABLE search USING fts5 (name, labels, description, detail = column, tokenize = 'ascii');
"""
# What was searched and sorted by before there was the read view.
UNSEARCHED = """
    DROP TABLE search;
    DROP TABLE tags;
    DROP INDEX products_by_price;
    DROP INDEX products_by_name;
    DROP INDEX products_by_creation;
    DROP INDEX products_by_category;
    ALTER TABLE products DROP COLUMN category;
    ALTER TABLE products DROP COLUMN price;
    ALTER TABLE products DROP COLUMN in_stock;
    ALTER TABLE products DROP COLUMN name_key;
    ALTER TABLE products DROP COLUMN created_at;
    ALTER TABLE products DROP COLUMN is_active;
"""
HOLDERS = """
    SELECT record FROM products WHERE number IN
        (SELECT product FROM skus WHERE sku IN (SELECT value FROM json_each(?)))
"""

_decoder = msgspec.json.Decoder(Product)


class SqliteProductStore:
    """A ProductStore."""

    def __init__(self, path: str, metrics: Metrics, clock: Clock) -> None:
        self._database = Sqlite(path, [REPLAYS, SCHEMA, UNSEARCHED, FEED], metrics)
        self._clock = clock
        feed = SqliteFeed(self._database, _decoder.decode)
        self.position, self.scan, self.follow = feed.position, feed.scan, feed.follow
        self.prepare = self._database.prepare
        self.ping = self._database.ping
        self.close = self._database.close

    async def find(self, id_or_slug: str) -> Product | None:
        found = self._read("find", "SELECT record FROM products WHERE id = ?1 OR slug = ?1", id_or_slug)
        return found[0] if found else None

    async def find_by_ids(self, ids: Sequence[str]) -> list[Product]:
        sql = "SELECT record FROM products WHERE id IN (SELECT value FROM json_each(?))"
        return self._read("find_by_ids", sql, _json(ids))

    async def find_by_skus(self, skus: Sequence[str]) -> list[Product]:
        return self._read("find_by_skus", HOLDERS, _json(skus))

    def _read(self, operation: str, sql: str, value: str) -> list[Product]:
        return [_decoder.decode(record) for (record,) in self._database.read(operation, sql, (value,))]

    async def add(self, product: Product, replay: Replay | None) -> None:
        def work(connection: sqlite3.Connection) -> None:
            keep_replay(connection, replay)
            _insert(connection, product)

        await self._database.write("add", work)

    async def save(self, product: Product) -> None:
        def work(connection: sqlite3.Connection) -> None:
            number = _update(connection, product)
            connection.execute("DELETE FROM skus WHERE product = ?", (number,))
            _keep_skus(connection, number, product)

        await self._database.write("save", work)

    async def keep_all(self, products: Sequence[Product]) -> list[Refusal | None]:
        # Writes that wait together are committed together, and each is taken back alone.
        keeping = [self.add(product, None) if product.version == 1 else self.save(product) for product in products]
        outcomes = await asyncio.gather(*keeping, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, Refusal):
                raise outcome
        return [outcome if isinstance(outcome, Refusal) else None for outcome in outcomes]

    async def change_stock(
        self, changes: Sequence[StockChange], at: datetime, remember: Callable[[Stocks], Replay | None] | None
    ) -> Stocks:
        def work(connection: sqlite3.Connection) -> Stocks:
            rows = connection.execute(HOLDERS, (_json([change.sku for change in changes]),))
            changed, stocks = change_stock([_decoder.decode(record) for (record,) in rows], changes, at)
            for product in changed:
                _update(connection, product)
            if remember is not None:
                keep_replay(connection, remember(stocks))
            return stocks

        return await self._database.write("change_stock", work)

    async def keep_replay(self, replay: Replay) -> None:
        await self._database.write("keep_replay", lambda connection: keep_replay(connection, replay))

    async def find_replay(self, replay_id: str) -> Replay | None:
        return find_replay(self._database, replay_id, self._clock())


def _json(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()


def _columns(product: Product) -> dict[str, object]:
    record = msgspec.json.encode(product)
    return {"id": product.id, "slug": product.slug, "version": product.version, "record": record}


def _insert(connection: sqlite3.Connection, product: Product) -> None:
    columns = _columns(product)
    places = ", ".join(f":{name}" for name in columns)
    sql = f"INSERT INTO products ({', '.join(columns)}, change) VALUES ({places}, {NEXT_CHANGE})"  # noqa: S608 (constants)
    number = _write_unique(connection, sql, columns).lastrowid
    _keep_skus(connection, number, product)


def _update(connection: sqlite3.Connection, product: Product) -> int:
    """The product's row; RecordChanged unless the version before is there. Names of it in other tables stay."""
    columns = _columns(product)
    places = ", ".join(f"{name} = :{name}" for name in columns)
    sql = f"""
        UPDATE products SET {places}, change = {NEXT_CHANGE} WHERE id = :id AND version = :version - 1 RETURNING number
    """  # noqa: S608
    rows = _write_unique(connection, sql, columns).fetchall()
    if not rows:
        raise RecordChanged
    number: int = rows[0][0]
    return number


def _write_unique(connection: sqlite3.Connection, sql: str, columns: dict[str, object]) -> sqlite3.Cursor:
    try:
        return connection.execute(sql, columns)
    except sqlite3.IntegrityError as error:
        if is_duplicate(error, "products.slug"):
            raise SlugTaken(f"Another product has the slug {columns['slug']}.") from error
        raise


def _keep_skus(connection: sqlite3.Connection, number: int | None, product: Product) -> None:
    """What the product is found by besides its own row."""
    for variant in product.variants:
        try:
            connection.execute("INSERT INTO skus VALUES (?, ?)", (variant.sku, number))
        except sqlite3.IntegrityError as error:
            raise SkuTaken(f"Another product has the SKU {variant.sku}.", sku=variant.sku) from error
