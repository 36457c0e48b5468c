"""The cart's pages: adding, changing, undo, what happened, and taking a guest's cart along."""

import asyncio
import re
import secrets

import httpx
import pytest

from shopdev.shop import PASSWORD, Shop
from storefront.session import Cookies

from .browsing import Page, Shopper, lines_of
from .conftest import SECRET, Storefront


def new_skus(shop: Shop, *stocks: int | None) -> list[str]:
    """A new product for each, of which there are so many."""
    skus = [f"C-{secrets.token_hex(4)}".upper() for _ in stocks]
    price = {"amount": 1000, "currency": "EUR"}
    shop.add(
        [
            {"name": f"Chair {sku}", "slug": sku.lower(), "sku": sku, "price": price, "stock": stock}
            for sku, stock in zip(skus, stocks, strict=True)
        ]
    )
    return skus


def change(shop: Shop, sku: str, **members: object) -> None:
    """Changes the product of one variant."""
    found = shop.call("products", "GET", f"/products/{sku.lower()}").json()
    headers = shop.staff_bearer()
    shop.call("products", "PATCH", f"/products/{found['id']}", json=members, headers=headers)


def variants(sku: str, amount: int, stock: int | None) -> list[dict[str, object]]:
    return [{"sku": sku, "options": {}, "price": {"amount": amount, "currency": "EUR"}, "stock": stock}]


async def test_a_guest_fills_changes_and_empties_a_cart(shopper: Shopper, shop: Shop) -> None:
    one, other = new_skus(shop, 9, None)
    await shopper.add(one.lower(), quantity="2")
    cart = await shopper.add(other.lower())
    assert (cart.path, lines_of(cart)) == ("/cart", {one: 2, other: 1})
    assert "€30.00" in cart.text
    assert "3 items" in cart.text
    cart = await shopper.fill(cart, f"/cart/lines/{one}", quantity="5")
    assert lines_of(cart) == {one: 5, other: 1}
    for sku in (one, other):
        cart = await shopper.fill(cart, f"/cart/lines/{sku}", quantity="0")
    assert "Your cart is empty" in cart.text


async def test_what_was_removed_comes_back_by_undo(shopper: Shopper, sku: str) -> None:
    cart = await shopper.add(sku.lower(), quantity="3")
    removed = await shopper.fill(cart, f"/cart/lines/{sku}", quantity="0")
    assert f"Removed from your cart: Lamp {sku}" in removed.text
    undone = await shopper.fill(removed, "/cart/undo")
    assert "Undone." in undone.text
    assert lines_of(undone) == {sku: 3}


async def test_undo_twice_takes_back_once(shopper: Shopper, sku: str) -> None:
    cart = await shopper.add(sku.lower(), quantity="3")
    removed = await shopper.fill(cart, f"/cart/lines/{sku}", quantity="0")
    answers = await asyncio.gather(*(shopper.send(removed, "/cart/undo") for _ in range(2)))
    assert [answer.status_code for answer in answers] == [303, 303]
    cart = await shopper.get("/cart")
    assert lines_of(cart) == {sku: 3}
    assert "can no longer be undone" not in cart.text


async def test_what_can_no_longer_be_undone_says_so(shopper: Shopper, sku: str) -> None:
    cart = await shopper.add(sku.lower(), quantity="3")
    removed = await shopper.fill(cart, f"/cart/lines/{sku}", quantity="0")
    await shopper.add(sku.lower())
    page = await shopper.fill(removed, "/cart/undo")
    assert "This can no longer be undone." in page.text
    assert lines_of(page) == {sku: 1}


@pytest.mark.parametrize("version", ["", "x", "-1", "0", "99999", "9" * 30])
async def test_a_version_that_never_was_undoes_nothing(shopper: Shopper, sku: str, version: str) -> None:
    cart = await shopper.add(sku.lower(), quantity="3")
    removed = await shopper.fill(cart, f"/cart/lines/{sku}", quantity="0")
    page = await shopper.fill(removed, "/cart/undo", version=version)
    assert page.status == 200
    assert "Your cart is empty" in page.text


