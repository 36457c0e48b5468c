"""Forms are taken from our own pages alone, act once, and no text in them gets anywhere it should not."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from shopdev.shop import PASSWORD, Shop
from shopkit.errors import InvalidRequest
from storefront.forms import FormExpired, masked, require_token, whole_number
from storefront.words import load

from .browsing import Page, Shopper, lines_of
from .conftest import Storefront

# Every form that changes something, with what it would send.
FORMS = {
    "/cart/add": {"sku": "TEAPOT", "slug": "teapot", "quantity": "1", "once": "a"},
    "/cart/lines/TEAPOT": {"quantity": "3"},
    "/cart/undo": {"version": "1", "once": "a"},
    "/sign-in": {"email": "ada@example.com", "password": PASSWORD},
    "/register": {"email": "form@example.com", "password": PASSWORD, "name": ""},
    "/sign-out": {},
    "/account/name": {"name": "Mallory"},
    "/account/password": {"current_password": PASSWORD, "new_password": "other horse battery"},
    "/account/delete": {"password": PASSWORD},
    "/language": {"language": "zh-Hans"},
}

FORM, PARTS = "application/x-www-form-urlencoded", "multipart/form-data"
TYPES = (FORM, PARTS, f"{PARTS}; boundary=x", "application/json", "text/plain", "", "nonsense")
BODIES = (b"", b"\xff\xfe=%zz&&&=", b'{"csrf": "x"}', b"--x\r\n\r\n\r\n--x--", b"csrf")


def test_a_token_looks_different_each_time_and_is_the_same() -> None:
    one, other = masked("secret"), masked("secret")
    assert one != other
    require_token("secret", one, "")
    require_token("secret", other, "same-origin")


@pytest.mark.parametrize(
    "sent",
    ["", "x", "secret", "ü", "AAAA", masked("other"), masked("secre"), masked("secret")[:-4]],
    ids=["empty", "a letter", "unmasked", "umlaut", "no token", "another", "shorter", "cut off"],
)
def test_a_token_that_is_not_ours_is_refused(sent: str) -> None:
    with pytest.raises(FormExpired):
        require_token("secret", sent, "")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_a_good_token_from_another_site_is_refused(site: str) -> None:
    with pytest.raises(FormExpired):
        require_token("secret", masked("secret"), site)


@pytest.mark.parametrize(
    "text", ["", " ", "0", "-1", "1.5", "1e3", "１", "٣", "abc", "1000", "9" * 5000, "0x1", "1 2", "+1"]
)
def test_what_is_no_whole_number_in_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="whole number from 1 to 999"):
        whole_number(text, 1, 999, load()["en"].say)


def test_spaces_around_a_number_do_not_matter() -> None:
    assert whole_number(" 12\n", 1, 999, load()["en"].say) == 12


@pytest.fixture
async def signed_in(storefront: Storefront) -> Shopper:
    """Somebody with a teapot in their cart."""
    shopper = await storefront.signed_in()
    await shopper.add("teapot")
    return shopper


async def nothing_changed(shopper: Shopper) -> None:
    cart = await shopper.get("/cart")
    assert lines_of(cart) == {"TEAPOT": 1}
    account = await shopper.get("/account")
    assert account.path == "/account"
    assert "Mallory" not in account.html
    assert account.element(lang="en")


async def test_a_form_without_a_token_is_refused_and_changes_nothing(signed_in: Shopper) -> None:
    for action, content in FORMS.items():
        answer = await signed_in.client.post(action, data=content)
        assert answer.status_code == 403, action
        assert "form is out of date" in Page(answer).text
    await nothing_changed(signed_in)


async def test_a_form_with_the_token_of_another_visitor_is_refused(storefront: Storefront, signed_in: Shopper) -> None:
    other = await (await storefront.shopper()).get("/sign-in")
    token = other.form("/sign-in").fields["csrf"]
    for action, content in FORMS.items():
        answer = await signed_in.client.post(action, data=content | {"csrf": token})
        assert answer.status_code == 403, action
    await nothing_changed(signed_in)


async def test_a_form_from_another_site_is_refused_though_its_token_is_good(signed_in: Shopper) -> None:
    token = (await signed_in.get("/account")).form("/sign-out").fields["csrf"]
    headers = {"Sec-Fetch-Site": "cross-site"}
    for action, content in FORMS.items():
        answer = await signed_in.client.post(action, data=content | {"csrf": token}, headers=headers)
        assert answer.status_code == 403, action
    await nothing_changed(signed_in)


async def test_every_form_of_every_page_that_is_posted_carries_a_token(signed_in: Shopper) -> None:
    for path in ("/", "/search", "/p/linen-shirt", "/cart", "/cart/history", "/account"):
        for form in (await signed_in.get(path)).forms:
            if form.attributes.get("method") == "post":
                assert len(form.fields["csrf"]) > 20, (path, form.action)


async def test_signing_in_changes_the_token(storefront: Storefront, shop: Shop) -> None:
    shopper = await storefront.shopper()
    page = await shopper.get("/sign-in")
    await shopper.fill(page, "/sign-in", email=shop.register(), password=PASSWORD)
    answer = await shopper.send(page, "/sign-in", email="a@example.com", password=PASSWORD)
    assert answer.status_code == 403


async def test_a_form_sent_twice_at_once_acts_once(shopper: Shopper, sku: str) -> None:
    page = await shopper.get(f"/p/{sku.lower()}")
    await asyncio.gather(*(shopper.send(page, "/cart/add", quantity="2") for _ in range(3)))
    assert lines_of(await shopper.get("/cart")) == {sku: 2}


async def test_a_form_sent_twice_one_after_the_other_acts_once(shopper: Shopper, sku: str) -> None:
    page = await shopper.get(f"/p/{sku.lower()}")
    for _ in range(2):
        answer = await shopper.send(page, "/cart/add", quantity="2")
        assert (answer.status_code, answer.headers["location"]) == (303, "/cart")
    assert lines_of(await shopper.get("/cart")) == {sku: 2}


async def test_a_form_sent_again_with_another_number_is_another_wish(shopper: Shopper, sku: str) -> None:
    """From the back button, browsers show a page as it was, with the key it had."""
    page = await shopper.get(f"/p/{sku.lower()}")
    await shopper.send(page, "/cart/add", quantity="1")
    await shopper.send(page, "/cart/add", quantity="3")
    assert lines_of(await shopper.get("/cart")) == {sku: 4}


async def test_registering_twice_at_once_makes_one_account_and_signs_in(shopper: Shopper) -> None:
    page = await shopper.get("/register")
    typed = {"email": "twice@example.com", "password": PASSWORD, "name": ""}
    answers = await asyncio.gather(*(shopper.send(page, "/register", **typed) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [303, 303]
    assert "twice@example.com" in (await shopper.get("/account")).text


@pytest.mark.parametrize("once", ["", "\r\nX-Injected: 1", "ü茶", "a" * 5000, " ", "\0"])
async def test_any_text_as_the_key_of_a_form_does_no_harm(shopper: Shopper, sku: str, once: str) -> None:
    page = await shopper.get(f"/p/{sku.lower()}")
    answer = await shopper.send(page, "/cart/add", once=once)
    assert answer.status_code == 303
    assert lines_of(await shopper.get("/cart")) == {sku: 1}


async def test_a_body_that_is_no_form_is_refused(signed_in: Shopper) -> None:
    for content_type in TYPES:
        for body in BODIES:
            answer = await signed_in.client.post("/sign-out", content=body, headers={"Content-Type": content_type})
            assert 400 <= answer.status_code < 500, (content_type, body)
            assert answer.headers["content-type"].startswith("text/html")
    await nothing_changed(signed_in)


OUTSIDE = [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    " //evil.example",
    "",
    "/x\r\nSet-Cookie: a=b",
    "/\x00",
]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_signing_in_leads_to_no_other_site(shopper: Shopper, shop: Shop, path: str) -> None:
    page = Page(await shopper.client.get("/sign-in", params={"next": path}))
    answer = await shopper.send(page, "/sign-in", email=shop.register(), password=PASSWORD, next=path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "a" not in answer.cookies
    again = await shopper.client.get("/sign-in", params={"next": path})
    assert (again.status_code, again.headers["location"]) == (303, "/account")


@pytest.mark.parametrize(
    "path", ["/p/茶?x=ü&y=%C3%BC", "/search?q=a b", "/search?q=%22%3E", "/" + "p" * 3000, "/p/\U0001f600"]
)
async def test_signing_in_leads_back_to_any_page_of_ours(shopper: Shopper, shop: Shop, path: str) -> None:
    page = Page(await shopper.client.get("/sign-in", params={"next": path}))
    assert page.status == 200
    answer = await shopper.send(page, "/sign-in", email=shop.register(), password=PASSWORD, next=path)
    assert answer.status_code == 303
    address = httpx.URL("http://test").join(answer.headers["location"])
    assert address.host == "test"
    assert urlsplit(str(address)).path == urlsplit(str(httpx.URL("http://test").join(path))).path


async def test_the_language_form_leads_to_no_other_site(shopper: Shopper) -> None:
    page = await shopper.get("/")
    answer = await shopper.send(page, "/language", language="zh-Hans", next="//evil.example")
    assert answer.headers["location"].startswith("/")
    assert not answer.headers["location"].startswith("//")
