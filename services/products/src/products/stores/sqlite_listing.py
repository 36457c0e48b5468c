"""Lists of products in SQLite: a query becomes conditions, an order, and two counts."""

import sqlite3
from collections.abc import Callable, Sequence

from products.listing import FACET_VALUES_MAX, Facet, Listing, Query, Sort
from products.product import Product
from products.stores.facts import Facts, KeptFacts

ORDERS: dict[Sort, tuple[str, str]] = {
    "relevance": ("number IN (SELECT rowid FROM search WHERE search MATCH :in_name)", "DESC"),
    "price": ("price", "ASC"),
    "-price": ("price", "DESC"),
    "name": ("name_key", "ASC"),
    "-created_at": ("created_at", "DESC"),
}

Decode = Callable[[bytes], Product]


def read_listing(connection: sqlite3.Connection, query: Query, decode: Decode, kept: KeptFacts) -> Listing:
    """One page and the facts about the whole result."""
    # Differs after every commit of another connection, and this one never writes.
    state = connection.execute("PRAGMA data_version").fetchone()
    condition, values = _condition(query)
    found = f"FROM products WHERE {condition}"
    facts = kept.find(state, query)
    if facts is None:
        facts = _facts(connection, found, values)
        kept.keep(state, query, facts)
    rows = _page(connection, query, found, values)
    products = [decode(record) for record, _, _ in rows[: query.limit]]
    return Listing(products, rows[query.limit - 1][1:] if len(rows) > query.limit else None, *facts)


def _facts(connection: sqlite3.Connection, found: str, values: dict[str, object]) -> Facts:
    counts = connection.execute(f"SELECT category, count(*) {found} GROUP BY category", values).fetchall()
    categories = sorted((Facet(*row) for row in counts if row[0] is not None), key=lambda f: (-f.count, f.value))
    tags = connection.execute(
        f"SELECT tag, count(*) FROM tags WHERE product IN (SELECT number {found})"  # noqa: S608 (constant texts)
        " GROUP BY tag ORDER BY count(*) DESC, tag LIMIT :values_max",
        {**values, "values_max": FACET_VALUES_MAX},
    )
    return Facts(sum(count for _, count in counts), categories[:FACET_VALUES_MAX], [Facet(*row) for row in tags])


def _page(
    connection: sqlite3.Connection, query: Query, found: str, values: dict[str, object]
) -> list[tuple[bytes, int | float | str, str]]:
    """Records with their keys and ids, one more than asked for where there is a next page."""
    key, direction = ORDERS[query.sort]
    place = ""
    values = {**values, "rows": query.limit + 1}
    if query.sort == "relevance":
        values["in_name"] = f"name : ({_all(query.words or ())})"
    if query.after is not None:
        place = f"AND ({key}, id) {'>' if direction == 'ASC' else '<'} (:key, :id)"
        values["key"], values["id"] = query.after
    order = f"ORDER BY {key} {direction}, id {direction} LIMIT :rows"
    return connection.execute(f"SELECT record, {key}, id {found} {place} {order}", values).fetchall()


def _condition(query: Query) -> tuple[str, dict[str, object]]:
    """What a product of the result fulfils, as SQL and its values."""
    parts, values = ["is_active"], dict[str, object]()
    if query.words is not None:
        parts.append("number IN (SELECT rowid FROM search WHERE search MATCH :words)" if query.words else "FALSE")
        values["words"] = _all(query.words)
    for number, tag in enumerate(query.tags):
        parts.append(f"number IN (SELECT product FROM tags WHERE tag = :tag{number})")  # noqa: S608 (a number)
        values[f"tag{number}"] = tag
    for part, value in (
        ("category = :category", query.category),
        ("price >= :min_price", query.min_price),
        ("price <= :max_price", query.max_price),
        ("in_stock = :in_stock", query.in_stock),
    ):
        if value is not None:
            parts.append(part)
            values[part.rpartition(":")[2]] = value
    return " AND ".join(parts), values


def _all(words: Sequence[str]) -> str:
    """An FTS5 expression that all words fulfil; a word holds letters and digits only, so none ends its quotes."""
    return " ".join(f'"{word}"' for word in words)
