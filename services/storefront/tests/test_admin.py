"""Staff's list of products, who may see it, archiving and stock."""

import asyncio
import secrets

import pytest

from shopdev.shop import PASSWORD, Shop

from .browsing import Shopper
from .conftest import Storefront
from .goods import HOSTILE
from .staffing import action_of, edited, stocks, stored

PAGES = ["/admin", "/admin/products/new", "/admin/import", "/admin/products/linen-shirt"]
ACTIONS = ["/admin/products", "/admin/products/linen-shirt", "/admin/stock", "/admin/import"]
ACTIONS += ["/admin/products/linen-shirt/archive", "/admin/products/linen-shirt/restore"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_guest_signs_in_and_comes_back(storefront: Storefront, shopper: Shopper, path: str) -> None:
    page = await shopper.get(path)
    page = await shopper.fill(page, "/sign-in", email=storefront.shop.staff(), password=PASSWORD)
    assert page.path == path


@pytest.mark.parametrize("path", PAGES)
async def test_a_customer_is_told_that_the_page_is_for_staff(storefront: Storefront, path: str) -> None:
    customer = await storefront.signed_in()
    page = await customer.get(path)
    assert page.status == 403
    assert "This page is for staff" in page.text


@pytest.mark.parametrize("path", ACTIONS)
async def test_a_customer_can_do_nothing(storefront: Storefront, path: str) -> None:
    customer = await storefront.signed_in()
    token = (await customer.get("/account")).form("/sign-out").fields["csrf"]
    answer = await customer.client.post(path, data={"csrf": token, "sku": "SHIRT-M", "delta": "1"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ACTIONS)
async def test_a_form_without_our_token_does_nothing(staff: Shopper, shop: Shop, path: str) -> None:
    before = stored(shop, "SHIRT-M")
    answer = await staff.client.post(path, data={"name": "Mine", "sku": "SHIRT-M", "delta": "1"})
    assert answer.status_code == 403
    assert stored(shop, "SHIRT-M") == before


async def test_staff_who_sign_in_go_to_their_own_pages(storefront: Storefront) -> None:
    shopper = await storefront.shopper()
    page = await shopper.sign_in(storefront.shop.staff())
    assert page.path == "/admin"
    assert (await shopper.get("/")).links["Admin"] == "/admin"


async def test_customers_see_no_way_to_staffs_pages(storefront: Storefront) -> None:
    customer = await storefront.signed_in()
    page = await customer.get("/")
    assert "Account" in page.links
    assert "Admin" not in page.links


async def test_a_list_longer_than_a_page_is_read_on_by_its_link(staff: Shopper) -> None:
    page = await staff.get("/admin?q=pencil")
    names = {name for name in page.links if name.startswith("Pencil")}
    assert len(names) == 24
    page = await staff.get(page.links["Load more"])
    more = {name for name in page.links if name.startswith("Pencil")}
    assert len(names | more) == 30
    assert not names & more
    assert "Load more" not in page.links


async def test_a_place_in_the_list_that_is_none_leads_to_its_beginning(staff: Shopper) -> None:
    page = await staff.get("/admin?q=pencil&cursor=nonsense")
    assert page.path == "/admin?q=pencil"


@pytest.mark.parametrize("words", ["%00", "x" * 5000, "%F0%9F%AA%94", "%25%2F%3Cb%3E"])
async def test_words_that_no_product_has_are_no_trouble(staff: Shopper, words: str) -> None:
    page = await staff.get(f"/admin?q={words}")
    assert page.status == 200
    assert "<b>" not in page.html


async def test_a_sku_is_found_in_small_letters(staff: Shopper, shop: Shop) -> None:
    page = await staff.get("/admin?q=shirt-xl")
    assert page.links["Linen shirt"] == action_of(shop, "SHIRT-XL")


async def test_names_are_shown_and_never_obeyed(staff: Shopper, shop: Shop) -> None:
    for page in (await staff.get("/admin?q=hostile"), await edited(staff, shop, "HOSTILE")):
        assert HOSTILE["name"] in page.text
        assert "<script>alert" not in page.html
    form = page.form(action_of(shop, "HOSTILE"))
    assert form.fields["description"] == HOSTILE["description"]
    assert form.fields["attributes"] == "<u>made of</u>: a & b"


async def test_what_is_archived_is_out_of_the_shop_until_it_is_restored(staff: Shopper, shop: Shop, sku: str) -> None:
    here = action_of(shop, sku)
    page = await staff.fill(await staff.get(here), f"{here}/archive")
    assert page.path == here
    assert f"Archived: Lamp {sku}" in page.text
    assert stored(shop, sku)["status"] == "archived"
    found = await staff.get(f"/admin?q={sku}")
    assert found.links[f"Lamp {sku}"] == here
    page = await staff.fill(page, f"{here}/restore")
    assert f"Back in the shop: Lamp {sku}" in page.text
    assert stored(shop, sku)["status"] == "active"


async def test_a_product_that_is_not_there_is_told_as_such(staff: Shopper) -> None:
    page = await staff.get("/admin/products/no-such-thing")
    assert page.status == 404
    assert "There is nothing here" in page.text


@pytest.mark.parametrize(("typed", "left"), [("+5", 10), ("3", 8), ("-2", 3), ("−5", 0), (" + 1 ", 6)])
async def test_stock_goes_up_and_down(staff: Shopper, shop: Shop, sku: str, typed: str, left: int) -> None:
    page = await staff.fill(await edited(staff, shop, sku), "/admin/stock", delta=typed)
    assert page.path == action_of(shop, sku)
    assert f"Stock of {sku} changed by" in page.text
    assert stocks(shop, sku) == {sku: left}


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("", "Enter how many"),
        ("0", "Enter how many"),
        ("a few", "Enter how many"),
        ("1.5", "Enter how many"),
        ("+-1", "Enter how many"),
        ("9" * 30, "Enter how many"),
        ("-6", "not so many in stock"),
        ("999999999", "too much"),
    ],
)
async def test_a_change_of_stock_that_cannot_be_is_told_beside_it(
    staff: Shopper, shop: Shop, sku: str, typed: str, fault: str
) -> None:
    page = await staff.fill(await edited(staff, shop, sku), "/admin/stock", delta=typed)
    assert page.status == 422
    assert fault in page.described("delta")
    assert page.form("/admin/stock").fields["delta"] == typed.strip()
    assert stocks(shop, sku) == {sku: 5}


async def test_a_change_of_stock_that_is_sent_twice_counts_once(staff: Shopper, shop: Shop, sku: str) -> None:
    page = await edited(staff, shop, sku)
    answers = await asyncio.gather(*(staff.send(page, "/admin/stock", delta="+5") for _ in range(2)))
    assert [answer.status_code for answer in answers] == [303, 303]
    assert stocks(shop, sku) == {sku: 10}


async def test_an_unknown_sku_is_told(staff: Shopper, shop: Shop, sku: str) -> None:
    page = await edited(staff, shop, sku)
    page = await staff.fill(page, "/admin/stock", sku=f"NO-{secrets.token_hex(4)}", delta="+1")
    assert page.status == 422
    assert stocks(shop, sku) == {sku: 5}
