"""The watch over the store: patient with one failure, prompt with two, and back by itself."""

import asyncio
import logging

import pytest

from shopkit.errors import Unavailable
from shopkit.watch import StoreWatch


class FakeStore:
    """A store that answers with what tests put into `failure`."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.calls: list[str] = []

    async def _do(self, call: str) -> None:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure

    async def prepare(self) -> None:
        await self._do("prepare")

    async def ping(self) -> None:
        await self._do("ping")

    async def close(self) -> None:
        self.calls.append("close")


def watch_over(store: FakeStore, seconds: float = 3600) -> StoreWatch:
    return StoreWatch(store, logging.getLogger("watched"), seconds)


DOWN = Unavailable("The disk is gone.")


async def test_a_store_that_is_there_is_prepared_before_the_service_starts() -> None:
    store = FakeStore()
    watch = watch_over(store)
    assert watch.check() == "not reached yet"
    async with watch:
        assert watch.check() == "ok"
    assert store.calls == ["prepare", "ping", "close"]


async def test_one_failure_is_tolerated_and_two_are_not() -> None:
    store = FakeStore()
    watch = watch_over(store)
    async with watch:
        store.failure = DOWN
        await watch._look()
        assert watch.check() == "ok"
        await watch._look()
        assert watch.check() == "The disk is gone."
        store.failure = None
        await watch._look()
        assert watch.check() == "ok"


async def test_failures_count_only_in_a_row() -> None:
    store = FakeStore()
    watch = watch_over(store)
    async with watch:
        for failure in (DOWN, None) * 3:
            store.failure = failure
            await watch._look()
            assert watch.check() == "ok"


async def test_a_store_that_is_down_at_the_start_is_prepared_once_when_it_comes() -> None:
    store = FakeStore(DOWN)
    watch = watch_over(store)
    async with watch:
        assert watch.check() == "The disk is gone."
        await watch._look()
        store.failure = None
        await watch._look()
        await watch._look()
        assert watch.check() == "ok"
    assert store.calls == ["prepare", "prepare", "prepare", "ping", "ping", "close"]


async def test_the_log_tells_each_fall_and_return_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "watched")
    store = FakeStore(DOWN)
    watch = watch_over(store)
    async with watch:
        for failure in (DOWN, DOWN, None, None, DOWN, DOWN, DOWN, None):
            store.failure = failure
            await watch._look()
    assert [record.getMessage() for record in caplog.records] == ["store down", "store ready"] * 2


async def test_a_store_that_cannot_be_used_tells_why_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore(KeyError("the secret"))
    watch = watch_over(store)
    async with watch:
        assert "secret" not in watch.check()
        assert watch.check() != "ok"
    assert "the secret" in caplog.text


async def test_each_time_a_store_cannot_be_used_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore()
    watch = watch_over(store)
    async with watch:
        for failure in (KeyError("a"), KeyError("a"), KeyError("a"), None, KeyError("a"), KeyError("a")):
            store.failure = failure
            await watch._look()
            assert (watch.check() == "ok") is (failure is None)
    assert [record.getMessage() for record in caplog.records] == ["store not usable"] * 2


async def test_it_goes_on_looking_by_itself_until_the_service_ends() -> None:
    store = FakeStore()
    async with watch_over(store, seconds=0.001):
        async with asyncio.timeout(10):
            while store.calls.count("ping") < 4:
                await asyncio.sleep(0.001)
    looked = len(store.calls)
    await asyncio.sleep(0.01)
    assert store.calls[-1] == "close"
    assert len(store.calls) == looked
