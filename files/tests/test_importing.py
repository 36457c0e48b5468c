"""Batches: what is sent, what is counted, and that everything before a progress is done."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from shopfiles import importing
from shopfiles.importing import Progress, import_entries
from shopfiles.reading import Entry, Fault
from shopfiles.report import HEADING, report_lines


def entry(line: int, status: Any = None, description: str = "") -> Entry:
    price = {"amount": 100, "currency": "EUR"}
    item = {"name": "x", "sku": f"S-{line}", "price": price, "description": description}
    return Entry(line, f"S-{line}", item, status)


class Shop:
    """Knows SKUs and their status; answers as POST /products/batch does."""

    def __init__(self) -> None:
        self.status: dict[str, str] = {}
        self.calls: list[list[dict[str, Any]]] = []

    async def __call__(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.calls.append(items)
        await asyncio.sleep(0)
        return [self.place(item) for item in items]

    def place(self, item: dict[str, Any]) -> dict[str, Any]:
        sku = item["sku"]
        if sku == "S-13":
            errors = [{"pointer": "#/slug", "detail": "Not thirteen."}]
            return {"status": 422, "problem": {"detail": "Unlucky.", "errors": errors}}
        known = sku in self.status
        self.status[sku] = item.get("status", self.status.get(sku, "active"))
        return {"status": 200 if known else 201}


async def test_everything_is_sent_once_in_batches_and_counted() -> None:
    shop = Shop()
    given = [Fault(number, "bad", "Is bad.") if number % 10 == 0 else entry(number) for number in range(2, 1003)]
    steps = [step async for step in import_entries(given, shop, batch=100, total=1002)]
    assert [step.done for step in steps] == [*range(101, 1002, 100), 1002]
    assert steps[-1][:5] == (1002, 1002, 900, 0, 101)
    assert [fault.line for step in steps for fault in step.faults] == sorted([13, *range(10, 1003, 10)])
    sent = [item["sku"] for call in shop.calls for item in call]
    assert sent == [one.name for one in given if isinstance(one, Entry)]
    assert max(map(len, shop.calls)) <= 100


async def test_what_the_shop_refuses_is_told_by_line_in_its_words() -> None:
    [step] = [step async for step in import_entries([entry(13), entry(14)], Shop())]
    assert step == Progress(14, None, 1, 0, 1, [Fault(13, "S-13", "Unlucky. slug: Not thirteen.")])


async def test_a_status_is_sent_only_where_adding_or_changing_does_not_say_it() -> None:
    shop = Shop()
    given = [entry(1, "active"), entry(2, "archived"), entry(3), entry(13, "archived")]
    async for step in import_entries(given, shop):
        assert (step.added, step.changed, step.failed) == (3, 0, 1)
    assert shop.calls[1:] == [[{"sku": "S-2", "status": "archived"}]]
    assert shop.status == {"S-1": "active", "S-2": "archived", "S-3": "active"}
    again = [entry(1, "archived"), entry(2, "active"), entry(3)]
    async for step in import_entries(again, shop):
        assert (step.added, step.changed, step.failed) == (0, 3, 0)
    assert shop.status == {"S-1": "archived", "S-2": "active", "S-3": "active"}


async def test_a_batch_that_is_done_waits_to_be_told_until_those_before_it_are() -> None:
    first_may_end = asyncio.Event()
    ended: list[str] = []

    async def send(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        sku = items[0]["sku"]
        if sku == "S-1":
            await first_may_end.wait()
        ended.append(sku)
        if sku == "S-2":
            first_may_end.set()
        return [{"status": 201}]

    steps = [step.done async for step in import_entries([entry(1), entry(2), entry(3)], send, batch=1, at_once=2)]
    assert ended[:2] == ["S-2", "S-1"]
    assert steps == [1, 2, 3]


async def test_few_batches_are_under_way_and_the_file_is_read_no_further() -> None:
    read = under_way = most = 0
    sent = 0

    def entries() -> Iterator[Entry]:
        nonlocal read
        for number in range(1000):
            read = number
            yield entry(number)

    async def send(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal under_way, most, sent
        under_way += 1
        most = max(most, under_way)
        assert read <= sent + 10 * 4
        await asyncio.sleep(0)
        under_way -= 1
        sent += len(items)
        return [{"status": 201} for _ in items]

    async for _ in import_entries(entries(), send, batch=10, at_once=3):
        pass
    assert sent == 1000
    assert 1 <= most <= 3


async def test_a_failure_ends_it_and_what_was_told_before_is_done() -> None:
    shop = Shop()

    async def send(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if items[0]["sku"] == "S-5":
            raise ConnectionError
        return await shop(items)

    done = 0

    async def work() -> None:
        nonlocal done
        async for step in import_entries([entry(number) for number in range(1, 10)], send, batch=1):
            done = step.done

    with pytest.raises(ConnectionError):
        await work()
    assert 0 < done < 5
    assert {f"S-{number}" for number in range(1, done + 1)} <= set(shop.status)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_batch_is_bounded_by_its_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BYTES_MAX", 1000)
    shop = Shop()
    given = [
        entry(1, description="x" * 500),
        entry(2, description="x" * 500),
        entry(3, description="x" * 1001),
        entry(4),
    ]
    steps = [step async for step in import_entries(given, shop)]
    assert [[item["sku"] for item in call] for call in shop.calls] == [["S-1"], ["S-2", "S-4"]]
    assert steps[-1].faults == [Fault(3, "S-3", "The product is larger than one call takes.")]


async def test_nothing_makes_no_progress() -> None:
    assert [step async for step in import_entries([], Shop())] == []


def test_the_report_has_a_line_for_each_fault_and_no_spreadsheet_runs_it() -> None:
    faults = [Fault(2, "=cmd", 'The "price", is bad.'), Fault(3, "größe", "Two\nlines.")]
    assert HEADING + report_lines(faults) == (
        'line,name,problem\r\n2,\'=cmd,"The ""price"", is bad."\r\n3,größe,"Two\nlines."\r\n'
    )