async def test_the_history_tells_what_happened_and_takes_it_back(shopper: Shopper, sku: str) -> None:
    cart = await shopper.add(sku.lower(), quantity="3")
    await shopper.fill(cart, f"/cart/lines/{sku}", quantity="1")
    history = await shopper.get("/cart/history")
    assert history.status == 200
    assert f"Lamp {sku}" in history.text
    # The addition is no longer offered: a later change touched its line.
    assert [form.action for form in history.forms].count("/cart/undo") == 1
    back = await shopper.fill(history, "/cart/undo")
    assert lines_of(back) == {sku: 3}


async def test_a_guest_without_a_cart_has_an_empty_one_and_no_history(shopper: Shopper) -> None:
    assert "Your cart is empty" in (await shopper.get("/cart")).text
    assert (await shopper.get("/cart/history")).status == 200


@pytest.mark.parametrize("quantity", ["", "0", "-1", "abc", "1.5", "1000", "9" * 400, "１", "<b>"])
async def test_a_number_that_cannot_be_is_told_and_repeated(shopper: Shopper, sku: str, quantity: str) -> None:
    page = await shopper.add(sku.lower(), quantity=quantity)
    assert 400 <= page.status < 500
    assert "Enter a whole number from 1 to 999." in page.text
    assert page.form("/cart/add").fields["quantity"] == quantity
    assert page.form("/cart/add").fields["sku"] == sku
    assert "Your cart is empty" in (await shopper.get("/cart")).text


async def test_more_than_there_are_is_told_with_how_many_there_are(shopper: Shopper, sku: str) -> None:
    page = await shopper.add(sku.lower(), quantity="6")
    assert page.status == 409
    assert "Only 5 left in stock." in page.text
    assert page.form("/cart/add").fields["quantity"] == "6"
    cart = await shopper.add(sku.lower(), quantity="5")
    more = await shopper.fill(cart, f"/cart/lines/{sku}", quantity="6")
    assert "Only 5 left in stock." in more.text
    assert lines_of(more) == {sku: 5}


@pytest.mark.parametrize("quantity", ["", "abc", "-1", "1000", "1.5"])
async def test_a_line_keeps_its_number_when_another_cannot_be(shopper: Shopper, sku: str, quantity: str) -> None:
    cart = await shopper.add(sku.lower(), quantity="2")
    page = await shopper.fill(cart, f"/cart/lines/{sku}", quantity=quantity)
    assert "Enter a whole number from 0 to 999." in page.text
    assert lines_of(page) == {sku: 2}


@pytest.mark.parametrize("wrong", ["", "NO-SUCH", "a b", "../x", "ü", "x?y=1", "\r\nX: y", "S" * 300])
async def test_a_sku_that_is_not_sold_is_told(shopper: Shopper, sku: str, wrong: str) -> None:
    page = await shopper.fill(await shopper.get(f"/p/{sku.lower()}"), "/cart/add", sku=wrong)
    assert 400 <= page.status < 500
    assert "Your cart is empty" in (await shopper.get("/cart")).text


@pytest.mark.parametrize("wrong", ["NO-SUCH", "a%20b", "x%3Fy=1", "%2e%2e", "%C3%BC", "S" * 300])
async def test_a_line_that_is_not_there_is_told(shopper: Shopper, sku: str, wrong: str) -> None:
    cart = await shopper.add(sku.lower())
    token = cart.form("/cart/undo" if "/cart/undo" in cart.html else f"/cart/lines/{sku}").fields["csrf"]
    answer = await shopper.client.post(
        f"/cart/lines/{wrong}", data={"csrf": token, "quantity": "2"}, follow_redirects=True
    )
    assert answer.status_code < 500
    assert lines_of(await shopper.get("/cart")) == {sku: 1}


async def test_two_first_adds_at_once_make_one_cart(shopper: Shopper, shop: Shop) -> None:
    one, other = new_skus(shop, 9, 9)
    pages = [await shopper.get(f"/p/{sku.lower()}") for sku in (one, other)]
    answers = await asyncio.gather(*(shopper.send(page, "/cart/add") for page in pages))
    assert [answer.headers.get("location") for answer in answers] == ["/cart", "/cart"]
    assert lines_of(await shopper.get("/cart")) == {one: 1, other: 1}


