"""What the tests of products share: the running application, people with tokens, and products to begin with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from products.app import create_app
from products.changes import ChangeLog
from products.listing import Facet, Place, Query
from products.product import Draft, Product, Variant, new_product
from products.settings import Settings
from products.store import ProductStore
from products.stores import open_store
from products.view.view import View
from shopdev.clients import client_of
from shopdev.people import People
from shopkit.metrics import Metrics
from shopkit.values import Money, new_id

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Watch:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **duration: float) -> None:
        self.moment += timedelta(**duration)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def store(store_url: str, watch: Watch) -> AsyncIterator[ProductStore]:
    """Every kind of store in turn, opened."""
    opened = open_store(store_url, Metrics("products", "test"), watch)
    await opened.prepare()
    yield opened
    await opened.close()


class Listed(NamedTuple):
    """A page of the view, its products decoded."""

    products: list[Product]
    next: Place | None
    total: int
    categories: list[Facet]
    tags: list[Facet]


class Catalogue:
    """A store with a view of it that follows each change."""

    def __init__(self, store: ProductStore, view: View, changes: ChangeLog) -> None:
        self.store = store
        self.view = view
        self.changes = changes

    async def add(self, *products: Product) -> None:
        for each in products:
            await self.store.add(each, None)
        await self.view.show(products)

    async def save(self, changed: Product) -> None:
        await self.store.save(changed)
        await self.view.show([changed])

    def page(self, query: Query) -> Listed:
        found = self.view.answers.page(query)
        products = [msgspec.json.decode(item, type=Product) for item in found.items]
        return Listed(products, found.next, found.total, found.categories, found.tags)


@asynccontextmanager
async def catalogue_of(store: ProductStore, watch: Watch, home: str = "") -> AsyncIterator[Catalogue]:
    changes = ChangeLog(new_id())
    async with (view := View(store, home, Metrics("products", "test"), watch, changes)):
        yield Catalogue(store, view, changes)


@pytest.fixture
async def catalogue(store: ProductStore, watch: Watch) -> AsyncIterator[Catalogue]:
    """A view of every kind of store in turn."""
    async with catalogue_of(store, watch) as opened:
        yield opened


@pytest.fixture
async def client(sqlite_url: str, people: People, watch: Watch) -> AsyncIterator[httpx.AsyncClient]:
    """A member of staff at the whole application, on SQLite."""
    async with client_of(create_app(settings(sqlite_url, people), clock=watch)) as opened:
        opened.headers.update(people.bearer("staff-1", "staff"))
        yield opened


@pytest.fixture
async def shop(store_url: str, people: People, watch: Watch) -> AsyncIterator[httpx.AsyncClient]:
    """The same on every kind of store in turn."""
    async with client_of(create_app(settings(store_url, people), clock=watch)) as opened:
        opened.headers.update(people.bearer("staff-1", "staff"))
        yield opened


async def everything(store: ProductStore) -> list[Product]:
    return [each async for portion in store.scan() for each in portion]


def settings(store_url: str, people: People, **rest: Any) -> Settings:
    return Settings(store_url=store_url, users_url=people.url, log_level="error", **rest)


def variant(sku: str, amount: int = 1000, stock: int | None = 5, **options: str) -> Variant:
    return Variant(sku, options, Money(amount, "EUR"), stock)


def product(name: str = "Shirt", *variants: Variant, **changes: Any) -> Product:
    """A product with a SKU and a slug of its own, unless told otherwise."""
    product_id = new_id()
    content: dict[str, Any] = {
        "name": name,
        "description": "",
        "category": None,
        "tags": (),
        "attributes": {},
        "image_url": None,
        "slug": f"p-{product_id[-12:]}",
        "variants": variants or (variant(f"SKU-{product_id[-12:]}"),),
    }
    at = changes.pop("at", START)
    draft = Draft(**content | changes)
    return new_product(draft, product_id, draft.slug or "", at)


def body(sku: str = "SHIRT", name: str = "Shirt", amount: int = 1999, **more: Any) -> dict[str, Any]:
    """A new product in the form for one variant."""
    return {"name": name, "sku": sku, "price": {"amount": amount, "currency": "EUR"}, **more}
