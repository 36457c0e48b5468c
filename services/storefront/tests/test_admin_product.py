"""Adding and changing products: what was typed is kept, faults stand beside their fields, nobody is overwritten."""

import asyncio
import secrets
from datetime import timedelta

import httpx
import pytest

from shopdev.shop import Shop

from .browsing import Page, Shopper
from .conftest import Storefront
from .staffing import action_of, change, edited, row, sell, stocks, stored

NEW = "/admin/products"
LAMP = {"name": "Brass lamp", "category": "Light", "tags": "brass, warm,", "description": "One.\r\nTwo."}


@pytest.fixture
def new_sku() -> str:
    """A SKU that the shop has not."""
    return f"LAMP-{secrets.token_hex(4)}".upper()


async def blank(staff: Shopper) -> Page:
    """The form of a new product."""
    return await staff.get("/admin/products/new")


async def test_a_product_is_added_with_all_that_was_typed(staff: Shopper, shop: Shop, new_sku: str) -> None:
    page = await blank(staff)
    typed = LAMP | {"attributes": "height: 40 cm\r\nnote: a: b", "image_url": "/images/teapot.svg"}
    typed |= row(0, sku=new_sku, options="size: S; colour: red", price="12,5", stock="7")
    typed |= row(1, sku=f"{new_sku}-L", options="", price="20", stock="")
    page = await staff.fill(page, NEW, **typed)
    assert "Added: Brass lamp" in page.text
    product = stored(shop, new_sku)
    assert page.path == f"/admin/products/{product['id']}"
    assert product["tags"] == ["brass", "warm"]
    assert product["description"] == "One.\nTwo."
    assert product["attributes"] == {"height": "40 cm", "note": "a: b"}
    assert product["variants"] == [
        {
            "sku": new_sku,
            "options": {"size": "S", "colour": "red"},
            "price": {"amount": 1250, "currency": "EUR"},
            "stock": 7,
        },
        {"sku": f"{new_sku}-L", "options": {}, "price": {"amount": 2000, "currency": "EUR"}, "stock": None},
    ]


async def test_texts_may_be_typed_as_in_chinese(staff: Shopper, shop: Shop, new_sku: str) -> None:
    typed = {"name": "茶壶", "tags": "茶，厨房、陶", "attributes": "材质：陶；釉"}
    await staff.fill(await blank(staff), NEW, **typed, **row(0, sku=new_sku, price="1", options="尺码：大；颜色：红"))
    product = stored(shop, new_sku)
    assert product["tags"] == ["茶", "厨房", "陶"]
    assert product["attributes"] == {"材质": "陶；釉"}
    assert product["variants"][0]["options"] == {"尺码": "大", "颜色": "红"}