async def test_a_cart_that_is_gone_is_replaced_by_a_new_one(shopper: Shopper, shop: Shop) -> None:
    one, other = new_skus(shop, 9, 9)
    cart = await shopper.add(one.lower())
    await delete_cart_of(shopper, shop)
    changed = await shopper.fill(cart, f"/cart/lines/{one}", quantity="2")
    assert "Your cart is gone" in changed.text
    assert lines_of(await shopper.add(other.lower())) == {other: 1}


async def test_adding_to_a_cart_that_is_gone_makes_a_new_one(shopper: Shopper, shop: Shop) -> None:
    one, other = new_skus(shop, 9, 9)
    await shopper.add(one.lower())
    await delete_cart_of(shopper, shop)
    assert lines_of(await shopper.add(other.lower())) == {other: 1}
    assert lines_of(await shopper.get("/cart")) == {other: 1}


async def delete_cart_of(shopper: Shopper, shop: Shop) -> None:
    """As if it had expired."""
    session = Cookies((SECRET,), is_secure=False).open(shopper.client.cookies["trolley"])
    assert session
    token = {"Cart-Token": session.cart_token}
    cart = shop.call("carts", "GET", "/carts/current", headers=token).json()
    shop.call("carts", "DELETE", f"/carts/{cart['id']}", headers=token)


async def test_prices_and_stock_that_changed_are_told_in_words(shopper: Shopper, shop: Shop) -> None:
    dear, scarce, gone = new_skus(shop, 9, 9, 9)
    for sku in (dear, scarce, gone):
        await shopper.add(sku.lower(), quantity="3")
    change(shop, dear, variants=variants(dear, 1450, 9))
    change(shop, scarce, variants=variants(scarce, 1000, 2))
    headers = shop.staff_bearer()
    found = shop.call("products", "GET", f"/products/{gone.lower()}").json()
    shop.call("products", "DELETE", f"/products/{found['id']}", headers=headers)
    cart = await shopper.get("/cart")
    assert "Price went from €10.00 to €14.50 since you added it." in cart.text
    assert "Only 2 left; you wanted 3." in cart.text
    assert "This cannot be bought just now." in cart.text


async def test_signing_in_joins_the_carts_and_tells_each_line_that_lost(storefront: Storefront, shop: Shop) -> None:
    plenty, scarce = new_skus(shop, None, 5)
    email = shop.register()
    before = await storefront.shopper()
    await before.sign_in(email)
    await before.add(plenty.lower(), quantity="1")
    await before.add(scarce.lower(), quantity="4")
    guest = await storefront.shopper()
    await guest.add(plenty.lower(), quantity="2")
    await guest.add(scarce.lower(), quantity="3")
    page = await guest.sign_in(email)
    assert "Your cart was joined with the one you had saved; items added: 3." in page.text
    assert f"Chair {scarce}: 5 instead of 7; there are no more." in page.text
    cart = await guest.get("/cart")
    assert lines_of(cart) == {plenty: 3, scarce: 5}
    assert lines_of(await before.get("/cart")) == {plenty: 3, scarce: 5}
    undone = await guest.fill(page, "/cart/undo")
    assert lines_of(undone) == {plenty: 1, scarce: 4}


async def test_what_a_merge_cannot_take_over_is_named_with_the_reason(storefront: Storefront, shop: Shop) -> None:
    (ours,) = new_skus(shop, None)
    theirs = f"{ours}-USD"
    shop.add([{"name": "A stove", "slug": theirs.lower(), "sku": theirs, "price": {"amount": 900, "currency": "USD"}}])
    email = shop.register()
    before = await storefront.shopper()
    await before.sign_in(email)
    await before.add(ours.lower())
    guest = await storefront.shopper()
    await guest.add(theirs.lower())
    page = await guest.sign_in(email)
    assert "A stove was not taken over: it is sold in another currency." in page.text
    assert lines_of(await guest.get("/cart")) == {ours: 1}


async def test_registering_takes_the_cart_along(shopper: Shopper, sku: str) -> None:
    await shopper.add(sku.lower(), quantity="2")
    page = await shopper.fill(
        await shopper.get("/register"), "/register", email=f"{sku}@example.com", password=PASSWORD
    )
    assert page.path == "/account"
    assert lines_of(await shopper.get("/cart")) == {sku: 2}


