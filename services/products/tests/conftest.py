"""What the tests of products share: the running application, people with tokens, and products to begin with."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from products.app import create_app
from products.product import Draft, Product, Variant, new_product
from products.settings import Settings
from products.store import ProductStore
from products.stores import open_store
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
