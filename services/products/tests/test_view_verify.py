"""`verify-view`: says that view and store are the same only where they are, and names what differs."""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from products.product import Product
from products.store import ProductStore
from products.stores import open_store
from products.view.home import Home
from products.view.index import Index
from shopdev.people import People
from shopkit.metrics import Metrics
from shopkit.values import new_id

from .conftest import Watch, body, product, variant
from .views import SAME, assert_same, running, verify


async def filled(store: ProductStore, count: int) -> list[Product]:
    products = [product(f"Number {number}") for number in range(count)]
    for start in range(0, count, 500):
        assert set(await store.keep_all(products[start : start + 500])) == {None}
    return products


async def test_it_compares_a_shop_that_runs_and_one_that_does_not(
    store_url: str, people: People, tmp_path: Path
) -> None:
    async with running(store_url, tmp_path / "view", people) as client:
        for number in range(20):
            assert (await client.post("/products", json=body(f"S-{number}"))).status_code == 201
        assert (await client.delete("/products/shirt")).status_code == 204
        await assert_same(store_url, tmp_path / "view", 20)
    run = verify(store_url, tmp_path / "view")
    assert (run.returncode, run.stdout) == (0, f"20 products compared: {SAME}")


def written(home: Path, products: list[Product]) -> None:
    """A view that holds these, as a service would leave it."""
    home.mkdir()
    index = Index(home / f"index-{new_id()}")
    index.add(products)
    index.commit("position")
    index.close()
    Home(home).use(index.folder)


async def test_it_names_what_differs(sqlite_url: str, watch: Watch, tmp_path: Path) -> None:
    store = open_store(sqlite_url, Metrics("products", "test"), watch)
    await store.prepare()
    same, missing, older, other, renamed, gone = (product(f"Number {number}") for number in range(6))
    await store.keep_all([same, missing, older, other, renamed])
    await store.close()
    late = replace(older, version=2)
    changed = replace(other, name="Something else")
    # Reads the same to nobody: what it is found by is another SKU.
    moved = replace(renamed, variants=(variant("MOVED"),))
    written(tmp_path / "view", [same, late, changed, moved, gone, same])
    run = verify(sqlite_url, tmp_path / "view")
    assert run.returncode == 1, run.stderr
    assert set(run.stdout.splitlines()) == {
        f"{missing.id}: in the store, but not in the view",
        f"{older.id}: version 2 in the view, 1 in the store",
        f"{other.id}: version 1 reads differently in the view",
        f"{renamed.id}: version 1 reads differently in the view",
        f"{gone.id}: in the view, but not in the store",
        f"{same.id}: not found by its id {same.id}",
        "5 products compared: 6 differ.",
    }


async def test_of_many_differences_it_shows_the_first_and_counts_all(
    sqlite_url: str, watch: Watch, tmp_path: Path
) -> None:
    store = open_store(sqlite_url, Metrics("products", "test"), watch)
    await store.prepare()
    await filled(store, 1200)
    await store.close()
    written(tmp_path / "view", [])
    run = verify(sqlite_url, tmp_path / "view")
    assert (run.returncode, len(run.stdout.splitlines())) == (1, 21)
    assert run.stdout.endswith("\n1,200 products compared: 1,200 differ.\n")


@pytest.mark.parametrize(
    ("view", "store", "said"),
    [
        ("", "sqlite:///{}/store.db", "VIEW_DIR is not set"),
        ("{}/nowhere", "sqlite:///{}/store.db", "holds no read view"),
        ("{}/nowhere", "sqlite:///{}/none.db", "There is no database file"),
        ("{}/nowhere", "mongodb://127.0.0.1:9/products?serverSelectionTimeoutMS=50", "MongoDB does not answer"),
    ],
)
async def test_wrong_use_ends_with_a_sentence_and_code_2(
    view: str, store: str, said: str, watch: Watch, tmp_path: Path
) -> None:
    made = open_store(f"sqlite:///{tmp_path}/store.db", Metrics("products", "test"), watch)
    await made.prepare()
    await made.close()
    environment = {"VIEW_DIR": view.format(tmp_path), "STORE_URL": store.format(tmp_path)}
    command = [sys.executable, "-m", "products", "verify-view"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1), run.stderr
    assert said in run.stderr
    assert not (tmp_path / "none.db").exists()
