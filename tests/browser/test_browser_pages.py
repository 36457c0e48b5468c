"""What every page must be: open to all, at rest while it loads, small, in both languages, and safe with any text."""

from urllib.parse import quote

import pytest
from playwright.async_api import Request, expect

from shopdev.shop import PASSWORD, Shop

from .conftest import Visitor, Visitors
from .goods import SCRIPT
from .openness import grave_faults

pytestmark = pytest.mark.asyncio(loop_scope="module")

# By the name of its picture: the path, and the status it has.
FOR_GUESTS = {
    "home": ("/", 200),
    "list": ("/search", 200),
    "list-narrowed": ("/search?q=tea&in_stock=on&min_price=x&sort=price", 200),
    "nothing-found": ("/search?q=zzzzzz&category=Tests", 200),
    "product": ("/p/harbour-jumper", 200),
    "product-hostile": ("/p/hostile", 200),
    "product-gone": ("/p/gone", 410),
    "cart-empty": ("/cart", 200),
    "sign-in": ("/sign-in", 200),
    "register": ("/register", 200),
    "not-found": ("/no/such/page", 404),
}
FOR_CUSTOMERS = {"cart": ("/cart", 200), "history": ("/cart/history", 200), "account": ("/account", 200)}
# Filled in before any page: adds up what moved without anybody touching the page.
SHIFTS = """
window.shifted = PerformanceObserver.supportedEntryTypes.includes("layout-shift") ? 0 : NaN;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
RESTED = """async () => {
  await document.fonts.ready;
  const pictures = [...document.images].filter((picture) => picture.loading !== "lazy");
  await Promise.all(pictures.map((picture) => picture.decode().catch(() => {})));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""
LARGEST_BYTES = 60 * 1024


@pytest.fixture(scope="module", autouse=True)
def archived(shop: Shop) -> None:
    """A product that is no longer sold."""
    price = {"amount": 100, "currency": "EUR"}
    shop.add([{"name": "Gone lamp", "slug": "gone", "sku": "GONE", "price": price, "category": "Tests"}])
    found = shop.call("products", "GET", "/products/gone").json()
    shop.call("products", "DELETE", f"/products/{found['id']}", headers=shop.staff_bearer())


async def look_at(visitor: Visitor, pages: dict[str, tuple[str, int]]) -> list[str]:
    faults = []
    for name, (path, status) in pages.items():
        assert await visitor.open(path) == status, path
        await visitor.look(f"page-{name}")
        faults += await grave_faults(visitor.page)
    return faults


# Colours are the same at every width.
@pytest.mark.parametrize(("width", "dark"), [(360, False), (1440, True)], ids=["phone-light", "desk-dark"])
async def test_no_page_keeps_anybody_out(visitor: Visitors, shop: Shop, width: int, dark: bool) -> None:
    someone = await visitor(width, dark=dark)
    faults = await look_at(someone, FOR_GUESTS)
    await someone.open("/register")
    await someone.page.get_by_label("Mail address").fill("no address")
    await someone.page.get_by_role("main").get_by_role("button").click()
    await expect(someone.page.get_by_label("Mail address")).to_have_attribute("aria-invalid", "true")
    await someone.look("page-register-faults")
    faults += await grave_faults(someone.page)
    await someone.sign_in(shop.register(name="Ada"), PASSWORD)
    for slug in ("harbour-jumper", "pewter-spoon", "hostile"):
        await someone.open(f"/p/{slug}")
        await someone.page.get_by_role("button", name="Add to cart").click()
        await someone.note("Added to your cart")
    faults += await look_at(someone, FOR_CUSTOMERS)
    assert faults == []


async def test_nothing_moves_while_a_page_loads(visitor: Visitors, shop: Shop) -> None:
    for width in (360, 1440):
        someone = await visitor(width)
        await someone.context.add_init_script(SHIFTS)
        await someone.open("/p/pewter-spoon")
        await someone.page.get_by_role("button", name="Add to cart").click()
        await someone.note("Added to your cart")
        for path in ("/", "/search", "/p/harbour-jumper", "/cart", "/search?category=Tests"):
            await someone.open(path)
            await someone.page.evaluate(RESTED)
            assert await someone.page.evaluate("window.shifted") == 0, f"{path} at {width}"


async def test_a_first_visit_is_small(visitor: Visitors) -> None:
    someone = await visitor()
    sizes: dict[str, int] = {}
    finished: list[Request] = []
    someone.page.on("requestfinished", lambda request: finished.append(request))
    await someone.page.goto("/", wait_until="networkidle")
    for request in finished:
        size = await request.sizes()
        if request.resource_type != "image" or "/static/" in request.url:
            sizes[request.url] = size["responseHeadersSize"] + size["responseBodySize"]
    total = sum(sizes.values())
    print(f"A first visit takes {total} bytes: {sizes}")
    assert len(sizes) >= 4
    assert total < LARGEST_BYTES, sizes


async def test_nothing_is_loaded_from_elsewhere(visitor: Visitors) -> None:
    someone = await visitor()
    hosts: set[str] = set()
    someone.page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    for path in ("/", "/search", "/p/harbour-jumper"):
        await someone.page.goto(path, wait_until="networkidle")
    assert len(hosts) == 1


async def test_a_page_is_in_the_language_of_the_browser_until_another_is_chosen(visitor: Visitors) -> None:
    someone = await visitor(360, language="zh-CN")
    html = someone.page.locator("html")
    await someone.open("/search?q=tea")
    await expect(html).to_have_attribute("lang", "zh-Hans")
    await someone.page.get_by_role("button", name="English").click()
    await expect(html).to_have_attribute("lang", "en")
    await expect(someone.page).to_have_url("/search?q=tea")
    await someone.open("/cart")
    await expect(html).to_have_attribute("lang", "en")
    await someone.page.get_by_role("button", name="中文").click()
    await expect(html).to_have_attribute("lang", "zh-Hans")
    await expect(someone.page).to_have_url("/cart")
    for name, path in {"home": "/", "product": "/p/harbour-jumper", "sign-in": "/sign-in"}.items():
        await someone.open(path)
        await someone.look(f"page-{name}-chinese")


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
async def test_a_name_that_is_a_script_is_shown_and_not_run(visitor: Visitors, script: bool) -> None:
    someone = await visitor(script=script)
    page = someone.page
    await someone.open("/search?category=Tests&q=script" if script else "/search?q=script")
    await someone.open("/p/hostile")
    await expect(page.get_by_role("heading", level=1)).to_have_text(SCRIPT)
    await page.get_by_role("button", name="Add to cart").click()
    await someone.note(f"Added to your cart: 1 × {SCRIPT}")
    await someone.open("/cart")
    await page.get_by_role("button", name=f"Remove {SCRIPT}").click()
    await someone.note(f"Removed from your cart: {SCRIPT}")
    await someone.open(f"/search?q={quote(SCRIPT)}")
    await expect(page.get_by_role("searchbox")).to_have_value(SCRIPT)


async def test_more_of_a_list_comes_in_place_with_scripts_and_as_a_page_without(visitor: Visitors) -> None:
    with_script, plain = await visitor(), await visitor(script=False)
    for someone in (with_script, plain):
        await someone.open("/search?sort=name")
    page = with_script.page
    cards = page.get_by_role("main").get_by_role("listitem").filter(has=page.get_by_role("heading"))
    await expect(cards).to_have_count(24)
    last = await cards.last.get_by_role("link").inner_text()
    await page.get_by_role("link", name="Load more").click()
    await expect(cards).to_have_count(48)
    await plain.page.get_by_role("link", name="Load more").click()
    await expect(plain.page.get_by_role("link", name="Back to the first page")).to_be_visible()
    first = plain.page.get_by_role("main").get_by_role("listitem").get_by_role("heading").first
    assert await first.inner_text() == await cards.nth(24).get_by_role("link").inner_text()
    assert await first.inner_text() != last
