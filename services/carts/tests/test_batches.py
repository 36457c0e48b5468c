"""What waits goes out together, and each caller is told what became of their own."""

import asyncio
from collections.abc import Sequence

import pytest

from carts.stores.batches import BYTES_MAX, Batches
from shopkit import deadline
from shopkit.errors import RecordChanged, Unavailable


class Trips:
    """A round trip that the test lets end; an item above 100 is refused, 666 spoils its whole batch."""

    def __init__(self) -> None:
        self.made: list[list[int]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.batches: Batches[int, str] = Batches(self._work, 4, lambda _: None)

    async def _work(self, items: list[int]) -> Sequence[str | Exception]:
        self.made.append(items)
        await self.may_end.wait()
        if 503 in items:
            raise Unavailable("down")
        if 666 in items:
            raise ValueError("cannot even be sent")
        return [RecordChanged() if item > 100 else f"done {item}" for item in items]


@pytest.fixture
def trips() -> Trips:
    return Trips()


async def test_one_alone_goes_at_once_and_those_that_come_meanwhile_go_together(trips: Trips) -> None:
    trips.may_end.clear()
    calls = [asyncio.create_task(trips.batches.do(1))]
    while not trips.made:
        await asyncio.sleep(0)
    calls += [asyncio.create_task(trips.batches.do(n)) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    trips.may_end.set()
    assert await asyncio.gather(*calls) == ["done 1", "done 2", "done 3", "done 4"]
    assert trips.made == [[1], [2, 3, 4]]


async def test_a_batch_is_bounded_in_count_and_in_bytes(trips: Trips) -> None:
    await asyncio.gather(*(trips.batches.do(n) for n in range(9)))
    assert trips.made == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    trips.made.clear()
    sizes = {0: BYTES_MAX // 2, 1: BYTES_MAX // 2, 2: 1, 3: BYTES_MAX * 2, 4: 1}
    await asyncio.gather(*(trips.batches.do(n, size) for n, size in sizes.items()))
    assert trips.made == [[0, 1], [2], [3], [4]]


async def test_each_is_told_its_own_outcome(trips: Trips) -> None:
    outcomes = await asyncio.gather(*(trips.batches.do(n) for n in (1, 101, 2)), return_exceptions=True)
    assert [str(outcome) or type(outcome) for outcome in outcomes] == ["done 1", RecordChanged, "done 2"]


async def test_one_that_spoils_its_batch_fails_alone(trips: Trips) -> None:
    outcomes = await asyncio.gather(*(trips.batches.do(n) for n in (1, 666, 2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, ValueError, str]


async def test_what_is_down_is_down_for_each_and_is_not_asked_once_more(trips: Trips) -> None:
    outcomes = await asyncio.gather(*(trips.batches.do(n) for n in (1, 503, 2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert len(set(map(id, outcomes))) == 3
    assert len(trips.made) == 1
    assert await trips.batches.do(3) == "done 3"


async def test_a_caller_who_leaves_takes_no_other_along(trips: Trips) -> None:
    trips.may_end.clear()
    at_work = [asyncio.create_task(trips.batches.do(n)) for n in (1, 2)]
    while not trips.made:
        await asyncio.sleep(0)
    waiting = [asyncio.create_task(trips.batches.do(n)) for n in (3, 4)]
    await asyncio.sleep(0)
    at_work[0].cancel()
    waiting[0].cancel()
    await asyncio.sleep(0)
    trips.may_end.set()
    outcomes = await asyncio.gather(*at_work, *waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, str, asyncio.CancelledError, str]
    assert trips.made == [[1, 2], [4]]


async def test_each_caller_waits_for_its_own_deadline(trips: Trips) -> None:
    trips.may_end.clear()

    async def hurried(item: int) -> str:
        deadline.start(0.05)
        return await trips.batches.do(item)

    first, second = asyncio.create_task(hurried(1)), asyncio.create_task(trips.batches.do(2))
    with pytest.raises(Unavailable):
        await first
    trips.may_end.set()
    assert await second == "done 2"


async def test_closing_finishes_what_waits(trips: Trips) -> None:
    calls = [asyncio.create_task(trips.batches.do(n)) for n in range(6)]
    await asyncio.sleep(0)
    await trips.batches.close()
    assert trips.made == [[0, 1, 2, 3], [4, 5]]
    assert await asyncio.gather(*calls) == [f"done {n}" for n in range(6)]
