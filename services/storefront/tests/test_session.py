"""The cookie: what opens it, what does not, what stands in its flags, and what it carries."""

import secrets

import msgspec
import pytest

from shopdev.shop import Shop
from storefront.session import COOKIE_LONGEST, LIFE_SECONDS, Cookies, Note, Person, Session, new_session

from .browsing import Page, Shopper, lines_of
from .conftest import SECRET, Storefront

OTHER = "another secret that is as good as it"


def cookies(*secret_keys: str) -> Cookies:
    return Cookies(secret_keys or (SECRET,), is_secure=False)


def test_a_session_opens_as_it_was_sealed() -> None:
    session = new_session()
    assert cookies().open(cookies().seal(session)) == session


def test_two_visitors_have_nothing_in_common() -> None:
    one, other = new_session(), new_session()
    assert one.csrf != other.csrf
    assert one.visitor != other.visitor


@pytest.mark.parametrize("text", [None, "", "x", "gAAAAAB", "ü" * 20, "\0", "a" * 100_000, "=", "é=1; path=/"])
def test_what_is_no_cookie_of_ours_opens_as_nothing(text: str | None) -> None:
    assert cookies().open(text) is None


def test_one_letter_changed_anywhere_opens_as_nothing() -> None:
    sealed = cookies().seal(new_session())
    for place in range(0, len(sealed.rstrip("=")) - 1, 7):
        changed = "A" if sealed[place] != "A" else "B"
        assert cookies().open(sealed[:place] + changed + sealed[place + 1 :]) is None, place


def test_what_another_secret_sealed_opens_as_nothing() -> None:
    assert cookies().open(cookies(OTHER).seal(new_session())) is None


def test_a_secret_is_replaced_while_old_cookies_still_open() -> None:
    session = new_session()
    old = cookies(SECRET).seal(session)
    assert cookies(OTHER, SECRET).open(old) == session
    assert cookies(OTHER).open(cookies(OTHER, SECRET).seal(session)) == session, "the first secret seals"


def test_a_session_ends_with_the_longest_lived_cart(monkeypatch: pytest.MonkeyPatch) -> None:
    made = 1_900_000_000
    monkeypatch.setattr("time.time", lambda: made)
    sealed = cookies().seal(new_session())
    monkeypatch.setattr("time.time", lambda: made + LIFE_SECONDS)
    assert cookies().open(sealed) is not None
    monkeypatch.setattr("time.time", lambda: made + LIFE_SECONDS + 1)
    assert cookies().open(sealed) is None


def test_notes_that_do_not_fit_into_a_cookie_are_dropped_oldest_first() -> None:
    notes = tuple(Note(f"{number} {secrets.token_hex(200)}") for number in range(40))
    session = Session("csrf", "visitor", notes=notes)
    sealed = cookies().seal(session)
    opened = cookies().open(sealed)
    assert len(sealed) <= COOKIE_LONGEST
    assert opened
    assert 0 < len(opened.notes) < 40
    assert opened.notes == notes[-len(opened.notes) :]


def test_the_longest_account_fits_into_a_cookie() -> None:
    """A token as users makes them has about 500 characters; names and addresses are as long as may be."""
    address, name = f"{secrets.token_hex(120)}@example.com", secrets.token_hex(100)
    person = Person(address, name, True, secrets.token_urlsafe(450), 1, secrets.token_urlsafe(64))
    session = msgspec.structs.replace(
        new_session(), language="zh-Hans", cart_token=secrets.token_urlsafe(32), person=person
    )
    assert len(cookies().seal(session)) <= COOKIE_LONGEST


async def test_the_cookie_is_for_the_server_alone_and_stays(shopper: Shopper) -> None:
    page = await shopper.get("/sign-in")
    flags = flags_of(page)
    assert flags[0].startswith("trolley=")
    assert {"httponly", "samesite=lax", "path=/", f"max-age={LIFE_SECONDS}"} <= set(flags[1:])
    assert "secure" not in flags
    assert not [flag for flag in flags if flag.startswith("domain")]


async def test_in_production_the_cookie_is_bound_to_the_host_and_to_tls(storefront: Storefront) -> None:
    await storefront.open(shop_env="production")
    shopper = await storefront.shopper("https://shop.example")
    flags = flags_of(await shopper.get("/sign-in"))
    assert flags[0].startswith("__host-trolley=")
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= set(flags[1:])
    assert not [flag for flag in flags if flag.startswith("domain")]


def flags_of(page: Page) -> list[str]:
    return [part.strip().lower() for part in page.response.headers["set-cookie"].split(";")]


@pytest.mark.parametrize("value", ["x", "a" * 6000, "%00%ff", '"; $Path=/', "..."])
async def test_a_tampered_cookie_is_a_fresh_session(shopper: Shopper, value: str) -> None:
    page = await shopper.get("/sign-in", cookie=f"trolley={value}")
    assert page.status == 200
    fresh = page.response.cookies["trolley"]
    assert fresh != value
    assert cookies().open(fresh)


async def test_a_visitor_who_only_looks_gets_one_cookie_and_then_no_more(shopper: Shopper) -> None:
    first = await shopper.get("/")
    again = await shopper.get("/search")
    assert "set-cookie" in first.response.headers
    assert "set-cookie" not in again.response.headers


async def test_a_note_is_told_once(shopper: Shopper, sku: str) -> None:
    told = await shopper.add(sku.lower())
    assert f"Lamp {sku}" in told.text
    assert "Added to your cart" in told.text
    assert "Added to your cart" not in (await shopper.get("/cart")).text


async def test_a_storefront_with_another_secret_signs_out_and_loses_nothing_of_the_account(
    storefront: Storefront, shop: Shop, sku: str
) -> None:
    email = shop.register()
    shopper = await storefront.shopper()
    await shopper.sign_in(email)
    await shopper.add(sku.lower())
    await storefront.open(session_secret=(OTHER,))
    elsewhere = await storefront.shopper()
    elsewhere.client.cookies = shopper.client.cookies
    assert "Sign in" in (await elsewhere.get("/account")).text
    await elsewhere.sign_in(email)
    assert lines_of(await elsewhere.get("/cart")) == {sku: 1}


async def test_a_rotated_secret_signs_nobody_out(storefront: Storefront, sku: str) -> None:
    shopper = await storefront.signed_in()
    await shopper.add(sku.lower())
    await storefront.open(session_secret=(OTHER, SECRET))
    elsewhere = await storefront.shopper()
    elsewhere.client.cookies = shopper.client.cookies
    assert (await elsewhere.get("/account")).path == "/account"
    assert lines_of(await elsewhere.get("/cart")) == {sku: 1}


async def test_a_late_answer_does_not_bring_back_who_has_signed_out(storefront: Storefront, sku: str) -> None:
    shopper = await storefront.signed_in()
    page = await shopper.get(f"/p/{sku.lower()}")
    late = await storefront.shopper()
    late.client.cookies.update(shopper.client.cookies)
    await shopper.fill(await shopper.get("/account"), "/sign-out")
    answer = await late.send(page, "/cart/add")
    assert "trolley" in answer.cookies
    assert "trolley-person" not in answer.cookies
    shopper.client.cookies.update(answer.cookies)
    assert (await shopper.get("/account")).path.startswith("/sign-in")