async def test_a_form_that_is_sent_twice_adds_one_product(staff: Shopper, shop: Shop, new_sku: str) -> None:
    page = await blank(staff)
    typed = LAMP | row(0, sku=new_sku, price="1")
    answers = await asyncio.gather(*(staff.send(page, NEW, **typed) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [303, 303]
    assert {answer.headers["location"] for answer in answers} == {action_of(shop, new_sku)}


@pytest.mark.parametrize(
    ("typed", "field", "fault"),
    [
        ({"name": " "}, "name", "1 to 200 characters"),
        ({"name": "x" * 201}, "name", "1 to 200 characters"),
        ({"slug": "Not a slug"}, "slug", "lower-case words"),
        ({"slug": "teapot"}, "slug", "Another product"),
        ({"category": "x" * 101}, "category", "100 characters"),
        ({"tags": "x" * 51}, "tags", "50 characters"),
        ({"image_url": "javascript:alert(1)"}, "image_url", "web address"),
        ({"description": "x" * 20_001}, "description", "20,000"),
        ({"attributes": "no colon"}, "attributes", "“no colon”"),
        ({"attributes": "a: 1\na: 2"}, "attributes", "“a: 2”"),
        (row(0, sku=""), "variants-0-sku", "64"),
        (row(0, sku="a/b"), "variants-0-sku", "64"),
        (row(0, sku="SHIRT-M"), "variants-0-sku", "Another product"),
        (row(0, options="M"), "variants-0-options", "“M”"),
        (row(0, options=f"size: {'x' * 1001}"), "variants-0-options", "1,000"),
        (row(0, price=""), "variants-0-price", "such as 12.50"),
        (row(0, price="abc"), "variants-0-price", "such as 12.50"),
        (row(0, price="-1"), "variants-0-price", "such as 12.50"),
        (row(0, price="12.505"), "variants-0-price", "such as 12.50"),
        (row(0, stock="-1"), "variants-0-stock", "whole number"),
        (row(0, stock="some"), "variants-0-stock", "whole number"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    staff: Shopper, new_sku: str, typed: dict[str, str], field: str, fault: str
) -> None:
    good = LAMP | row(0, sku=new_sku, price="1") | {"name": '<b>"Lamp" 🪔</b>'}
    page = await staff.fill(await blank(staff), NEW, **good | typed)
    assert page.status in {409, 422}
    assert fault in page.described(field)
    again = page.form(NEW).fields
    shown = {name: text.replace("\r\n", "\n").strip() for name, text in (good | typed).items()}
    assert {name: again[name].strip() for name in shown} == shown


async def test_all_faults_are_told_at_once(staff: Shopper) -> None:
    page = await staff.fill(
        await blank(staff), NEW, **row(0, price="x"), **row(1, sku="A", price="1"), **row(2, sku="A")
    )
    for field in ("name", "variants-0-sku", "variants-0-price", "variants-2-sku", "variants-2-price"):
        assert page.described(field)


async def test_variants_are_added_and_removed_before_anything_is_saved(
    staff: Shopper, shop: Shop, new_sku: str
) -> None:
    page = await staff.fill(await blank(staff), NEW, do="add", **LAMP, **row(0, sku=new_sku, price="abc"))
    page = await staff.fill(page, NEW, do="add", **row(1, sku=f"{new_sku}-2", price="2"))
    page = await staff.fill(page, NEW, do="remove-0", **row(2, sku=f"{new_sku}-3", price="3"))
    fields = page.form(NEW).fields
    assert page.status == 200
    assert [fields["variants-0-sku"], fields["variants-1-sku"]] == [f"{new_sku}-2", f"{new_sku}-3"]
    assert "variants-2-sku" not in fields
    assert fields["name"] == "Brass lamp"
    assert stored(shop, f"{new_sku}-2") == {}
    await staff.fill(page, NEW)
    assert list(stocks(shop, f"{new_sku}-2")) == [f"{new_sku}-2", f"{new_sku}-3"]


async def test_a_product_without_variants_is_told(staff: Shopper, new_sku: str) -> None:
    page = await staff.fill(await blank(staff), NEW, do="remove-0", **LAMP)
    page = await staff.fill(page, NEW)
    assert page.status == 422
    assert "1 to 100 variants" in page.text


async def test_a_hundred_variants_and_the_longest_description_are_saved(
    staff: Shopper, shop: Shop, new_sku: str
) -> None:
    typed = LAMP | {"description": "é" * 20_000}
    for number in range(100):
        typed |= row(number, sku=f"{new_sku}-{number}", options=f"size: {number}", price="9.99", stock="1")
    await staff.fill(await blank(staff), NEW, **typed)
    page = await edited(staff, shop, f"{new_sku}-0")
    assert not [form for form in page.forms if ("do", "add") in form.buttons]
    page = await staff.fill(page, action_of(shop, f"{new_sku}-0"), **row(99, price="1"))
    assert "Saved: Brass lamp" in page.text
    product = stored(shop, f"{new_sku}-0")
    assert len(product["variants"]) == 100
    assert product["variants"][99]["price"]["amount"] == 100
    assert len(product["description"]) == 20_000


async def test_saving_what_nobody_changed_changes_nothing(staff: Shopper, shop: Shop) -> None:
    for sku in ("SHIRT-M", "HOSTILE", "OOLONG"):
        before = stored(shop, sku)
        page = await staff.fill(await edited(staff, shop, sku), action_of(shop, sku))
        assert f"Saved: {before['name']}" in page.text
        assert stored(shop, sku) == before


async def test_texts_that_a_field_cannot_say_stay_while_they_are_not_touched(
    staff: Shopper, shop: Shop, sku: str
) -> None:
    odd = {"attributes": {"a: b": "c\nd", "e": " f "}, "tags": ["red, green"]}
    variant = {"sku": sku, "options": {"size: x": "S; M"}, "price": {"amount": 1, "currency": "EUR"}, "stock": 5}
    change(shop, sku, **odd, variants=[variant])
    await staff.fill(await edited(staff, shop, sku), action_of(shop, sku), name="Odd lamp")
    product = stored(shop, sku)
    assert product["name"] == "Odd lamp"
    assert {name: product[name] for name in odd} == odd
    assert product["variants"] == [variant]


async def test_an_attribute_that_is_taken_out_is_gone(staff: Shopper, shop: Shop, sku: str) -> None:
    change(shop, sku, attributes={"made of": "brass", "height": "40 cm"}, category="Light")
    await staff.fill(await edited(staff, shop, sku), action_of(shop, sku), attributes="height: 41 cm", category="")
    product = stored(shop, sku)
    assert product["attributes"] == {"height": "41 cm"}
    assert product["category"] is None


async def test_what_is_sold_while_a_product_is_edited_stays_sold(staff: Shopper, shop: Shop, sku: str) -> None:
    page = await edited(staff, shop, sku)
    sell(shop, sku, 3)
    page = await staff.fill(page, action_of(shop, sku), name="Lamp, edited")
    assert "Saved: Lamp, edited" in page.text
    assert stocks(shop, sku) == {sku: 2}


async def test_saving_loses_no_sale_of_the_same_moment(staff: Shopper, shop: Shop, sku: str) -> None:
    variant = {"sku": sku, "price": {"amount": 1, "currency": "EUR"}, "stock": 50}
    change(shop, sku, variants=[variant])
    page, here, seller = await edited(staff, shop, sku), action_of(shop, sku), shop.staff_bearer()
    body = {"changes": [{"sku": sku, "delta": -1}]}
    async with httpx.AsyncClient(base_url=shop["products"].url, headers=seller, timeout=30) as till:
        sales = [till.post("/stock", json=body) for _ in range(20)]
        saves = [staff.send(page, here, name=f"Lamp {number}") for number in range(3)]
        sold = (await asyncio.gather(asyncio.gather(*sales), asyncio.gather(*saves)))[0]
    assert {answer.status_code for answer in sold} == {200}
    assert stocks(shop, sku) == {sku: 30}


async def test_a_variant_that_is_renamed_keeps_its_stock(staff: Shopper, shop: Shop, sku: str) -> None:
    page, here = await edited(staff, shop, sku), action_of(shop, sku)
    for _ in range(2):
        page_after = await staff.fill(page, here, **row(0, sku=f"{sku}-B"))
        assert page_after.path == here
    assert stocks(shop, f"{sku}-B") == {f"{sku}-B": 5}


async def test_of_two_who_edit_one_product_the_second_is_shown_what_the_first_did(
    staff: Shopper, shop: Shop, sku: str
) -> None:
    here = action_of(shop, sku)
    mine, theirs = await edited(staff, shop, sku), await edited(staff, shop, sku)
    await staff.fill(theirs, here, name="Their lamp", category="Light", **row(0, price="99"))
    page = await staff.fill(mine, here, name="My lamp", description="Mine.")
    assert page.status == 412
    assert "Somebody else has changed this product" in page.text
    assert "Their lamp" in page.described("name")
    assert "Light" in page.described("category")
    assert "99.00" in page.described("variants-0-price")
    fields = page.form(here).fields
    assert [fields["name"], fields["description"], fields["variants-0-price"]] == ["My lamp", "Mine.", "12.50"]
    assert stored(shop, sku)["name"] == "Their lamp"
    page = await staff.fill(page, here, **row(0, price="99"), category="Light")
    assert "Saved: My lamp" in page.text
    product = stored(shop, sku)
    assert [product["name"], product["category"], product["description"]] == ["My lamp", "Light", "Mine."]
    assert product["variants"][0]["price"]["amount"] == 9900


async def test_two_who_change_the_same_to_the_same_agree(staff: Shopper, shop: Shop, sku: str) -> None:
    page, here = await edited(staff, shop, sku), action_of(shop, sku)
    typed = {"name": "New name"} | row(1, sku=f"{sku}-2", price="3", stock="4")
    answers = await asyncio.gather(*(staff.send(page, here, **typed) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [303, 303]
    assert stocks(shop, sku) == {sku: 5, f"{sku}-2": 4}


async def test_variants_that_came_and_went_meanwhile_are_told(staff: Shopper, shop: Shop, sku: str) -> None:
    here, page = action_of(shop, sku), await edited(staff, shop, sku)
    price = {"amount": 1, "currency": "EUR"}
    change(shop, sku, variants=[{"sku": f"{sku}-X", "price": price, "stock": 8}])
    page = await staff.fill(page, here, name="My lamp")
    assert page.status == 412
    assert "removed meanwhile" in page.described("variants-0-sku")
    assert f"{sku}-X" in page.text
    page = await staff.fill(page, here, **row(0, stock="2"))
    assert "Saved: My lamp" in page.text
    assert stocks(shop, sku) == {sku: 2}


async def test_a_form_from_before_signing_in_anew_keeps_what_was_typed(
    storefront: Storefront, shop: Shop, sku: str
) -> None:
    email = shop.staff()
    staff = await storefront.shopper()
    await staff.sign_in(email)
    here, page = action_of(shop, sku), await edited(staff, shop, sku)
    await staff.fill(page, "/language", language="en")
    await staff.fill(await staff.get("/account"), "/sign-out")
    await staff.sign_in(email)
    page = await staff.fill(page, here, name="Typed before")
    assert page.status == 403
    assert page.form(here).fields["name"] == "Typed before"
    assert "Saved: Typed before" in (await staff.fill(page, here)).text


@pytest.mark.parametrize("gone", ["products", "users"])
async def test_what_was_typed_outlasts_a_service_that_is_away(
    storefront: Storefront, staff: Shopper, shop: Shop, sku: str, new_sku: str, gone: str
) -> None:
    here, page, new = action_of(shop, sku), await edited(staff, shop, sku), await blank(staff)
    added = LAMP | row(0, sku=new_sku, price="1", stock="3")
    # The access token has ended, so that users is needed too.
    storefront.clock.ahead = timedelta(minutes=16)
    shop[gone].stop()
    try:
        page = await staff.fill(page, here, name="Typed in vain?")
        new = await staff.fill(new, NEW, **added)
    finally:
        await shop.start(gone)
    for answer in (page, new):
        assert answer.status == 503
        assert "not answering just now" in answer.text
    assert page.form(here).fields["name"] == "Typed in vain?"
    assert new.form(NEW).fields["variants-0-stock"] == "3"
    assert stored(shop, new_sku) == {}
    storefront = await storefront.open()
    again = await storefront.shopper()
    again.client.cookies = staff.client.cookies
    assert "Saved: Typed in vain?" in (await again.fill(page, here)).text
    assert "Added: Brass lamp" in (await again.fill(new, NEW)).text


async def test_a_form_that_is_no_text_is_refused(staff: Shopper) -> None:
    body = b'--X\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--X--\r\n'
    answer = await staff.client.post(NEW, content=body, headers={"Content-Type": "multipart/form-data; boundary=X"})
    assert answer.status_code == 400