async def test_a_merge_that_fails_blocks_no_sign_in_and_is_made_up_for(storefront: Storefront, shop: Shop) -> None:
    [sku] = new_skus(shop, 9)
    guest = await storefront.shopper()
    await guest.add(sku.lower(), quantity="2")
    email = shop.register()
    shop["carts"].kill()
    try:
        page = await guest.sign_in(email)
        assert page.path == "/account"
        assert "could not be joined" in page.text
    finally:
        await shop["carts"].start()
    async with asyncio.timeout(10):
        while (cart := await guest.get("/cart")).status == 503:
            await asyncio.sleep(0.05)
    assert lines_of(cart) == {sku: 2}
    assert "Your cart came along." in cart.text


async def test_two_tabs_that_sign_in_at_once_merge_once(storefront: Storefront, shop: Shop) -> None:
    [sku] = new_skus(shop, 9)
    email = shop.register()
    guest = await storefront.shopper()
    await guest.add(sku.lower(), quantity="2")
    page = await guest.get("/sign-in")
    await asyncio.gather(*(guest.send(page, "/sign-in", email=email, password=PASSWORD) for _ in range(2)))
    assert lines_of(await guest.get("/cart")) == {sku: 2}


async def test_signing_out_leaves_the_cart_with_the_account(storefront: Storefront, shop: Shop, sku: str) -> None:
    email = shop.register()
    shopper = await storefront.shopper()
    await shopper.sign_in(email)
    await shopper.add(sku.lower(), quantity="2")
    out = await shopper.fill(await shopper.get("/account"), "/sign-out")
    assert "You are signed out." in out.text
    assert "Your cart is empty" in (await shopper.get("/cart")).text
    await shopper.sign_in(email)
    assert lines_of(await shopper.get("/cart")) == {sku: 2}


async def test_a_cart_follows_its_owner_to_another_browser(storefront: Storefront, shop: Shop, sku: str) -> None:
    email = shop.register()
    one, other = await storefront.shopper(), await storefront.shopper()
    await one.sign_in(email)
    await one.add(sku.lower())
    await other.sign_in(email)
    await asyncio.gather(one.add(sku.lower()), other.add(sku.lower()), one.add(sku.lower()))
    assert lines_of(await other.get("/cart")) == {sku: 4}


async def fragment(answer: httpx.Response) -> Page:
    assert answer.status_code == 200
    assert "<html" not in answer.text
    return Page(answer)


HTMX = {"HX-Request": "true"}


async def test_with_htmx_adding_answers_with_what_changes(shopper: Shopper, sku: str) -> None:
    page = await shopper.get(f"/p/{sku.lower()}")
    content = page.form("/cart/add").fields | {"quantity": "2"}
    answer = await fragment(await shopper.client.post("/cart/add", data=content, headers=HTMX))
    assert "Added to your cart: 2 ×" in answer.text
    assert answer.element(id="cart-link")
    fresh = answer.element(name="once")["value"]
    assert fresh not in ("", content["once"])
    assert "hx-request" in answer.response.headers["vary"].lower()
    refused = await fragment(
        await shopper.client.post("/cart/add", data=content | {"once": fresh, "quantity": "9"}, headers=HTMX)
    )
    assert "left in stock" in refused.text


async def test_with_htmx_a_change_answers_with_the_cart(shopper: Shopper, sku: str) -> None:
    cart = await shopper.add(sku.lower(), quantity="2")
    form = cart.form(f"/cart/lines/{sku}")
    answer = await fragment(await shopper.client.post(form.action, data=form.fields | {"quantity": "0"}, headers=HTMX))
    assert answer.element(id="cart")
    assert "Your cart is empty" in answer.text
    undo = answer.form("/cart/undo")
    back = await fragment(await shopper.client.post("/cart/undo", data=undo.fields, headers=HTMX))
    assert lines_of(back) == {sku: 2}
    assert re.search(r"\b2\b", back.text)


async def test_with_htmx_a_failure_goes_where_notes_are(shopper: Shopper, sku: str) -> None:
    answer = await shopper.client.post("/cart/add", data={"sku": sku}, headers=HTMX)
    assert answer.status_code == 403
    assert answer.headers["hx-retarget"] == "#notes"
    assert "<html" not in answer.text
    assert "form is out of date" in Page(answer).text
