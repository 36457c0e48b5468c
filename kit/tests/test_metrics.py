"""What Prometheus is told: every answer once, under its route, and nothing that callers make up."""

import asyncio

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shopkit.metrics import Metrics

from .conftest import Shelf, Tiny


def count(metrics: Metrics, method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return metrics.registry.get_sample_value("http_requests_total", labels) or 0


def series(metrics: Metrics) -> int:
    return sum(len(family.samples) for family in metrics.registry.collect())


async def test_every_answer_is_counted_under_its_route(tiny: Tiny, shelf: Shelf, metrics: Metrics) -> None:
    async with tiny(max_in_flight=1) as client:
        await client.get("/ping")
        await client.head("/ping")
        await client.get("/api/v1/things/1")
        await client.get("/things/2")
        await client.get("/nowhere")
        await client.put("/ping")
        await client.post("/things", content=b" " * 100_000, headers={"Content-Type": "application/json"})
        await client.get("/fail")
        await client.get("/busy")
        await client.get("/wait", headers={"Request-Timeout-Ms": "10"})
        shelf.entered.clear()
        first = asyncio.create_task(client.get("/wait"))
        await shelf.entered.wait()
        await client.get("/ping")
        shelf.gate.set()
        await first
    assert count(metrics, "GET", "/ping", 200) == 1
    assert count(metrics, "HEAD", "/ping", 200) == 1
    assert count(metrics, "GET", "/things/{thing}", 404) == 2
    assert count(metrics, "GET", "<unmatched>", 404) == 1
    assert count(metrics, "PUT", "/ping", 405) + count(metrics, "PUT", "<unmatched>", 405) == 1
    assert count(metrics, "POST", "/things", 413) == 1
    assert count(metrics, "GET", "/fail", 500) == 1
    assert count(metrics, "GET", "/busy", 503) == 1
    assert count(metrics, "GET", "/wait", 504) == 1
    assert count(metrics, "GET", "/wait", 200) == 1
    assert count(metrics, "GET", "<unmatched>", 503) == 1
    assert metrics.registry.get_sample_value("http_requests_in_flight") == 0


async def test_a_thousand_made_up_paths_and_methods_add_no_series(client: httpx.AsyncClient, metrics: Metrics) -> None:
    async def made_up(number: int) -> None:
        await client.get(f"/made/up/{number}")
        await client.get(f"/things/{number}")
        await client.get(f"/docs/{number}")
        await client.request(f"MADEUP{number}", "/ping")
        await client.request(f"MADEUP{number}", f"/{number}")
        await client.get(f"/things?limit={number + 101}")

    await made_up(0)
    before = series(metrics)
    for number in range(1, 1000 // 6 + 1):
        await made_up(number)
    assert series(metrics) == before


async def test_requests_at_work_are_told(client: httpx.AsyncClient, shelf: Shelf, metrics: Metrics) -> None:
    waiting = [asyncio.create_task(client.get("/wait")) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert metrics.registry.get_sample_value("http_requests_in_flight") == 3
    shelf.gate.set()
    await asyncio.gather(*waiting)
    assert metrics.registry.get_sample_value("http_requests_in_flight") == 0


async def test_durations_are_told_in_seconds(client: httpx.AsyncClient, metrics: Metrics) -> None:
    await client.get("/wait", headers={"Request-Timeout-Ms": "30"})
    labels = {"method": "GET", "route": "/wait", "status": "504"}
    seconds = metrics.registry.get_sample_value("http_request_duration_seconds_sum", labels)
    assert seconds is not None
    assert 0.02 < seconds < 5
    assert metrics.registry.get_sample_value("http_request_duration_seconds_count", labels) == 1


async def test_the_page_is_text_that_prometheus_reads(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert {"http_requests", "http_requests_in_flight", "process_resident_memory_bytes"} <= set(families)
    (build,) = families["build_info"].samples
    assert (build.labels, build.value) == ({"service": "tinyservice", "version": "1.2.3"}, 1)


async def test_two_services_in_one_process_count_apart(tiny: Tiny) -> None:
    assert series(Metrics("one", "1")) == series(Metrics("two", "1"))


def test_calls_to_the_store_are_timed_with_their_outcome(metrics: Metrics) -> None:
    with metrics.store_call("get"):
        pass
    with pytest.raises(KeyError), metrics.store_call("get"):
        raise KeyError
    with pytest.raises(asyncio.CancelledError), metrics.store_call("get"):
        raise asyncio.CancelledError
    told = [
        metrics.registry.get_sample_value("store_call_duration_seconds_count", {"operation": "get", "outcome": outcome})
        for outcome in ("ok", "error")
    ]
    assert told == [1, 2]


def test_counters_and_histograms_of_a_service_stand_beside_the_kits(metrics: Metrics) -> None:
    metrics.counter("things_made", "Things made", "kind").labels("big").inc()
    metrics.histogram("thing_size", "Size of things", (1, 10)).observe(5)
    assert metrics.registry.get_sample_value("things_made_total", {"kind": "big"}) == 1
    assert metrics.registry.get_sample_value("thing_size_bucket", {"le": "10.0"}) == 1
