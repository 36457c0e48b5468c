"""People with a real Chromium before the whole shop: `visitor()` is one of them, with cookies of their own."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from shopdev.clients import Process
from shopdev.fixtures import require
from shopdev.shop import Shop
from trolley.sample import catalogue, pictures

from .goods import GOODS

SCREENS = Path(__file__).parents[2] / ".artefacts" / "screens"
HEIGHTS = {360: 740, 768: 1024, 1440: 900}
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
# What the browser, and htmx, say of answers that are failures: those are looked at by the tests themselves.
EXPECTED = ("the server responded with a status", "Response Status Error Code")
# Longer than anything takes on a busy machine; nothing waits that long when all is well.
PATIENCE_MS = 15_000

expect.set_options(timeout=PATIENCE_MS)


class Visitor:
    """A person at a browser of their own. `faults`: what the browser complained of."""

    def __init__(self, context: BrowserContext, page: Page, name: str, *, script: bool) -> None:
        self.context = context
        self.page = page
        self.name = name
        self.script = script
        self.posts: list[str] = []
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._note(message.type, f"{message.text} {message.location}"))
        page.on("dialog", lambda dialog: self.faults.append(f"{page.url}: a dialog: {dialog.message}"))
        page.on("request", lambda request: request.method == "POST" and self.posts.append(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not any(words in text for words in EXPECTED):
            self.faults.append(f"{self.page.url}: {text}")

    async def open(self, path: str) -> int:
        """Goes to a page; its status."""
        answer = await self.page.goto(path)
        assert answer
        return answer.status

    async def sign_in(self, email: str, password: str) -> None:
        """Fills in the form on the page that is open, or on its own."""
        if "/sign-in" not in self.page.url:
            await self.open("/sign-in")
        await self.page.get_by_label("Mail address").fill(email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("main").get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url(lambda url: "/sign-in" not in url)

    async def note(self, text: str) -> None:
        """Waits until the page tells this."""
        await expect(self.page.get_by_role("status")).to_contain_text(text)

    async def look(self, what: str) -> None:
        """Nothing is wider than the screen; a picture of it is kept."""
        wide, screen = await self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= screen, f"{self.page.url} is {wide} wide on a screen of {screen}."
        # To hide the caret, Playwright would leave style attributes in the page, which the page's own policy forbids.
        await self.page.screenshot(path=SCREENS / f"{self.name}-{what}.png", full_page=True, caret="initial")


Visitors = Callable[..., Awaitable[Visitor]]


@pytest.fixture(scope="module")
def store() -> str:
    """On which store the shop is."""
    return "sqlite"


@pytest.fixture(scope="module")
def shop(store: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The services with the sample and a few products that tests know by name."""
    if shutil.which("chromium") is None:
        require("browser", "There is no chromium (Debian, Ubuntu: apt-get install chromium).")
    folder = tmp_path_factory.mktemp("shop")
    images = folder / "images"
    images.mkdir()
    items = catalogue.products()
    pictures.draw_all(items, images)
    server = request.getfixturevalue("mongo_server") if store == "mongo" else ""
    address, _, options = server.partition("/?")
    run = f"{os.getpid()}_{secrets.token_hex(4)}"

    def url(name: str) -> str:
        return f"{address.rstrip('/')}/browser_{name}_{run}?{options}" if server else f"sqlite:///{folder}/{name}.db"

    with Shop(url, images).running() as shop:
        shop.add([*(item.body for item in items), *GOODS])
        yield shop


@pytest.fixture(scope="module")
def storefront(shop: Shop) -> Iterator[Process]:
    """The storefront, patient enough for a busy machine."""
    urls = {name.upper(): url for name, url in shop.urls.items()}
    process = Process("storefront", SESSION_SECRET=secrets.token_hex(32), CALL_TIMEOUT_MS="3000", **urls)
    asyncio.run(process.start())
    yield process
    process.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """A browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(storefront: Process, chromium: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Visitors]:
    """`await visitor(360, script=False, dark=True)`; at the end no browser may have had anything to complain of."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    there: list[Visitor] = []

    async def come(
        width: int = 1440, *, script: bool = True, dark: bool = False, language: str = "en-GB", **options: Any
    ) -> Visitor:
        context = await chromium.new_context(
            base_url=storefront.url,
            viewport={"width": width, "height": HEIGHTS[width]},
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
            locale=language,
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(PATIENCE_MS)
        kinds = ("" if script else "-plain") + ("-dark" if dark else "")
        there.append(Visitor(context, await context.new_page(), f"{width}{kinds}", script=script))
        return there[-1]

    yield come
    for each in there:
        await each.context.close()
    assert [fault for each in there for fault in each.faults] == []
