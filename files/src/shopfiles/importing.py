"""Sends what was read in batches, several at once, and tells how far everything is done."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from shopfiles.reading import Entry, Fault

CREATED, CHANGED = 201, 200
# POST /products/batch takes 500 items and 4 MiB.
ITEMS_MAX = 500
BYTES_MAX = 2 * 1024 * 1024

Item = dict[str, Any]
Send = Callable[[list[Item]], Awaitable[list[Item]]]


class Progress(NamedTuple):
    """How far it is: all products up to the one that begins on line `done`. `total` is what the caller gave.

    `changed` counts products that were there, also where they stayed as they were. `faults` are new since the last one.
    """

    done: int
    total: int | None
    added: int
    changed: int
    failed: int
    faults: list[Fault]


async def import_entries(
    entries: Iterable[Entry | Fault],
    send: Send,
    *,
    batch: int = ITEMS_MAX,
    at_once: int = 2,
    total: int | None = None,
) -> AsyncGenerator[Progress, None]:
    """Sends all entries; a Progress for each batch, in the order of the file, once all before it is done too.

    `send` takes items to POST /products/batch and returns its results; what it raises ends the import. Sending the
    same again is safe: what is there is changed to what it is. Memory holds `at_once` + 1 batches.
    """
    waiting = batches(entries, batch)
    under_way: deque[asyncio.Task[Progress]] = deque()
    so_far = Progress(0, total, 0, 0, 0, [])
    try:
        # A thread reads, so that whoever else is served by this event loop need not wait.
        while content := await asyncio.to_thread(next, waiting, None):
            under_way.append(asyncio.create_task(place(content, send)))
            if len(under_way) >= at_once:
                so_far = _sum(so_far, await under_way.popleft())
                yield so_far
        while under_way:
            so_far = _sum(so_far, await under_way.popleft())
            yield so_far
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def batches(entries: Iterable[Entry | Fault], most: int = ITEMS_MAX) -> Iterator[list[Entry | Fault]]:
    """The entries in lists that one call takes, by number and by size."""
    found: list[Entry | Fault] = []
    size = 0
    for entry in entries:
        length = 0
        if isinstance(entry, Entry):
            length = len(msgspec.json.encode(entry.item))
            if length > BYTES_MAX:
                entry, length = Fault(entry.line, entry.name, "The product is larger than one call takes."), 0
        if found and (len(found) == most or size + length > BYTES_MAX):
            yield found
            found, size = [], 0
        found.append(entry)
        size += length
    if found:
        yield found


async def place(content: list[Entry | Fault], send: Send) -> Progress:
    """Sends one batch, and then the status of those for which adding or changing them does not say it."""
    entries = [entry for entry in content if isinstance(entry, Entry)]
    results = await send([entry.item for entry in entries]) if entries else []
    told = list(zip(entries, results, strict=True))
    settled = [(entry, result) for entry, result in told if needs_status(entry, result)]
    answers = await send([status_item(entry) for entry, _ in settled]) if settled else []
    later = {entry.line: answer for (entry, _), answer in zip(settled, answers, strict=True)}
    faults = [entry for entry in content if isinstance(entry, Fault)]
    counts = {CREATED: 0, CHANGED: 0}
    for entry, result in told:
        refused = next((one for one in (result, later.get(entry.line, result)) if one["status"] not in counts), None)
        if refused is None:
            counts[result["status"]] += 1
        else:
            faults.append(Fault(entry.line, entry.name, words(refused.get("problem", {}))))
    return Progress(content[-1].line, None, counts[CREATED], counts[CHANGED], len(faults), sorted(faults))


def needs_status(entry: Entry, result: Item) -> bool:
    """What is added is active; what was there may be either."""
    if entry.status == "archived":
        return result["status"] in (CREATED, CHANGED)
    return entry.status == "active" and result["status"] == CHANGED


def status_item(entry: Entry) -> Item:
    """The change of status alone."""
    sku = entry.item["sku"] if "sku" in entry.item else entry.item["variants"][0]["sku"]
    return {"sku": sku, "status": entry.status}


def words(problem: Item) -> str:
    """What the shop answered, as a sentence or two."""
    parts = [f"{error['pointer'].removeprefix('#/')}: {error['detail']}" for error in problem.get("errors", [])]
    return " ".join([problem.get("detail", "The shop did not take it."), *parts])


def _sum(before: Progress, step: Progress) -> Progress:
    return Progress(
        step.done,
        before.total,
        before.added + step.added,
        before.changed + step.changed,
        before.failed + step.failed,
        step.faults,
    )
