"""The whole way of a guest, on both stores, with and without scripts, on a phone, a tablet and a desk."""

import pytest
from playwright.async_api import expect

from shopdev.shop import PASSWORD, Shop

from .conftest import Visitor, Visitors

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest) -> str:
    """The one that a test asks for."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def email(shop: Shop) -> str:
    """An account whose saved cart holds one tray."""
    email = shop.register()
    shop.call("carts", "POST", "/carts", json={"sku": "DRIFTWOOD-TRAY", "quantity": 1}, headers=shop.bearer(email))
    return email


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
async def test_a_guest_searches_adds_signs_in_merges_undoes_and_signs_out(
    visitor: Visitors, email: str, width: int, script: bool
) -> None:
    await go_all_the_way(await visitor(width, script=script), email)


# What the store changes does not depend on the looks. The scope is that of the shop: one serves both.
@pytest.mark.parametrize("store", ["mongo"], indirect=True, scope="module")
@pytest.mark.parametrize(("width", "script"), [(360, False), (1440, True)])
async def test_a_guests_way_is_the_same_on_mongodb(visitor: Visitors, email: str, width: int, script: bool) -> None:
    await go_all_the_way(await visitor(width, script=script), email)


async def go_all_the_way(guest: Visitor, email: str) -> None:
    await search_and_add(guest, guest.script)
    await change_remove_and_undo(guest)
    await sign_in_and_undo_the_merge(guest, email)
    await sign_out(guest)


async def search_and_add(guest: Visitor, script: bool) -> None:
    page = guest.page
    await guest.open("/")
    await guest.look("home")
    await page.get_by_role("searchbox", name="Search the shop").fill("jumper harbour")
    await page.get_by_role("searchbox", name="Search the shop").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("jumper harbour")
    await guest.look("results")
    await page.get_by_role("link", name="Harbour jumper").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Harbour jumper")
    await page.get_by_role("radio", name="L €79.00").check()
    if script:
        await expect(page.locator("#offer")).to_contain_text("€79.00")
        await page.evaluate("window.isTheSamePage = true")
    await guest.look("product")
    await page.get_by_role("spinbutton", name="Quantity").fill("2")
    await page.get_by_role("button", name="Add to cart").click()
    await guest.note("Added to your cart: 2 × Harbour jumper")
    await expect(page.locator("#cart-link")).to_contain_text("2")
    if script:
        assert await page.evaluate("window.isTheSamePage"), "the page was loaded anew"
        await page.get_by_role("link", name="View cart").click()
    await expect(page).to_have_url("/cart")


async def change_remove_and_undo(guest: Visitor) -> None:
    page = guest.page
    quantity = page.get_by_role("spinbutton", name="Quantity")
    await page.get_by_role("button", name="One more of Harbour jumper").click()
    await expect(quantity).to_have_value("3")
    await expect(page.get_by_role("complementary", name="Total")).to_contain_text("€237.00")
    await guest.look("cart")
    await page.get_by_role("button", name="Remove Harbour jumper").click()
    await guest.note("Removed from your cart: Harbour jumper")
    await expect(page.get_by_role("heading", name="Your cart is empty")).to_be_visible()
    await guest.look("cart-empty")
    await page.get_by_role("button", name="Undo").click()
    await guest.note("Undone.")
    await expect(quantity).to_have_value("3")


async def sign_in_and_undo_the_merge(guest: Visitor, email: str) -> None:
    page = guest.page
    await page.get_by_role("link", name="Sign in").click()
    await guest.look("sign-in")
    await guest.sign_in(email, PASSWORD)
    await guest.note("Your cart was joined with the one you had saved; items added: 3.")
    await guest.look("account")
    await page.get_by_role("link", name="Cart").first.click()
    await expect(page.get_by_role("listitem").filter(has_text="Harbour jumper")).to_be_visible()
    await page.get_by_role("link", name="History").click()
    await expect(page.get_by_role("main")).to_contain_text("joined from another cart")
    await guest.look("history")
    await page.get_by_role("button", name="Undo").first.click()
    await guest.note("Undone.")
    await expect(page).to_have_url("/cart")
    await expect(page.get_by_role("listitem").filter(has_text="Driftwood tray")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="Harbour jumper")).to_have_count(0)


async def sign_out(guest: Visitor) -> None:
    page = guest.page
    await page.get_by_role("link", name="Account").first.click()
    await page.get_by_role("button", name="Sign out").click()
    await guest.note("You are signed out.")
    await guest.open("/cart")
    await expect(page.get_by_role("heading", name="Your cart is empty")).to_be_visible()
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
