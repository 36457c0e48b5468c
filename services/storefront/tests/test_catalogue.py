"""Home, search and products, by addresses that people and machines make up."""

from urllib.parse import quote

import pytest

from shopdev.shop import Shop
from storefront.backends.answers import Money
from storefront.searching import Query
from storefront.words import load, minor_units, units

from .browsing import Shopper, lines_of


def products_on(links: dict[str, str]) -> set[str]:
    return {address for address in links.values() if address.startswith("/p/")}


async def test_home_leads_to_categories_and_to_what_is_new(shopper: Shopper) -> None:
    page = await shopper.get("/")
    assert page.status == 200
    assert page.links["Kitchen"] == "/search?category=Kitchen"
    # Of all its links: products of other tests may bear the same name.
    assert len(products_on({str(n): has.get("href", "") for n, (_, has) in enumerate(page.elements)})) == 12


async def test_a_search_finds_by_words_in_any_script(shopper: Shopper) -> None:
    for words, slug in (
        ("teapot", "teapot"),
        ("Linen SHIRT", "linen-shirt"),
        ("LINEN", "linen-shirt"),
        ("乌龙茶", "oolong"),
    ):
        page = await shopper.get(f"/search?q={quote(words)}")
        assert f"/p/{slug}" in products_on(page.links), words
        assert page.form("/search").fields["q"] == words


async def test_a_search_without_a_result_says_so_and_leads_on(shopper: Shopper) -> None:
    page = await shopper.get("/search?q=zzzzzz&category=Kitchen")
    assert page.status == 200
    assert "Nothing found" in page.text
    assert page.links["See everything"] == "/search"


async def test_facets_narrow_and_widen_a_search(shopper: Shopper) -> None:
    kitchen = await shopper.get("/search?category=Kitchen")
    assert "3 products" in kitchen.text
    [tag] = [address for text, address in kitchen.links.items() if text.startswith("tea ") and "tag" in address]
    narrowed = await shopper.get(tag)
    assert "2 products" in narrowed.text
    assert "3 products" in (await shopper.get(narrowed.links["Remove the filter tea"])).text
    in_stock = await shopper.get("/search?category=Kitchen&in_stock=on")
    assert products_on(in_stock.links) == {"/p/teapot", "/p/oolong"}


async def test_prices_narrow_a_search_in_units(shopper: Shopper) -> None:
    for low, high in (("12.90", "39"), ("12,90", "39.00"), (" 12.9 ", "")):
        page = await shopper.get(f"/search?category=Kitchen&min_price={quote(low)}&max_price={quote(high)}")
        assert {"/p/teapot", "/p/oolong"} <= products_on(page.links), low


@pytest.mark.parametrize("typed", ["abc", "1.234", "-1", "1e3", "€5", "1..2", ".", "１２", "9" * 20, "<b>"])
async def test_a_price_that_is_none_is_told_beside_its_field_and_repeated(shopper: Shopper, typed: str) -> None:
    page = await shopper.get(f"/search?category=Kitchen&min_price={quote(typed)}")
    assert page.status == 200
    assert "Enter an amount such as 12.50." in page.described("min_price")
    assert page.element(name="min_price")["value"] == typed
    assert "3 products" in page.text


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [("12.50", "EUR", 1250), ("12,5", "EUR", 1250), (" 7 ", "EUR", 700), (".5", "EUR", 50), ("5.", "EUR", 500),
     ("12", "JPY", 12), ("12.5", "JPY", None), ("1.234", "KWD", 1234), ("0", "EUR", 0), ("", "EUR", None),
     (".", "EUR", None), ("1 000", "EUR", None), ("1.000,00", "EUR", None), ("٣", "EUR", None), ("9" * 30, "EUR", None)]
)  # fmt: skip
def test_an_amount_typed_in_units_is_read_in_minor_units(text: str, currency: str, amount: int | None) -> None:
    assert minor_units(text, currency) == amount


async def test_all_pages_of_a_list_are_reached_by_links_and_show_each_product_once(shopper: Shopper) -> None:
    page = await shopper.get("/search?category=Desk&sort=name")
    seen: list[str] = []
    while True:
        seen += products_on(page.links)
        if "Load more" not in page.links:
            break
        page = await shopper.get(page.links["Load more"])
    assert sorted(seen) == sorted(f"/p/pencil-{number}" for number in range(30))


ODD = [
    "cursor=nonsense",
    "cursor=" + "a" * 3000,
    "cursor=%00",
    "q=" + "a" * 5000,
    "q=%00%01",
    "q=%FF%FE",
    "q=%22%27%3C%3E",
    "q=*%20OR%201%3D1",
    "q=%F0%9F%AB%96",
    "category=" + "c" * 500,
    "category=%00",
    "tag=" + "&tag=".join(str(number) for number in range(200)),
    "tag=%00",
    "tag=" + "t" * 51,
    "sort=nonsense",
    "sort=relevance",
    "min_price=50&max_price=10",
    "min_price=9999999999",
    "in_stock=maybe",
    "limit=100000",
    "sku=TEAPOT",
    "id=nonsense",
    "q=a&q=teapot",
    "&&&===",
    "q",
]


