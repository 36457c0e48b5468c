"""What people do with browsers: keys, double clicks, going back, coming back, two at once; and services that fail."""

import asyncio

import pytest
from playwright.async_api import Locator, Page, expect

from shopdev.shop import PASSWORD, Shop

from .conftest import Visitor, Visitors

pytestmark = pytest.mark.asyncio(loop_scope="module")


def quantity_of(page: Page, name: str) -> Locator:
    """The number of a product in the cart's page."""
    return page.get_by_role("listitem").filter(has_text=name).get_by_role("spinbutton", name="Quantity")


async def add(visitor: Visitor, slug: str) -> None:
    """Puts one of a product into the cart."""
    await visitor.open(f"/p/{slug}")
    await visitor.page.get_by_role("button", name="Add to cart").click()
    await visitor.note("Added to your cart")


async def tab_to(page: Page, locator: Locator) -> None:
    """Moves the focus by the Tab key alone until it is there."""
    for _ in range(120):
        if await locator.evaluate("element => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {locator}.")


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
async def test_buying_needs_no_mouse(visitor: Visitors, shop: Shop, script: bool) -> None:
    email = shop.register()
    someone = await visitor(script=script)
    page = someone.page
    await someone.open("/")
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await tab_to(page, page.get_by_role("searchbox"))
    await page.keyboard.type("spoon")
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_role("link", name="Pewter spoon"))
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_role("button", name="Add to cart"))
    await page.keyboard.press("Enter")
    await someone.note("Added to your cart: 1 × Pewter spoon")
    await tab_to(page, page.get_by_role("link", name="Cart").first)
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_role("button", name="One more of Pewter spoon"))
    await page.keyboard.press("Enter")
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("2")
    if script:
        await expect(page.get_by_role("button", name="One more of Pewter spoon")).to_be_focused()
    await tab_to(page, page.get_by_role("link", name="Sign in"))
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_label("Mail address"))
    await page.keyboard.type(email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await someone.note("Your cart came along.")
    await tab_to(page, page.get_by_role("button", name="Sign out"))
    await page.keyboard.press("Enter")
    await someone.note("You are signed out.")


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
async def test_a_double_click_acts_once(visitor: Visitors, script: bool) -> None:
    someone = await visitor(script=script)
    page = someone.page
    await someone.open("/p/pewter-spoon")
    await page.get_by_role("button", name="Add to cart").dblclick()
    await someone.note("Added to your cart")
    await someone.open("/cart")
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("1")
    await page.get_by_role("button", name="One more of Pewter spoon").dblclick()
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("2")
    await someone.open("/cart")
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("2")


async def test_registering_by_a_double_click_makes_one_account(visitor: Visitors) -> None:
    someone = await visitor(script=False)
    page = someone.page
    await someone.open("/register")
    await page.get_by_label("Mail address").fill("double@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Make an account").dblclick()
    await expect(page).to_have_url("/account")
    await expect(page.get_by_role("main")).to_contain_text("double@example.com")


async def test_going_back_sends_nothing_again(visitor: Visitors) -> None:
    someone = await visitor(script=False)
    page = someone.page
    await add(someone, "pewter-spoon")
    await page.get_by_role("button", name="One more of Pewter spoon").click()
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("2")
    sent = len(someone.posts)
    assert sent == 2
    for step in (page.go_back, page.go_back, page.go_forward, page.reload, page.go_back, page.go_forward):
        await step()
    await someone.open("/cart")
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("2")
    assert len(someone.posts) == sent


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
async def test_who_goes_back_and_adds_again_has_one_more(visitor: Visitors, script: bool) -> None:
    someone = await visitor(script=script)
    page = someone.page
    await add(someone, "pewter-spoon")
    if script:
        await someone.open("/cart")
    await expect(page).to_have_url("/cart")
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Pewter spoon")
    await page.get_by_role("button", name="Add to cart").click()
    await someone.note("Added to your cart")
    await someone.open("/cart")
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("2")


async def test_a_guests_cart_survives_closing_the_browser(visitor: Visitors) -> None:
    someone = await visitor()
    await add(someone, "driftwood-tray")
    kept = await someone.context.storage_state()
    assert all(cookie["expires"] > 0 for cookie in kept["cookies"]), "a cookie without an end dies with the browser"
    await someone.context.close()
    again = await visitor(storage_state=kept)
    await again.open("/cart")
    await expect(quantity_of(again.page, "Driftwood tray")).to_have_value("1")


async def test_a_sign_in_survives_closing_the_browser(visitor: Visitors, shop: Shop) -> None:
    email = shop.register()
    someone = await visitor()
    await someone.sign_in(email, PASSWORD)
    again = await visitor(storage_state=await someone.context.storage_state())
    await again.open("/account")
    await expect(again.page.get_by_role("main")).to_contain_text(email)


async def test_two_browsers_change_one_cart_at_once(visitor: Visitors, shop: Shop) -> None:
    email = shop.register()
    one, other = await visitor(), await visitor(360, script=False)
    for someone in (one, other):
        await someone.sign_in(email, PASSWORD)
    await add(one, "driftwood-tray")
    for someone in (one, other):
        await someone.open("/cart")
        await expect(quantity_of(someone.page, "Driftwood tray")).to_have_value("1")
    await asyncio.gather(add(one, "pewter-spoon"), add(other, "harbour-jumper"))
    await asyncio.gather(add(one, "driftwood-tray"), add(other, "driftwood-tray"))
    for someone in (one, other):
        await someone.open("/cart")
        await expect(quantity_of(someone.page, "Driftwood tray")).to_have_value("3")
        await expect(quantity_of(someone.page, "Pewter spoon")).to_have_value("1")
        await expect(quantity_of(someone.page, "Harbour jumper")).to_have_value("1")


async def test_a_line_that_another_browser_removed_is_told_and_comes_back_by_undo(
    visitor: Visitors, shop: Shop
) -> None:
    email = shop.register()
    one, other = await visitor(), await visitor()
    for someone in (one, other):
        await someone.sign_in(email, PASSWORD)
    await add(one, "pewter-spoon")
    for someone in (one, other):
        await someone.open("/cart")
    await other.page.get_by_role("button", name="Remove Pewter spoon").click()
    await other.note("Removed from your cart")
    await one.page.get_by_role("button", name="One more of Pewter spoon").click()
    await expect(quantity_of(one.page, "Pewter spoon")).to_have_value("2")
    await other.page.get_by_role("button", name="Undo").click()
    await other.note("This can no longer be undone.")
    await other.open("/cart")
    await expect(quantity_of(other.page, "Pewter spoon")).to_have_value("2")


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
async def test_services_that_die_in_the_middle_come_back_with_everything(
    visitor: Visitors, shop: Shop, script: bool
) -> None:
    email = shop.register()
    someone = await visitor(script=script)
    page = someone.page
    await someone.sign_in(email, PASSWORD)
    await add(someone, "pewter-spoon")

    await without_carts(someone, shop)
    await without_products(someone, shop)
    await without_users(someone, shop)
    await expect(page.get_by_role("main")).to_contain_text(email)


async def without_carts(someone: Visitor, shop: Shop) -> None:
    page = someone.page
    shop["carts"].kill()
    await someone.open("/p/driftwood-tray")
    await page.get_by_role("button", name="Add to cart").click()
    if someone.script:
        await someone.note("not answering just now")
    else:
        await expect(page.get_by_role("heading", level=1)).to_contain_text("not answering just now")
    await someone.open("/cart")
    await expect(page.get_by_role("heading", name="Your cart cannot be read just now")).to_be_visible()
    await someone.look("carts-down")
    assert await someone.open("/search?q=spoon") == 200
    await shop.start("carts")
    await until(someone, "/cart")
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("1")


async def without_products(someone: Visitor, shop: Shop) -> None:
    page = someone.page
    shop["products"].kill()
    assert await someone.open("/") == 503
    await expect(page.get_by_role("main")).to_contain_text("not answering just now")
    await someone.look("products-down")
    await until(someone, "/cart")
    await page.get_by_role("button", name="One more of Pewter spoon").click()
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("2")
    await expect(page.get_by_role("main")).to_contain_text("the last prices we know")
    await shop.start("products")
    await until(someone, "/")


async def without_users(someone: Visitor, shop: Shop) -> None:
    page = someone.page
    shop["users"].kill()
    assert await someone.open("/account") == 503
    await until(someone, "/cart")
    await expect(quantity_of(page, "Pewter spoon")).to_have_value("2")
    await shop.start("users")
    await until(someone, "/account")


async def until(someone: Visitor, path: str) -> None:
    """Opens a page until it is there: the storefront asks a service that failed again after a moment."""
    async with asyncio.timeout(20):
        while await someone.open(path) == 503:
            await asyncio.sleep(0.1)
