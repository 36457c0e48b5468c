"""Import of catalogue files on staff's pages: progress while it goes on, a report at its end, nothing lost."""

import asyncio
import csv
import io
import re
import secrets
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from shopdev.clients import Process
from shopdev.shop import Shop

from .browsing import Page, Shopper
from .conftest import SECRET, Storefront
from .staffing import stored

HERE = "/admin/import"
HEADING = "Handle,Title,Variant SKU,Variant Price"
# More than two batches, so that not all of it is under way at once.
MANY = 3000


@pytest.fixture
def prefix() -> str:
    """What SKUs of this test begin with."""
    return f"I{secrets.token_hex(4)}".upper()


@pytest.fixture
async def served(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """Staff's browser before a storefront of its own process, which streams as in earnest."""
    environment = {f"{name.upper()}": url for name, url in shop.urls.items()}
    async with (
        Process("storefront", SESSION_SECRET=SECRET, **environment) as process,
        httpx.AsyncClient(base_url=process.url, timeout=60) as client,
    ):
        await Shopper(client).sign_in(shop.staff())
        yield client


def lines(prefix: str, count: int, price: str = "9.50") -> str:
    """A file of so many products."""
    rows = [f"{prefix}-{number},Thing {number},{prefix}-{number},{price}" for number in range(count)]
    return "\n".join([HEADING, *rows])


async def fields_of(client: httpx.AsyncClient) -> dict[str, str]:
    """What the form sends beside the file."""
    form = Page(await client.get(HERE)).form(HERE)
    return {name: text for name, text in form.fields.items() if name != "file"}


async def upload(staff: Shopper, content: str | bytes, name: str = "goods.csv", **typed: str) -> Page:
    """The page that answers a file."""
    body = content.encode() if isinstance(content, str) else content
    fields = await fields_of(staff.client) | typed
    return Page(await staff.client.post(HERE, data=fields, files={"file": (name, body, "text/csv")}))


def counts(page: Page) -> list[int]:
    """How many were added, were there and could not be taken."""
    return [int(text.replace(",", "")) for text in re.findall(r"<dd>([\d,]+)</dd>", page.html)]


def report(page: Page) -> list[list[str]]:
    """The rows of the report, without its heading."""
    beginning, _, content = page.links["Download the report"].partition("base64,")
    assert beginning == "data:text/csv;charset=utf-8;"
    return list(csv.reader(io.StringIO(b64decode(content).decode())))[1:]


async def test_a_file_adds_products_and_changes_those_that_are_there(staff: Shopper, shop: Shop, prefix: str) -> None:
    page = await upload(staff, lines(prefix, 3))
    assert "The import is done" in page.text
    assert counts(page) == [3, 0, 0]
    assert "Download the report" not in page.links
    page = await upload(staff, lines(prefix, 4, price="8.50"))
    assert counts(page) == [1, 3, 0]
    assert stored(shop, f"{prefix}-2")["price_from"] == {"amount": 850, "currency": "EUR"}


async def test_prices_are_in_the_currency_that_was_chosen(staff: Shopper, shop: Shop, prefix: str) -> None:
    await upload(staff, lines(prefix, 1), currency="usd ")
    assert stored(shop, f"{prefix}-0")["price_from"] == {"amount": 950, "currency": "USD"}


async def test_what_could_not_be_taken_stands_in_the_page_and_in_the_report(
    staff: Shopper, shop: Shop, prefix: str
) -> None:
    bad = [f"b{number},=cmd()<b>,{prefix}-B{number},abc" for number in range(60)]
    page = await upload(staff, "\n".join([lines(prefix, 2), *bad]))
    assert counts(page) == [2, 0, 60]
    rows = report(page)
    assert [int(row[0]) for row in rows] == list(range(4, 64))
    assert "abc" in rows[0][2]
    assert page.html.count("<tr><td>") == 50
    assert "And 10 more, in the report." in page.text
    assert stored(shop, f"{prefix}-1")["name"] == "Thing 1"


async def test_a_report_has_its_bounds_and_says_so(staff: Shopper, prefix: str) -> None:
    page = await upload(staff, lines(prefix, 10_050, price="free"))
    assert counts(page) == [0, 0, 10_050]
    assert len(report(page)) == 10_000
    assert "The report holds the first 10,000; there are 50 more." in page.text


async def test_what_the_catalogue_refuses_is_reported_too(staff: Shopper, prefix: str) -> None:
    page = await upload(staff, f"{HEADING},Handle2\n,Stolen,SHIRT-M,1,\n,,TEAPOT,1,")
    assert counts(page)[2] == 1
    assert report(page)[0][0] == "2"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.csv", b"", "empty.csv is empty."),
        ("photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(200), "photo.csv is no catalogue: it is a picture."),
        ("notes.csv", b"some words\nand more", "it has no column Title and no column Variant Price."),
        ("latin.csv", f"{HEADING}\na,Caf\xe9,A,1".encode("latin-1"), "latin.csv is not in UTF-8"),
        ("<b>.csv", b"", "<b>.csv is empty."),
    ],
)
async def test_a_wrong_file_is_told_in_one_sentence(staff: Shopper, name: str, content: bytes, sentence: str) -> None:
    page = await upload(staff, content, name)
    assert page.status == 422
    assert sentence in page.described("file")
    assert "<b>.csv" not in page.html
    assert "The import" not in page.text


