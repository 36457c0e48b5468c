"""What carts keep in SQLite beside the records: from which file it comes, and when it goes."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from carts.cart import Edit, edit, new_cart
from carts.stores.sqlite import SCHEMA, SqliteCartStore
from shopkit.metrics import Metrics
from shopkit.sqlite import REPLAYS, Sqlite, to_milliseconds

from .conftest import Clock
from .test_cart import SHOP, facts, wanted
from .test_record import SECOND

LARGE = {f"S{number}": facts() for number in range(60)}


async def test_a_file_of_an_earlier_release_is_taken_over(tmp_path: Path, clock: Clock) -> None:
    path = str(tmp_path / "carts.db")
    before = Sqlite(path, [REPLAYS, SCHEMA], Metrics("test", "0"))
    await before.prepare()
    await before.close()
    expiry = to_milliseconds(clock() + timedelta(days=1))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO carts VALUES ('c', 4, 'u', NULL, 1, ?, ?)", (expiry, SECOND))
    store = SqliteCartStore(path, Metrics("test", "0"), clock)
    await store.prepare()
    cart = await store.find_of_owner("u")
    assert cart is not None
    assert wanted(cart) == {"A": 2}
    cart = edit(cart, [Edit("B", delta=1)], SHOP, clock())
    await store.save(cart, None)
    assert await store.find("c") == cart
    await store.close()


async def test_a_base_goes_with_its_cart(tmp_path: Path, clock: Clock) -> None:
    path = str(tmp_path / "carts.db")
    store = SqliteCartStore(path, Metrics("test", "0"), clock)
    await store.prepare()
    for number in range(2):
        cart = new_cart(f"c{number}", None, f"hash {number}", clock())
        await store.add(edit(cart, [Edit(sku, delta=1) for sku in LARGE], LARGE, clock()), None)
        clock.pass_(days=31)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM carts").fetchall() == [("c1",)]
        assert connection.execute("SELECT id FROM bases").fetchall() == [("c1",)]
    await store.close()
