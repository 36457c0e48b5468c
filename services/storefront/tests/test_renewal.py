"""Access tokens end while people go on: renewed once for all who ask, and nobody is signed out by it."""

import asyncio
import re
from datetime import timedelta

import httpx

from shopdev.shop import Shop

from .browsing import Page, Shopper
from .conftest import Storefront

# An access token is good for 900 s.
ENDED = timedelta(seconds=901)


def renewals(shop: Shop) -> int:
    """How often the users service was asked for new tokens."""
    text = shop.call("users", "GET", "/metrics").text
    return sum(
        int(float(n)) for n in re.findall(r'http_requests_total\{[^}]*route="/token/refresh"[^}]*\} (\S+)', text)
    )


async def at_once(storefront: Storefront, shopper: Shopper, path: str, times: int) -> list[Page]:
    """Pages asked for with one and the same cookie, before any answer could bring another."""
    cookie = "; ".join(f"{name}={value}" for name, value in shopper.client.cookies.items())
    browsers = [await storefront.shopper(Cookie=cookie) for _ in range(times)]
    return await asyncio.gather(*(browser.get(path) for browser in browsers))


async def test_a_token_that_ended_is_renewed_and_nobody_notices(storefront: Storefront) -> None:
    shopper = await storefront.signed_in()
    before = renewals(storefront.shop)
    storefront.clock.ahead = ENDED
    page = await shopper.get("/account")
    assert page.path == "/account"
    assert renewals(storefront.shop) == before + 1
    await shopper.get("/account")
    assert renewals(storefront.shop) == before + 1


async def test_twenty_pages_at_once_share_one_renewal(storefront: Storefront) -> None:
    shopper = await storefront.signed_in()
    before = renewals(storefront.shop)
    storefront.clock.ahead = ENDED
    pages = await at_once(storefront, shopper, "/account", 20)
    assert [page.path for page in pages] == ["/account"] * 20
    assert renewals(storefront.shop) == before + 1
    shopper.client.cookies = pages[7].response.cookies
    assert (await shopper.get("/account")).path == "/account"


async def test_a_page_asked_for_with_the_old_cookie_a_moment_later_is_signed_in_too(storefront: Storefront) -> None:
    shopper = await storefront.signed_in()
    storefront.clock.ahead = ENDED
    await at_once(storefront, shopper, "/account", 1)
    storefront.clock.ahead += timedelta(seconds=20)
    assert (await shopper.get("/account")).path == "/account"


async def test_who_was_signed_out_elsewhere_is_told_and_comes_back_to_the_page(
    storefront: Storefront, shop: Shop
) -> None:
    email = shop.register()
    shopper = await storefront.shopper()
    await shopper.sign_in(email)
    passwords = {"current_password": "correct horse battery staple", "new_password": "another horse, another battery"}
    shop.call("users", "POST", "/me/password", json=passwords, headers=shop.bearer(email))
    storefront.clock.ahead = ENDED
    page = await shopper.get("/account")
    assert page.path.startswith("/sign-in")
    assert "signed out" in page.text
    back = await shopper.fill(page, "/sign-in", email=email, password="another horse, another battery")
    assert back.path == "/account"


async def test_a_renewal_that_cannot_be_had_signs_nobody_out(storefront: Storefront, shop: Shop) -> None:
    shopper = await storefront.signed_in()
    storefront.clock.ahead = ENDED
    shop["users"].kill()
    try:
        page = await shopper.get("/account")
        assert (page.status, page.path) == (503, "/account")
        assert "not answering" in page.text
        assert (await shopper.get("/search")).status == 200
    finally:
        await shop["users"].start()
    await until_signed_in(shopper)


async def until_signed_in(shopper: Shopper) -> None:
    """The storefront asks a service that failed again after a pause."""
    async with asyncio.timeout(10):
        while (page := await shopper.get("/account")).status == 503:
            await asyncio.sleep(0.05)
    assert (page.status, page.path) == (200, "/account")


async def test_a_tab_that_signed_out_leaves_nothing_to_renew(storefront: Storefront) -> None:
    shopper = await storefront.signed_in()
    old = httpx.Cookies(shopper.client.cookies)
    await shopper.fill(await shopper.get("/account"), "/sign-out")
    shopper.client.cookies = old
    storefront.clock.ahead = ENDED
    page = await shopper.get("/account")
    assert page.path.startswith("/sign-in")