async def test_a_form_without_a_file_is_told(staff: Shopper) -> None:
    page = Page(await staff.client.post(HERE, data=await fields_of(staff.client)))
    assert page.status == 422
    assert "Choose a file." in page.described("file")
    page = await upload(staff, b"", "")
    assert "Choose a file." in page.described("file")


@pytest.mark.parametrize("currency", ["", "EURO", "12$", "ÄÖÜ"])
async def test_a_currency_that_is_none_is_told(staff: Shopper, currency: str) -> None:
    page = await upload(staff, lines("X", 1), currency=currency)
    assert page.status == 422
    assert "three letters" in page.described("currency")
    assert page.form(HERE).fields["currency"] == currency


async def test_a_file_that_is_too_large_is_told_in_words(served: httpx.AsyncClient) -> None:
    page = await upload(Shopper(served), bytes(80 * 1024 * 1024))
    assert page.status == 413
    assert "larger than 64 MiB" in page.described("file")


async def test_progress_is_shown_while_the_import_goes_on(served: httpx.AsyncClient, shop: Shop, prefix: str) -> None:
    fields = await fields_of(served)
    files = {"file": ("goods.csv", lines(prefix, MANY).encode(), "text/csv")}
    shop["products"].pause()
    try:
        async with served.stream("POST", HERE, data=fields, files=files) as answer:
            parts = answer.aiter_text()
            text = ""
            while "</progress>" not in text:
                text += await anext(parts)
            assert f'max="{MANY + 1}"' in text
            assert "The import is done" not in text
            shop["products"].resume()
            async for part in parts:
                text += part
    finally:
        shop["products"].resume()
    assert text.rstrip().endswith("</html>")
    assert "The import is done" in text
    assert stored(shop, f"{prefix}-{MANY - 1}")


async def test_an_import_stops_when_the_browser_leaves(served: httpx.AsyncClient, shop: Shop, prefix: str) -> None:
    fields = await fields_of(served)
    files = {"file": ("goods.csv", lines(prefix, MANY).encode(), "text/csv")}
    shop["products"].pause()
    try:
        async with served.stream("POST", HERE, data=fields, files=files) as answer:
            text = ""
            async for part in answer.aiter_text():
                text += part
                if "</progress>" in text:
                    break
        async with asyncio.timeout(30):
            # Until nothing is under way but this question itself.
            while not re.search(r"^\S*in_flight\S* 1(\.0)?$", (await served.get("/metrics")).text, re.MULTILINE):
                await asyncio.sleep(0.01)
    finally:
        shop["products"].resume()
    assert not stored(shop, f"{prefix}-{MANY - 1}")


async def test_an_import_waits_for_a_catalogue_that_is_away(staff: Shopper, shop: Shop, prefix: str) -> None:
    shop["products"].stop()
    task = asyncio.create_task(upload(staff, lines(prefix, 3)))
    await shop.start("products")
    page = await task
    assert counts(page) == [3, 0, 0]


async def test_a_sign_in_that_ends_meanwhile_is_told(storefront: Storefront, shop: Shop, tmp_path: Path) -> None:
    settings = {"STORE_URL": f"sqlite:///{tmp_path}/p.db", "USERS_URL": shop["users"].url, "ISSUER": "https://other"}
    async with Process("products", **settings) as stranger:
        strange = await storefront.open(products_url=stranger.url)
        staff = await strange.shopper()
        await staff.sign_in(shop.staff())
        page = await upload(staff, lines("X", 1))
    assert page.status == 200
    assert "The import was stopped" in page.text
    assert "Your sign-in has ended meanwhile. What is done stays done. Send the file again to go on." in page.text
    assert page.links["Send the file again"] == HERE


async def test_tokens_are_renewed_before_an_import_begins(storefront: Storefront, staff: Shopper, prefix: str) -> None:
    fields = await fields_of(staff.client)
    storefront.clock.ahead = timedelta(minutes=2)
    files = {"file": ("goods.csv", lines(prefix, 1).encode(), "text/csv")}
    answer = await staff.client.post(HERE, data=fields, files=files)
    assert counts(Page(answer)) == [1, 0, 0]
    assert "set-cookie" in answer.headers
    assert (await staff.get("/account")).path == "/account"
