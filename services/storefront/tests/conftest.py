"""The storefront in this process, before real services in processes of their own."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from shopdev.clients import client_of
from shopdev.shop import Shop
from shopkit.values import now
from storefront.app import create_app
from storefront.settings import Settings

from .browsing import Shopper
from .goods import GOODS

SECRET = "a secret that is only good for tests"


class SetClock:
    """The present time, and what the test says on top of it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead


class Storefront:
    """The application; `shopper()` is a new visitor, with cookies of their own."""

    def __init__(self, shop: Shop, stack: AsyncExitStack) -> None:
        self.shop = shop
        self.clock = SetClock()
        self._stack = stack

    async def open(self, **settings: Any) -> "Storefront":
        """With settings other than the usual ones."""
        defaults: dict[str, Any] = {"session_secret": (SECRET,), "call_timeout_ms": 5000, "log_level": "error"}
        self.app = create_app(Settings(**(defaults | self.shop.urls | settings)), clock=self.clock)
        await self._stack.enter_async_context(client_of(self.app))
        return self

    async def shopper(self, base_url: str = "http://test", **headers: str) -> Shopper:
        """A browser that has never been here."""
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app.edge), base_url=base_url, headers=headers)
        return Shopper(await self._stack.enter_async_context(client))

    async def signed_in(self, *, staff: bool = False) -> Shopper:
        """Somebody with an account, signed in."""
        shopper = await self.shopper()
        await shopper.sign_in(self.shop.staff() if staff else self.shop.register())
        return shopper


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The services, with goods. A test that stops one starts it again."""
    folder = tmp_path_factory.mktemp("shop")
    images = folder / "images"
    images.mkdir()
    (images / "teapot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"/>')
    with Shop(lambda name: f"sqlite:///{folder}/{name}.db", images).running() as shop:
        shop.add(GOODS)
        yield shop


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is open until the end of the test."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def storefront(shop: Shop, stack: AsyncExitStack) -> Storefront:
    """The storefront as it usually is."""
    return await Storefront(shop, stack).open()


@pytest.fixture
async def shopper(storefront: Storefront) -> Shopper:
    """A browser that has never been here."""
    return await storefront.shopper()


@pytest.fixture
def sku(shop: Shop) -> str:
    """The SKU of a new product of which there are five; its slug is the SKU in lower case."""
    sku = f"NEW-{secrets.token_hex(4)}".upper()
    price = {"amount": 1250, "currency": "EUR"}
    shop.add([{"name": f"Lamp {sku}", "slug": sku.lower(), "sku": sku, "price": price, "stock": 5}])
    return sku


@pytest.fixture(scope="session")
def staff_email(shop: Shop) -> str:
    """The mail address of an account that may change the catalogue."""
    return shop.staff()


@pytest.fixture
async def staff(storefront: Storefront, staff_email: str) -> Shopper:
    """Somebody who may change the catalogue, signed in."""
    shopper = await storefront.shopper()
    await shopper.sign_in(staff_email)
    return shopper
