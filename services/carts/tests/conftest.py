"""What the tests of carts share: a products service that says what the test wants, and the whole application."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web

from carts.app import create_app
from carts.settings import Settings
from shopdev.clients import client_of
from shopdev.people import People


class Products:
    """Answers `GET /products?sku=…` as the products service does; `down` makes it fail."""

    def __init__(self) -> None:
        self.variants: dict[str, dict[str, Any]] = {}
        self.down = False
        self.asked = 0
        self.url = ""

    def sell(
        self, sku: str, amount: int = 1000, stock: int | None = None, currency: str = "EUR", status: str = "active"
    ) -> None:
        """From now on this is what there is of that SKU."""
        self.variants[sku] = {
            "id": f"id-of-{sku}",
            "slug": sku.lower(),
            "name": f"The {sku}",
            "image_url": f"/images/{sku}.svg",
            "status": status,
            "variants": [
                {
                    "sku": sku,
                    "options": {"size": "M"},
                    "price": {"amount": amount, "currency": currency},
                    "stock": stock,
                }
            ],
        }

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.down:
            return web.Response(status=503)
        asked = request.query.getall("sku")
        found = [self.variants[sku] for sku in asked if sku in self.variants]
        missing = [sku for sku in asked if sku not in self.variants]
        return web.json_response({"items": found, "missing": missing, "next_cursor": None})

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/products", self._answer)]

    async def __aenter__(self) -> "Products":
        app = web.Application()
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.moment

    def pass_(self, **time: float) -> None:
        """Lets so much time pass."""
        self.moment += timedelta(**time)


@pytest.fixture
async def products() -> AsyncIterator[Products]:
    async with Products() as found:
        for sku in ("A", "B", "C", "D"):
            found.sell(sku)
        found.sell("FEW", 500, stock=3)
        found.sell("USD", 700, currency="USD")
        found.sell("GONE", status="archived")
        yield found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(sqlite_url: str, people: People, products: Products) -> Settings:
    return Settings(
        store_url=sqlite_url, users_url=people.url, products_url=products.url, catalogue_fresh_ms=0, log_level="error"
    )


@pytest.fixture
async def client(settings: Settings, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(settings, clock=clock)) as found:
        yield found


class Guest:
    """A guest with a cart; each method is a call, and answers the response."""

    def __init__(self, client: httpx.AsyncClient, cart: dict[str, Any]) -> None:
        self.client = client
        self.id: str = cart["id"]
        self.token: str = cart["token"]
        self.headers = {"Cart-Token": self.token}

    async def get(self, path: str = "", **rest: Any) -> httpx.Response:
        return await self.call("GET", path, **rest)

    async def call(
        self, method: str, path: str = "", headers: dict[str, str] | None = None, **rest: Any
    ) -> httpx.Response:
        return await self.client.request(
            method, f"/carts/{self.id}{path}", headers=self.headers | (headers or {}), **rest
        )

    async def add(self, sku: str, quantity: int = 1, **rest: Any) -> httpx.Response:
        return await self.call("POST", "/lines", json={"sku": sku, "quantity": quantity}, **rest)

    async def set(self, sku: str, quantity: int, **rest: Any) -> httpx.Response:
        return await self.call("PUT", f"/lines/{sku}", json={"quantity": quantity}, **rest)


async def new_guest(client: httpx.AsyncClient, *lines: tuple[str, int]) -> Guest:
    """A guest whose new cart holds these lines."""
    wanted = [{"sku": sku, "quantity": quantity} for sku, quantity in lines]
    answer = await client.post("/carts", json={"lines": wanted})
    assert answer.status_code == 201, answer.text
    return Guest(client, answer.json())


@pytest.fixture
async def guest(client: httpx.AsyncClient) -> Guest:
    return await new_guest(client)


def quantities(cart: dict[str, Any]) -> dict[str, int]:
    """How many of each SKU a cart shows."""
    return {line["sku"]: line["quantity"] for line in cart["lines"]}