@pytest.mark.parametrize("query", ODD)
async def test_a_search_with_odd_parameters_is_a_page(shopper: Shopper, query: str) -> None:
    page = await shopper.get(f"/search?{query}")
    assert page.status == 200
    assert page.path.startswith("/search")


async def test_a_place_in_a_list_that_is_not_ours_is_the_first_page(shopper: Shopper) -> None:
    page = await shopper.get("/search?category=Kitchen&cursor=nonsense")
    assert page.path == "/search?category=Kitchen"
    assert "3 products" in page.text


def test_a_link_of_a_search_changes_one_thing_and_begins_at_the_first_page() -> None:
    query = Query.of([("q", "a b"), ("tag", "x"), ("tag", "y"), ("sort", "price"), ("cursor", "c")])
    assert query.link() == "/search?q=a+b&tag=x&tag=y&sort=price"
    assert query.link(tag="x") == "/search?q=a+b&tag=y&sort=price"
    assert query.link(tag="z") == "/search?q=a+b&tag=x&tag=y&tag=z&sort=price"
    assert query.link(q=None, sort="name") == "/search?tag=x&tag=y&sort=name"
    assert query.link(cursor="d") == "/search?q=a+b&tag=x&tag=y&sort=price&cursor=d"
    assert Query.of([]).link() == "/search"


async def test_a_product_shows_its_variants_with_price_and_stock(shopper: Shopper) -> None:
    page = await shopper.get("/p/linen-shirt")
    assert page.form("/cart/add").fields["sku"] == "SHIRT-M", "the first that can be had"
    assert "Only 4 left" in page.text
    assert "Sold out" in page.text
    assert "€54.00" in page.text
    chosen = await shopper.get("/p/linen-shirt?sku=SHIRT-XL")
    assert chosen.form("/cart/add").fields["sku"] == "SHIRT-XL"


@pytest.mark.parametrize("sku", ["NO-SUCH", "", "%00", "S" * 500, "%3Cb%3E"])
async def test_a_variant_that_is_not_there_is_passed_over(shopper: Shopper, sku: str) -> None:
    page = await shopper.get(f"/p/linen-shirt?sku={sku}")
    assert page.status == 200
    assert page.form("/cart/add").fields["sku"] == "SHIRT-M"


@pytest.mark.parametrize("slug", ["no-such", "%00", "%2e%2e", "a%2Fb", "%C3%BC", "x" * 2000, "a%20b", "%3Fq=1"])
async def test_a_product_that_is_not_there_is_a_page_in_words(shopper: Shopper, slug: str) -> None:
    page = await shopper.get(f"/p/{slug}")
    assert page.status == 404
    assert "There is nothing here" in page.text
    assert page.form("/search")


async def test_a_product_is_found_by_its_id_too(shopper: Shopper, shop: Shop) -> None:
    found = shop.call("products", "GET", "/products/teapot").json()
    assert "Teapot" in (await shopper.get(f"/p/{found['id']}")).text


async def test_an_archived_product_says_so_and_cannot_be_bought(shopper: Shopper, shop: Shop, sku: str) -> None:
    page = await shopper.get(f"/p/{sku.lower()}")
    found = shop.call("products", "GET", f"/products/{sku.lower()}").json()
    shop.call("products", "DELETE", f"/products/{found['id']}", headers=shop.staff_bearer())
    gone = await shopper.get(f"/p/{sku.lower()}")
    assert gone.status == 410
    assert "no longer sold" in gone.text
    assert "/cart/add" not in [form.action for form in gone.forms]
    refused = await shopper.fill(page, "/cart/add")
    assert 400 <= refused.status < 500
    assert "no longer sold" in refused.text
    assert lines_of(await shopper.get("/cart")) == {}


async def test_what_people_wrote_is_shown_as_they_wrote_it(shopper: Shopper) -> None:
    for path in ("/", "/p/hostile", "/search?q=script", "/search?category=%3Cb%3EBold%3C/b%3E"):
        page = await shopper.get(path)
        assert "<script>alert" not in page.html, path
        assert "onerror=alert" not in page.html.replace("&gt;&lt;img src=x onerror=alert", ""), path
    page = await shopper.get("/p/hostile")
    assert "<script>alert(1)</script>" in page.text
    assert '"><img src=x onerror=alert(2)> {{ 7 * 7 }} %(name)s 100%' in page.text
    assert "<u>made of</u>" in page.text
    cart = await shopper.add("hostile")
    assert "Added to your cart: 1 × <script>alert(1)</script>" in cart.text
    removed = await shopper.fill(cart, "/cart/lines/HOSTILE", quantity="0")
    assert "Removed from your cart: <script>alert(1)</script>" in removed.text
    typed = '"><script>alert(3)</script>'
    found = await shopper.get(f"/search?q={quote(typed)}")
    assert typed in found.text
    assert "<script>alert" not in found.html


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(1999, "EUR", "€19.99"), (199900, "RSD", "RSD1,999.00"), (1500, "JPY", "JP¥1,500"), (1234, "KWD", "KWD1.234")],
)
def test_prices_have_the_decimals_of_their_currency_whatever_a_locale_leaves_out(
    amount: int, currency: str, text: str
) -> None:
    shown = load()["en"].money(Money(amount, currency))
    assert shown.replace("\xa0", "") == text
    assert minor_units(units(Money(amount, currency)), currency) == amount
