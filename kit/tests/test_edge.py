"""What is true of every request, whatever its route: id, prefix, HEAD, deadline, overload, metrics, the log."""

import asyncio
import gc
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shopkit.service import Application

from .conftest import Shelf, Tiny
from .test_problems import assert_problem

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 64])
async def test_a_request_id_that_fits_is_kept(client: httpx.AsyncClient, given: str) -> None:
    assert (await client.get("/ping", headers={"X-Request-ID": given})).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a/b", "ä", "a\n", "<b>"])
async def test_any_other_request_id_is_made_anew(client: httpx.AsyncClient, given: str | None) -> None:
    headers = [] if given is None else [(b"X-Request-ID", given.encode().replace(b"\n", b"\t"))]
    answer = await client.get("/ping", headers=headers)
    assert UUID7.fullmatch(answer.headers["X-Request-ID"])


async def test_even_an_unknown_path_has_a_request_id(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere", headers={"X-Request-ID": "mine"})
    assert (answer.headers["X-Request-ID"], answer.json()["instance"]) == ("mine", "mine")


async def test_every_path_is_there_under_the_prefix(client: httpx.AsyncClient) -> None:
    for path in ("/", "/ping", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert (await client.get(f"/api/v1{path}")).status_code == 200, path
    assert (await client.get("/api/v1")).json()["name"] == "tinyservice"
    assert (await client.get("/api/v1/api/v1/ping")).status_code == 404


async def test_links_keep_the_prefix_the_caller_used(client: httpx.AsyncClient) -> None:
    assert (await client.post("/things", json={"name": "a"})).headers["Location"] == "/things/1"
    assert (await client.post("/api/v1/things", json={"name": "b"})).headers["Location"] == "/api/v1/things/2"
    assert (await client.get("/api/v1")).json()["links"]["docs"] == "/api/v1/docs"
    assert (await client.get("/")).json()["links"]["things"] == "/things"


@pytest.mark.parametrize("path", ["/ping", "/", "/healthz", "/openapi.json", "/docs", "/nowhere", "/me"])
async def test_head_answers_as_get_does_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    told = dict(head.headers) | {"x-request-id": "", "content-length": ""}
    assert told == dict(got.headers) | {"x-request-id": "", "content-length": ""}
    if path == "/ping":
        assert head.headers["Content-Length"] == str(len(got.content))


async def test_a_request_that_takes_too_long_is_told_so(client: httpx.AsyncClient) -> None:
    answer = await client.get("/wait", headers={"Request-Timeout-Ms": "20"})
    assert_problem(answer, 504, "deadline_exceeded")


async def test_the_service_has_a_longest_time_of_its_own(tiny: Tiny) -> None:
    async with tiny(request_timeout_ms=20) as client:
        assert (await client.get("/wait", headers={"Request-Timeout-Ms": "60000"})).status_code == 504
        assert (await client.get("/wait")).status_code == 504


@pytest.mark.parametrize("granted", ["", "soon", "-1", "1.5", "9" * 5000, "²"])
async def test_a_deadline_that_is_no_number_is_passed_over(client: httpx.AsyncClient, granted: str) -> None:
    answer = await client.get("/ping", headers=[(b"Request-Timeout-Ms", granted.encode())])
    assert answer.status_code == 200


async def test_under_overload_work_is_turned_away_and_probes_are_served(tiny: Tiny, shelf: Shelf) -> None:
    async with tiny(max_in_flight=1) as client:
        first = asyncio.create_task(client.get("/wait"))
        await shelf.entered.wait()
        for path in ("/ping", "/nowhere", "/docs", "/"):
            refused = await client.get(path)
            assert_problem(refused, 503, "unavailable")
            assert 1 <= int(refused.headers["Retry-After"]) <= 2
        for path in ("/healthz", "/readyz", "/api/v1/healthz", "/metrics"):
            assert (await client.get(path)).status_code == 200
        shed = 'http_requests_total{method="GET",route="<unmatched>",status="503"} 4.0'
        assert shed in (await client.get("/metrics")).text
        shelf.gate.set()
        assert (await first).status_code == 200
        assert (await client.get("/ping")).status_code == 200


async def test_places_are_given_back_however_a_request_ends(tiny: Tiny, shelf: Shelf) -> None:
    async with tiny(max_in_flight=1) as client:
        for path in ("/fail", "/nowhere", "/me", "/busy"):
            await client.get(path)
        await client.get("/wait", headers={"Request-Timeout-Ms": "1"})
        left = asyncio.create_task(client.get("/wait"))
        await shelf.entered.wait()
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        assert (await client.get("/ping")).status_code == 200
        assert "http_requests_in_flight 1.0" in (await client.get("/metrics")).text


async def test_a_body_over_the_limit_is_too_large(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/things", content=b" " * (64 * 1024 + 1), headers=headers)
    assert_problem(answer, 413, "too_large")
    short_of_it = b'{"name":"a"}'.ljust(64 * 1024)
    assert (await client.post("/things", content=short_of_it, headers=headers)).status_code == 201


async def test_a_body_over_the_limit_is_too_large_though_its_length_was_not_told(client: httpx.AsyncClient) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 1024

    answer = await client.post("/things", content=endless(), headers={"Content-Type": "application/json"})
    assert_problem(answer, 413, "too_large")


async def test_a_body_that_ends_too_early_is_no_failure_of_ours(
    make_app: Callable[..., Application], capsys: pytest.CaptureFixture[str]
) -> None:
    app = make_app()
    sent = []
    headers = [(b"content-type", b"application/json"), (b"content-length", b"20")]

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "method": "POST", "path": "/things", "raw_path": b"/things", "query_string": b""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "http_version": "1.1", "asgi": {"version": "3.0"}}
    await app.edge(scope, receive, send)
    line = logged(capsys)[-1]
    assert (line["level"], line["status"]) == ("info", 400)
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("path", ["/ping", "/nowhere", "/fail", "/busy"])
async def test_a_request_leaves_nothing_to_the_garbage_collector(
    make_app: Callable[..., Application], path: str
) -> None:
    app = make_app()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None:
        pass

    async def ask() -> None:
        scope: Any = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
        scope |= {"headers": [], "client": ("127.0.0.1", 1), "http_version": "1.1", "asgi": {"version": "3.0"}}
        await app.edge(scope, receive, send)

    await ask()
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            await ask()
        assert gc.collect() < 100
    finally:
        gc.enable()


async def test_each_request_leaves_one_line(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    async with tiny() as client:
        await client.get("/things/1?secret=1", headers={"X-Request-ID": "r-1"})
    (line,) = logged(capsys)
    assert line.pop("milliseconds") > 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "service": "tinyservice",
        "version": "1.2.3",
        "message": "request",
        "request_id": "r-1",
        "method": "GET",
        "route": "/things/{thing}",
        "status": 404,
        "code": "not_found",
    }


async def test_probes_are_not_logged_unless_asked(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    async with tiny() as client:
        for path in ("/healthz", "/readyz", "/metrics"):
            await client.get(path)
    assert logged(capsys) == []
    async with tiny(log_level="debug") as client:
        await client.get("/healthz")
    assert [line["route"] for line in logged(capsys)] == ["/healthz"]


async def test_a_surprise_is_logged_with_its_stack(
    tiny: Tiny, shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.failure = lambda: KeyError("the reason")
    async with tiny() as client:
        answer = await client.get("/fail")
    (line,) = logged(capsys)
    assert (line["level"], line["code"], line["request_id"]) == ("error", "internal", answer.json()["instance"])
    assert "KeyError: 'the reason'" in line["exception"]
    assert "conftest.py" in line["exception"]


async def test_an_expected_failure_is_logged_without_a_stack(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    async with tiny() as client:
        await client.get("/busy")
    (line,) = logged(capsys)
    assert (line["level"], line["status"], line["code"]) == ("info", 503, "unavailable")
    assert "exception" not in line


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        ((), "203.0.113.7", "127.0.0.1"),
        (("127.0.0.1/32",), "203.0.113.7", "203.0.113.7"),
        (("127.0.0.0/8",), "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (("127.0.0.0/8", "203.0.113.0/24"), "198.51.100.1, 203.0.113.7", "198.51.100.1"),
        (("10.0.0.0/8",), "203.0.113.7", "127.0.0.1"),
        (("127.0.0.5/8",), "203.0.113.7", "203.0.113.7"),
        (("127.0.0.1",), "", "127.0.0.1"),
    ],
)
async def test_only_proxies_we_trust_tell_a_clients_address(
    tiny: Tiny, proxies: tuple[str, ...], forwarded: str, address: str
) -> None:
    async with tiny(trusted_proxies=proxies) as client:
        answer = await client.get("/ping", headers={"X-Forwarded-For": forwarded})
        assert answer.headers["X-Address"] == address
