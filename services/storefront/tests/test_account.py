"""Registering, signing in and the account, with what people get wrong."""

import secrets

import pytest

from shopdev.shop import PASSWORD, Shop

from .browsing import Shopper
from .conftest import Storefront


async def test_a_new_account_is_signed_in_and_shown(shopper: Shopper) -> None:
    email = f"{secrets.token_hex(6)}@example.com"
    page = await shopper.fill(
        await shopper.get("/register"), "/register", email=email, password=PASSWORD, name="Ada Lovelace"
    )
    assert page.path == "/account"
    assert email in page.text
    assert "Ada Lovelace" in page.html
    assert page.response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("field", "typed"),
    [("email", "no address"), ("email", ""), ("password", "short"), ("password", "password"), ("password", "")],
)
async def test_what_is_wrong_in_a_registration_stands_beside_its_field(
    shopper: Shopper, field: str, typed: str
) -> None:
    content = {"email": "grace@example.com", "password": PASSWORD, "name": "Grace"} | {field: typed}
    page = await shopper.fill(await shopper.get("/register"), "/register", **content)
    assert page.status == 422
    assert page.described(field)
    form = page.form("/register").fields
    assert (form["email"], form["name"]) == (content["email"], "Grace")
    assert form["password"] == "", "a password is never sent back"


async def test_a_mail_address_that_is_taken_is_told(shopper: Shopper, shop: Shop) -> None:
    email = shop.register()
    page = await shopper.fill(await shopper.get("/register"), "/register", email=email.upper(), password=PASSWORD)
    assert page.status == 409
    assert "There is an account with this mail address already." in page.text


async def test_a_wrong_password_and_an_unknown_account_are_told_alike(shopper: Shopper, shop: Shop) -> None:
    known = await shopper.sign_in(shop.register(), "wrong horse battery")
    unknown = await shopper.sign_in("nobody@example.com", "wrong horse battery")
    for page in (known, unknown):
        assert page.status == 422
        assert "The mail address or the password is wrong." in page.text
        assert page.form("/sign-in").fields["password"] == ""
    assert known.form("/sign-in").fields["email"].endswith("@example.com")


async def test_too_many_attempts_are_told_in_words_with_the_time_to_wait(shopper: Shopper, shop: Shop) -> None:
    email = shop.register()
    for _ in range(12):
        page = await shopper.sign_in(email, "wrong horse battery")
    assert page.status == 429
    assert "Too many attempts. Please wait" in page.text
    assert "min" in page.text
    assert page.form("/sign-in").fields["email"] == email


async def test_signing_in_leads_back_to_the_page_that_asked_for_it(shopper: Shopper, shop: Shop) -> None:
    asked = await shopper.get("/account/export")
    assert asked.path == "/sign-in?next=/account/export"
    answer = await shopper.send(asked, "/sign-in", email=shop.register(), password=PASSWORD)
    assert answer.headers["location"] == "/account/export"


async def test_who_is_signed_in_needs_no_sign_in(storefront: Storefront) -> None:
    shopper = await storefront.signed_in()
    for path in ("/sign-in", "/register", "/sign-in?next=//evil.example"):
        assert (await shopper.get(path)).path == "/account"


@pytest.mark.parametrize("path", ["/account", "/account/export"])
async def test_a_guest_is_asked_to_sign_in(shopper: Shopper, path: str) -> None:
    assert (await shopper.get(path)).path.startswith("/sign-in")


async def test_a_name_is_changed_and_shown_as_it_was_typed(storefront: Storefront) -> None:
    shopper = await storefront.signed_in()
    name = 'Zoë <b>茶</b> & "Söhne"'
    page = await shopper.fill(await shopper.get("/account"), "/account/name", name=name)
    assert "Your name is saved." in page.text
    assert page.form("/account/name").fields["name"] == name
    assert name in page.text
    long = await shopper.fill(page, "/account/name", name="n" * 5000)
    assert long.status == 422
    assert long.described("name")
    assert long.form("/account/name").fields["name"] == "n" * 5000


async def test_a_password_is_changed_with_the_old_one_alone(storefront: Storefront, shop: Shop) -> None:
    email = shop.register()
    shopper = await storefront.shopper()
    await shopper.sign_in(email)
    account = await shopper.get("/account")
    wrong = await shopper.fill(
        account, "/account/password", current_password="wrong horse battery", new_password="new horse, new battery"
    )
    assert wrong.status == 422
    assert "wrong" in wrong.text
    weak = await shopper.fill(account, "/account/password", current_password=PASSWORD, new_password="short")
    assert weak.status == 422
    assert weak.described("new_password")
    changed = await shopper.fill(
        account, "/account/password", current_password=PASSWORD, new_password="new horse, new battery"
    )
    assert "Your password is changed" in changed.text
    assert changed.path == "/account"
    other = await storefront.shopper()
    assert (await other.sign_in(email, "new horse, new battery")).path == "/account"


async def test_the_export_is_a_file_with_the_account_and_the_cart(storefront: Storefront, sku: str) -> None:
    shopper = await storefront.signed_in()
    await shopper.add(sku.lower(), quantity="2")
    answer = await shopper.client.get("/account/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="account.json"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["cart"] == [{"sku": sku, "quantity": 2}]
    assert answer.json()["account"]


async def test_an_account_is_deleted_with_its_password_alone(storefront: Storefront, shop: Shop) -> None:
    email = shop.register()
    shopper = await storefront.shopper()
    await shopper.sign_in(email)
    account = await shopper.get("/account")
    refused = await shopper.fill(account, "/account/delete", password="wrong horse battery")
    assert refused.status == 422
    assert (await shopper.get("/account")).path == "/account"
    deleted = await shopper.fill(account, "/account/delete", password=PASSWORD)
    assert "Your account is deleted." in deleted.text
    assert "wrong" in (await shopper.sign_in(email)).text


async def test_signing_out_forgets_the_person_in_this_browser(storefront: Storefront) -> None:
    shopper = await storefront.signed_in()
    page = await shopper.fill(await shopper.get("/account"), "/sign-out")
    assert "You are signed out." in page.text
    assert (await shopper.get("/account")).path.startswith("/sign-in")


async def test_an_account_that_was_deleted_elsewhere_is_a_sign_out_in_words(storefront: Storefront, shop: Shop) -> None:
    email = shop.register()
    shopper = await storefront.shopper()
    await shopper.sign_in(email)
    shop.call("users", "DELETE", "/me", json={"password": PASSWORD}, headers=shop.bearer(email))
    page = await shopper.get("/account")
    assert page.path.startswith("/sign-in")
    assert "You were signed out." in page.text
