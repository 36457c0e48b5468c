"""`trolley up`: all services on this machine, until they are told to stop."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from rich.console import Console

from trolley import staff
from trolley.filling import POLL_SECONDS, Filling, NotReady, fill, ready
from trolley.folder import DataFolder
from trolley.processes import Child, Processes
from trolley.sample.importing import SampleRefused
from trolley.services import NAMES, CannotStart, Plan, Store
from trolley.words import label, ready_page

# A service that died shows in failed calls first; this long it has to be found out as the reason.
BLAME_SECONDS = 1.0


async def up(plan: Plan, console: Console) -> None:
    """Runs the shop until SIGINT or SIGTERM. CannotStart before anything runs; Died or NotReady later."""
    loop = asyncio.get_running_loop()
    processes = Processes()
    with DataFolder(plan.data) as folder:
        if taken := plan.taken_ports():
            raise CannotStart(
                f"Port {taken[0]} is taken: stop what listens there, or choose others with --first-port"
                " and --storefront-port."
            )
        # What is broken in the folder is told before anything starts.
        staff.StaffFile(plan.data).read()
        folder.is_prepared(plan.store_name())
        work = asyncio.create_task(run(plan, folder, processes, console))

        def told_to_stop() -> None:
            if work.cancelling():
                processes.kill()
            else:
                work.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, told_to_stop)
        await asyncio.wait([work])
    if not work.cancelled():
        work.result()


async def run(plan: Plan, folder: DataFolder, processes: Processes, console: Console) -> None:
    """Starts everything, opens the shop and stays; leaves nothing running however it ends."""
    began = time.monotonic()
    async with mongodb(plan, processes) as url:
        secret = folder.session_secret()
        children = [Child(name, plan.environment(name, url, secret), label(name, console)) for name in NAMES]
        tasks = [asyncio.create_task(child.run(processes)) for child in children]
        opening = asyncio.create_task(open_shop(plan, folder, plan.environment("users", url), console, began))
        try:
            await asyncio.wait([*tasks, opening], return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                patience = BLAME_SECONDS if opening.exception() else None
                await asyncio.wait(tasks, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            processes.hurry()
            for task in (opening, *tasks):
                task.cancel()
            ends = await asyncio.gather(*tasks, opening, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


@asynccontextmanager
async def mongodb(plan: Plan, processes: Processes) -> AsyncIterator[str]:
    """The URL of the MongoDB to use, "" for none; a mongod of our own runs as long as the context."""
    if plan.store is Store.SQLITE or plan.mongodb_url:
        yield plan.mongodb_url
        return
    # Development support, with a driver behind it: only those who ask for it wait for its import.
    from shopdev.mongod import Mongod, MongodUnavailable

    server = Mongod(plan.data / "mongodb")
    processes.add(server.kill)
    start = asyncio.create_task(asyncio.to_thread(server.start))
    try:
        yield await asyncio.shield(start)
    except MongodUnavailable as error:
        raise CannotStart(f"{error} Give the address of one that runs: --mongodb-url mongodb://HOST.") from error
    finally:
        processes.hurry()
        # A thread cannot be cancelled: without its mongod it gives up by itself.
        while not start.done():
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.gather(start, return_exceptions=True)
        await asyncio.to_thread(server.stop)


async def open_shop(
    plan: Plan, folder: DataFolder, environment: dict[str, str], console: Console, began: float
) -> None:
    """Waits for the services; on the first start makes the staff account and fills the catalogue; says how to go on."""
    file = staff.StaffFile(plan.data)
    is_new = not file.path.exists()
    async with httpx.AsyncClient() as client:
        await asyncio.gather(*(ready(client, name, plan.url(name)) for name in NAMES))
    try:
        if is_new or not folder.is_prepared(plan.store_name()):
            shop = Filling(plan.url("users"), plan.url("products"), plan.store_name(), plan.empty)
            await fill(shop, folder, file, environment, console)
    except (staff.StaffRefused, SampleRefused, httpx.HTTPError) as error:
        raise NotReady(f"The services run, but the shop could not be opened: {error}") from error
    ready_page(plan, file, is_new, time.monotonic() - began, console)
