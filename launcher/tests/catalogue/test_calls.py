"""Tokens that end and services that are busy, against a shop that is a few lines long."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from trolley.calls import Access, NoShop, Shop, Stopped
from trolley.staff import Staff

ITEMS = [{"sku": "A"}]


class Services:
    """Users and products at one address: every sign-in gives a new token, batches are answered as planned."""

    def __init__(self) -> None:
        self.lifetime = 900
        self.planned: list[web.Response] = []
        self.tokens_seen: list[str] = []
        self.sign_ins = 0
        self.sign_in: web.Response | None = None
        self.access = Access(products_url="", users_url="", staff=Staff("ada@example.com", "secret"))

    async def login(self, _: web.Request) -> web.Response:
        self.sign_ins += 1
        if self.sign_in is not None:
            return self.sign_in
        content: Any = {"access_token": f"token {self.sign_ins}", "expires_in": self.lifetime}
        return web.json_response(content | {"user": {"roles": ["staff"]}})

    async def batch(self, request: web.Request) -> web.Response:
        self.tokens_seen.append(request.headers["Authorization"].removeprefix("Bearer "))
        return self.planned.pop(0) if self.planned else web.json_response({"results": [{"status": 201}]})

    async def products(self, _: web.Request) -> web.Response:
        return web.json_response({"items": []})


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    found = Services()
    app = web.Application()
    app.router.add_post("/login", found.login)
    app.router.add_post("/products/batch", found.batch)
    app.router.add_get("/products", found.products)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    found.access = replace(found.access, products_url=url, users_url=url)
    yield found
    await runner.cleanup()


async def test_a_token_serves_until_it_nears_its_end(services: Services) -> None:
    async with Shop(services.access) as shop:
        await shop.place(ITEMS)
        await shop.place(ITEMS)
    assert services.tokens_seen == ["token 1", "token 1"]


async def test_a_token_near_its_end_is_replaced_before_the_next_call(services: Services) -> None:
    services.lifetime = 0
    async with Shop(services.access) as shop:
        await shop.place(ITEMS)
        await shop.place(ITEMS)
    assert services.tokens_seen == ["token 2", "token 3"]


async def test_a_token_that_is_refused_is_replaced_once(services: Services) -> None:
    services.planned = [web.json_response({}, status=401)]
    async with Shop(services.access) as shop:
        assert await shop.place(ITEMS) == [{"status": 201}]
    assert services.tokens_seen == ["token 1", "token 2"]


async def test_a_token_that_was_given_is_the_only_one(services: Services) -> None:
    services.planned = [web.json_response({"detail": "It has ended."}, status=401)]
    async with Shop(replace(services.access, token="given", staff=None)) as shop:
        with pytest.raises(Stopped, match=r"The shop answered 401 to /products/batch: It has ended\."):
            await shop.place(ITEMS)
    assert services.tokens_seen == ["given"]


@pytest.mark.parametrize("status", [429, 500, 503, 504])
async def test_a_busy_service_is_asked_again(services: Services, status: int) -> None:
    services.planned = [web.Response(status=status, headers={"Retry-After": "0"})]
    async with Shop(services.access) as shop:
        assert await shop.place(ITEMS) == [{"status": 201}]
    assert len(services.tokens_seen) == 2


async def test_a_service_that_stays_busy_is_given_up(services: Services) -> None:
    services.planned = [web.Response(status=503)] * 1
    async with Shop(replace(services.access, patience_seconds=0.01)) as shop:
        with pytest.raises(Stopped, match=r"The products service is away: it answers 503\."):
            await shop.place(ITEMS)


async def test_a_page_of_something_else_is_no_shop(services: Services) -> None:
    with pytest.raises(NoShop, match="is not the products service"):
        async with Shop(replace(services.access, products_url=f"{services.access.products_url}/nothing")):
            pass


@pytest.mark.parametrize(("status", "text"), [(200, "<p>Welcome"), (200, "{}"), (404, '{"code": "x"}'), (403, "No.")])
async def test_a_page_of_something_else_is_no_users_service(services: Services, status: int, text: str) -> None:
    services.sign_in = web.Response(status=status, text=text)
    with pytest.raises(NoShop, match="is not the users service"):
        async with Shop(services.access):
            pass


async def test_a_users_service_that_refuses_is_quoted(services: Services) -> None:
    services.sign_in = web.json_response({"code": "validation_failed", "detail": "No such address."}, status=422)
    with pytest.raises(Stopped, match=r"The shop answered 422 to /login: No such address\."):
        async with Shop(services.access):
            pass
