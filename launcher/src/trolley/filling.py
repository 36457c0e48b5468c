"""What a new shop needs to be looked at: the demo's staff account and the sample, once for each store."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress

from trolley import staff
from trolley.folder import DataFolder
from trolley.sample import catalogue, pictures
from trolley.sample.importing import SampleRefused, load
from trolley.services import CannotStart

READY_SECONDS = 60.0
POLL_SECONDS = 0.05
# The store of `trolley sample`, of which its data folder sees one alone.
STORE_NAME = "containers"


class NotReady(Exception):
    """The services run, but the shop could not be opened; the text says what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A shop that runs, by its addresses; `data` is absolute and keeps the account and the sample's pictures."""

    data: Path
    users_url: str
    products_url: str
    storefront_url: str


async def run(shop: Running) -> str:
    """`trolley sample`: fills the shop and says how to go on. CannotStart, NotReady."""
    if "STORE_URL" not in os.environ:
        raise CannotStart("STORE_URL is missing: the users service's, which gives the staff account its role.")
    file = staff.StaffFile(shop.data)
    with DataFolder(shop.data) as folder:
        is_new = file.read() is None or not file.path.exists()
        if is_new or not folder.is_prepared(STORE_NAME):
            async with httpx.AsyncClient() as client:
                await asyncio.gather(
                    ready(client, "users", shop.users_url), ready(client, "products", shop.products_url)
                )
            filling = Filling(shop.users_url, shop.products_url, STORE_NAME, empty=False)
            try:
                await fill(filling, folder, file, os.environ, Console())
            except (staff.StaffRefused, SampleRefused, httpx.HTTPError) as error:
                raise NotReady(f"The shop could not be filled: {error}") from error
    account = file.read()
    assert account is not None
    lines = [f"The shop is open: {shop.storefront_url}"]
    if is_new:
        lines += [f"For {shop.storefront_url}/admin sign in as {account.email} with the password {account.password}"]
        return "\n".join([*lines, f"(kept in {file.path})."])
    return "\n".join(
        [*lines, f"For {shop.storefront_url}/admin sign in as {account.email}; {file.path} has the password."]
    )


@dataclass(frozen=True)
class Filling:
    """Which services are filled; `store_name` tells their store from others that the data folder was used with."""

    users_url: str
    products_url: str
    store_name: str
    empty: bool


async def fill(
    shop: Filling, folder: DataFolder, file: staff.StaffFile, environment: Mapping[str, str], console: Console
) -> None:
    """The staff account, and the sample where this store never had it. Safe to repeat after it was cut short."""
    async with httpx.AsyncClient(base_url=shop.users_url, timeout=30) as users:
        token = await staff.access_token(users, file, environment)
    if folder.is_prepared(shop.store_name):
        return
    if not shop.empty:
        items = catalogue.products()
        pictures.draw_all(items, folder.images)
        async with httpx.AsyncClient(base_url=shop.products_url, timeout=30) as products:
            with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
                bar = progress.add_task("Filling the catalogue", total=len(items))
                async for done in load(products, token, items):
                    progress.update(bar, completed=done)
    folder.note_prepared(shop.store_name)


async def ready(client: httpx.AsyncClient, name: str, url: str) -> None:
    """Returns when the service says that it is ready; NotReady if that takes too long."""
    last_words = "it does not answer"
    for _ in range(int(READY_SECONDS / POLL_SECONDS)):
        try:
            answer = await client.get(f"{url}/readyz")
        except httpx.TransportError:
            pass
        else:
            if answer.is_success:
                return
            last_words = answer.text
        await asyncio.sleep(POLL_SECONDS)
    raise NotReady(f"The {name} service is not ready after {READY_SECONDS:.0f} s: {last_words}")
