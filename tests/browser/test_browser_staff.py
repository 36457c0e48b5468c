"""Staff's way: products, variants, stock, archive, and a catalogue from a file, with and without scripts."""

import secrets
from pathlib import Path

import pytest
from playwright.async_api import expect

from shopdev.shop import PASSWORD, Shop

from .conftest import Visitor, Visitors
from .openness import grave_faults

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEAD = "Handle,Title,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty\n"
GOOD_ROWS = 600


@pytest.fixture
def run() -> str:
    """What tells this test's names from those of the others."""
    return secrets.token_hex(3)


@pytest.mark.parametrize(("width", "script"), [(360, True), (768, False), (1440, True)])
async def test_staff_add_change_count_archive_and_import(
    visitor: Visitors, shop: Shop, tmp_path: Path, run: str, width: int, script: bool
) -> None:
    keeper = await visitor(width, script=script, dark=width == 768)
    page = keeper.page
    await keeper.open("/admin")
    await keeper.sign_in(shop.staff(), PASSWORD)
    await expect(page).to_have_url("/admin")
    await keeper.look("admin")
    await add_a_product(keeper, run)
    await add_a_variant(keeper, run)
    await change_the_stock(keeper, run)
    await archive_and_restore(keeper)
    await import_a_file(keeper, tmp_path, run)
    await refuse_a_wrong_file(keeper, tmp_path)
    assert await keeper.open(f"/p/kite-{run}") == 200
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Kite {run}")


async def nobody_is_kept_out(keeper: Visitor) -> None:
    """Looked at where scripts run; the page is the same without them."""
    if keeper.script:
        assert await grave_faults(keeper.page) == []


async def add_a_product(keeper: Visitor, run: str) -> None:
    page = keeper.page
    await page.get_by_role("link", name="Add a product").click()
    main = page.get_by_role("main")
    await main.get_by_label("Name").fill(f"Kite {run}")
    await main.get_by_label("SKU").fill("no good")
    await main.get_by_label("Price (EUR)").fill("12.505")
    await main.get_by_label("Stock").fill("7")
    await main.get_by_role("button", name="Add the product").click()
    await expect(main.get_by_label("SKU")).to_have_attribute("aria-invalid", "true")
    await expect(main.get_by_label("Price (EUR)")).to_have_value("12.505")
    await expect(main.get_by_label("Name")).to_have_value(f"Kite {run}")
    await keeper.look("admin-product-faults")
    await nobody_is_kept_out(keeper)
    await main.get_by_label("SKU").fill(f"KITE-{run}")
    await main.get_by_label("Price (EUR)").fill("12.50")
    await main.get_by_role("button", name="Add the product").dblclick()
    await keeper.note(f"Added: Kite {run}")


async def add_a_variant(keeper: Visitor, run: str) -> None:
    page = keeper.page
    await page.get_by_role("button", name="Add a variant").click()
    await expect(page.get_by_label("SKU")).to_have_count(2)
    await page.get_by_label("Options").first.fill("size: small")
    await page.get_by_label("Options").last.fill("size: large")
    await page.get_by_label("SKU").last.fill(f"KITE-{run}-L")
    await page.get_by_label("Price (EUR)").last.fill("19,50")
    await page.get_by_role("main").get_by_role("button", name="Save").click()
    await keeper.note(f"Saved: Kite {run}")
    await expect(page.get_by_label("SKU").last).to_have_value(f"KITE-{run}-L")
    await keeper.look("admin-product")
    await nobody_is_kept_out(keeper)


async def change_the_stock(keeper: Visitor, run: str) -> None:
    page = keeper.page
    stock = page.get_by_label(f"Change the stock of KITE-{run} by")
    await stock.fill("+5")
    await stock.press("Enter")
    await keeper.note(f"Stock of KITE-{run} changed by +5.")
    await expect(page.get_by_role("main")).to_contain_text("12 in stock")


async def archive_and_restore(keeper: Visitor) -> None:
    page = keeper.page
    await page.get_by_role("button", name="Archive").click()
    await keeper.note("Archived:")
    await page.get_by_role("button", name="Restore").click()
    await keeper.note("Back in the shop:")


async def import_a_file(keeper: Visitor, folder: Path, run: str) -> None:
    page = keeper.page
    rows = [f"mug-{run}-{n},Mug {run} {n},Mugs,,,MUG-{run}-{n},{n}.50,5\n" for n in range(1, GOOD_ROWS + 1)]
    rows.insert(300, f"bad-{run},Bad mug,Mugs,,,BAD-{run},no price,5\n")
    file = folder / "catalogue.csv"
    file.write_text(HEAD + "".join(rows), "utf-8")
    await keeper.open("/admin")
    await page.get_by_role("link", name="Import a file").click()
    await keeper.look("admin-import")
    await nobody_is_kept_out(keeper)
    await page.get_by_label("File", exact=True).set_input_files(file)
    await page.get_by_role("button", name="Import", exact=True).click()
    await expect(page.get_by_role("heading", name="The import is done")).to_be_visible()
    result = page.get_by_role("main")
    await expect(result).to_contain_text(str(GOOD_ROWS))
    await expect(result.get_by_role("row").filter(has_text=f"bad-{run}")).to_contain_text("302")
    await keeper.look("admin-imported")
    await nobody_is_kept_out(keeper)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download the report").click()
    report = await (await download.value).path()
    assert f"bad-{run}" in Path(report).read_text("utf-8-sig")
    await keeper.open("/admin")
    await page.get_by_label("Words or a SKU").fill(f"MUG-{run}-77")
    await page.get_by_label("Words or a SKU").press("Enter")
    await expect(page.get_by_role("link", name=f"Mug {run} 77")).to_be_visible()


async def refuse_a_wrong_file(keeper: Visitor, folder: Path) -> None:
    page = keeper.page
    file = folder / "picture.csv"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    await keeper.open("/admin/import")
    await page.get_by_label("File", exact=True).set_input_files(file)
    await page.get_by_role("button", name="Import", exact=True).click()
    await expect(page.get_by_label("File", exact=True)).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_role("progressbar")).to_have_count(0)


async def test_customers_and_guests_stay_outside(visitor: Visitors, shop: Shop) -> None:
    customer = await visitor()
    await customer.sign_in(shop.register(), PASSWORD)
    assert await customer.open("/admin") == 403
    await expect(customer.page.get_by_role("heading", level=1)).to_have_text("This page is for staff")
    await expect(customer.page.get_by_role("link", name="Admin")).to_have_count(0)
    guest = await visitor()
    await guest.open("/admin/import")
    await expect(guest.page).to_have_url("/sign-in?next=/admin/import")
