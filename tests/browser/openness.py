"""Whether a page keeps people out, by axe-core."""

import asyncio

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

GRAVE = {"serious", "critical"}


async def grave_faults(page: Page) -> list[str]:
    """What axe-core finds that keeps people out; it is a script itself, so pages must be allowed to run some."""
    async with asyncio.timeout(30):
        found = await Axe().run(page)
    assert len(found.response["passes"]) > 10, "axe-core has looked at nothing"
    grave = [fault for fault in found.response["violations"] if fault["impact"] in GRAVE]
    return [f"{page.url}: {fault['id']}: {node['html'][:200]}" for fault in grave for node in fault["nodes"][:3]]
