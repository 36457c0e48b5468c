"""The read view after crashes: killed at any moment, a restart answers with what the store holds."""

import asyncio
import random
from pathlib import Path

import httpx

from products.view.home import current
from shopdev.clients import Process
from shopdev.people import People

from .conftest import Watch, body
from .views import assert_same, break_position, eventually, fill, has_total, indexes, running, service, staff_at

ROUNDS, LANES = 6, 4


class Writer:
    """Changes products in every way, and remembers what was acknowledged."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.versions: dict[str, int] = {}
        self.made = 0

    async def write(self, client: httpx.AsyncClient, lane: int) -> None:
        """Until the service is gone. Lanes change products of their own: what they know stays the newest."""
        own = [sku for sku in self.versions if sku.startswith(f"{lane}-")]
        while True:
            self.made += 1
            kind = self.source.choice(["add", "patch", "archive", "stock", "batch"] if own else ["add"])
            sku = f"{lane}-{self.made}" if kind == "add" else self.source.choice(own)
            answer = await self._call(client, kind, sku)
            assert answer.status_code in (200, 201, 204), answer.text
            if kind in ("add", "patch"):
                self.versions[sku] = answer.json()["version"]
            else:
                self.versions[sku] += 1
            if kind == "add":
                own.append(sku)

    async def reaches(self, made: int) -> None:
        """Returns when so many changes were begun."""
        while self.made < made:
            await asyncio.sleep(0.001)

    async def _call(self, client: httpx.AsyncClient, kind: str, sku: str) -> httpx.Response:
        change = {"description": f"Change {self.made}", "status": "active"}
        match kind:
            case "add":
                return await client.post("/products", json=body(sku, f"Thing {sku}", slug=f"thing-{sku}", stock=5))
            case "patch":
                return await client.patch(f"/products/thing-{sku}", json=change)
            case "stock":
                return await client.post("/stock", json={"changes": [{"sku": sku, "delta": 1}]})
            case "batch":
                return await client.post("/products/batch", json={"items": [{"sku": sku, "tags": [f"t{self.made}"]}]})
        # What is archived already is not changed again.
        await client.patch(f"/products/thing-{sku}", json=change)
        self.versions[sku] += 1
        return await client.delete(f"/products/thing-{sku}")


async def assert_all_read(client: httpx.AsyncClient, versions: dict[str, int]) -> None:
    """Nothing that was acknowledged is missing; what was on its way when the service died may be there or not."""
    for start in range(0, len(versions), 100):
        skus = list(versions)[start : start + 100]
        answer = (await client.get("/products", params={"sku": skus})).json()
        assert answer["missing"] == []
        for sku, item in zip(skus, answer["items"], strict=True):
            assert versions[sku] <= item["version"] <= versions[sku] + 2, sku
            versions[sku] = item["version"]


async def test_killed_at_any_moment_of_writing_it_comes_back_with_what_the_store_holds(
    store_url: str, people: People, tmp_path: Path
) -> None:
    writer = Writer(20)
    home = tmp_path / "view"
    for number in range(ROUNDS):
        started = await service(store_url, home, people).start()
        async with staff_at(started, people) as client:
            await assert_all_read(client, writer.versions)
            await assert_same(store_url, home)
            assert len(indexes(home)) == 1
            if number < ROUNDS - 1:
                lanes = [asyncio.create_task(writer.write(client, lane)) for lane in range(LANES)]
                await writer.reaches(writer.made + writer.source.randint(10, 60))
                await asyncio.sleep(writer.source.uniform(0, 0.02))
                started.kill()
                outcomes = await asyncio.gather(*lanes, return_exceptions=True)
                assert all(isinstance(outcome, httpx.TransportError) for outcome in outcomes), outcomes
        started.kill()
    assert len(writer.versions) > LANES * 2


async def begun(started: Process) -> asyncio.Task[Process]:
    """The service on its way, without waiting until it is ready."""
    return asyncio.create_task(started.start())


async def killed_within_building(store_url: str, home: Path, people: People, seconds: float, known: set[str]) -> None:
    """Kills a service so long after it began to build another index."""
    started = service(store_url, home, people)
    starting = await begun(started)

    async def builds() -> bool:
        return home.exists() and bool(indexes(home) - known)

    try:
        assert await eventually(builds)
        await asyncio.sleep(seconds)
    finally:
        started.kill()
    await asyncio.gather(starting, return_exceptions=True)


async def test_killed_within_its_first_fill_it_begins_anew_and_leaves_nothing_behind(
    store_url: str, people: People, watch: Watch, tmp_path: Path
) -> None:
    await fill(store_url, 4000, watch)
    home = tmp_path / "view"
    known: set[str] = set()
    for seconds in (0.0, 0.1, 0.3):
        # On a quick machine it may be done before it is killed, and then nothing is begun anew.
        if current(home) is not None:
            break
        await killed_within_building(store_url, home, people, seconds, known)
        known = indexes(home)
        assert current(home) is None or seconds > 0
    async with running(store_url, home, people) as client:
        assert await eventually(lambda: has_total(client, 4000))
        await assert_same(store_url, home)
    assert len(indexes(home)) == 1


async def test_killed_within_a_rebuild_it_builds_again_and_leaves_nothing_behind(
    sqlite_url: str, people: People, watch: Watch, tmp_path: Path
) -> None:
    await fill(sqlite_url, 4000, watch)
    home = tmp_path / "view"
    async with running(sqlite_url, home, people) as client:
        assert await eventually(lambda: has_total(client, 4000))
    for seconds in (0.1, 0.4):
        await break_position(home)
        await killed_within_building(sqlite_url, home, people, seconds, indexes(home))
    async with running(sqlite_url, home, people) as client:
        assert await eventually(lambda: has_total(client, 4000))
        await assert_same(sqlite_url, home)
    assert len(indexes(home)) == 1


async def test_a_restart_with_an_index_needs_no_scan(
    sqlite_url: str, people: People, watch: Watch, tmp_path: Path
) -> None:
    await fill(sqlite_url, 2000, watch)
    home = tmp_path / "view"
    async with running(sqlite_url, home, people) as client:
        assert await eventually(lambda: has_total(client, 2000))
    kept = indexes(home)
    async with running(sqlite_url, home, people) as client:
        assert await has_total(client, 2000)
        assert "view_rebuilds_total{" not in (await client.get("/metrics")).text
    assert indexes(home) == kept
