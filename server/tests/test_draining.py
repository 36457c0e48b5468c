"""Told to stop under load: nobody is failed, and nobody who stalls holds the end up."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import aiohttp
import pytest

from shopserver import connection, draining, running

from .conftest import App, Line

LINGER = 1
PROGRAM = """
import asyncio, json, logging, sys
from shopserver.running import serve

class Lines(logging.StreamHandler):
    def format(self, record):
        known = ("in_flight", "connections", "seconds", "abandoned", "reason", "linger_seconds")
        return json.dumps({"message": record.getMessage()} | {name: getattr(record, name, None) for name in known})

class App:
    is_draining = False
    def at_once(self, scope): return None
    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            print("closed", flush=True)
            return
        while (await receive()).get("more_body"):
            pass
        path = scope["path"]
        status = 503 if path == "/readyz" and self.is_draining else 200
        if path.startswith("/slow"):
            await asyncio.sleep(float(path[5:]))
        body = b"x" * (1_000_000 if path == "/large" else 2)
        await send({"type": "http.response.start", "status": status,
            "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

log = logging.getLogger("shopserver")
log.addHandler(Lines(sys.stdout))
log.setLevel("INFO")
serve(App(), "127.0.0.1", int(sys.argv[1]), int(sys.argv[2]))
"""


def begin(linger: int) -> "tuple[subprocess.Popen[str], int]":
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    command = [sys.executable, "-c", PROGRAM, str(port), str(linger)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return process, port
    raise AssertionError("The process does not listen.")


@pytest.fixture
def started() -> "Iterator[tuple[subprocess.Popen[str], int]]":
    process, port = begin(LINGER)
    with process:
        yield process, port
        process.kill()


def told(process: "subprocess.Popen[str]") -> tuple[float, list[dict[str, object]]]:
    """Seconds until it has ended well, and what it said."""
    began = time.monotonic()
    output, _ = process.communicate(timeout=30)
    seconds = time.monotonic() - began
    assert process.returncode == 0
    # What was held is let go of before the last word.
    first, closed, last = output.splitlines()
    assert closed == "closed"
    return seconds, [json.loads(first), json.loads(last)]


class Load:
    """Callers who ask on and on, and stop when the service says that it is not ready."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_ready = True
        self.answers = 0

    async def run(self, path: str, method: str, *, is_kept: bool) -> None:
        connector = aiohttp.TCPConnector(force_close=not is_kept)
        async with aiohttp.ClientSession(connector=connector) as session:
            while self.is_ready:
                async with session.request(method, self.url + path, data=b"{}") as answer:
                    assert answer.status == 200
                    assert await answer.read() == b"xx"
                    self.answers += 1

    async def watch(self) -> float:
        """When readiness failed, of the monotonic clock."""
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"{self.url}/readyz") as answer:
                    if answer.status == 503:
                        self.is_ready = False
                        return time.monotonic()
                await asyncio.sleep(0.02)


async def test_under_load_nobody_is_failed(started: "tuple[subprocess.Popen[str], int]") -> None:
    process, port = started
    load = Load(f"http://127.0.0.1:{port}")
    kinds = [("/fast", "GET", True), ("/fast", "POST", True), ("/slow0.05", "POST", True), ("/fast", "GET", False)]
    callers = [asyncio.create_task(load.run(path, way, is_kept=kept)) for path, way, kept in kinds * 4]
    watching = asyncio.create_task(load.watch())
    await asyncio.sleep(1)
    process.send_signal(signal.SIGTERM)
    stopped_at = time.monotonic()
    assert await watching - stopped_at < 0.5
    await asyncio.gather(*callers)
    # All is still served, health too, and each answer ends its connection.
    async with aiohttp.ClientSession() as session:
        for path in ("/healthz", "/metrics", "/fast", "/fast"):
            async with session.get(load.url + path) as answer:
                assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert load.answers > 100
    _, lines = await asyncio.to_thread(told, process)
    assert LINGER <= time.monotonic() - stopped_at < LINGER + 3
    assert [line["message"] for line in lines] == ["stopping", "stopped"]
    assert (lines[0]["linger_seconds"], lines[1]["abandoned"]) == (LINGER, None)


async def test_who_asks_on_an_old_connection_at_the_end_of_the_linger_is_answered(
    started: "tuple[subprocess.Popen[str], int]",
) -> None:
    process, port = started
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()

    async def ask_at(number: int) -> bytes:
        reader, writer = lines[number]
        await asyncio.sleep(began + LINGER - 0.1 + number * 0.002 - time.monotonic())
        writer.write(b"GET /fast HTTP/1.1\r\nHost: test\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    answers = await asyncio.gather(*(ask_at(number) for number in range(60)))
    assert all(answer.startswith(b"HTTP/1.1 200") and b"connection: close" in answer for answer in answers)
    await asyncio.to_thread(told, process)


@pytest.mark.parametrize("again", [False, True])
def test_who_stalls_is_given_up_in_time(again: bool) -> None:
    process, port = begin(5 if not again else 0)
    stalled = [socket.socket() for _ in range(110)]
    for each in stalled:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        each.connect(("127.0.0.1", port))
    for each in stalled[:100]:
        each.sendall(b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n" * 8)
    stalled[100].sendall(b"GET /fast HT")
    for each in stalled[101:105]:
        each.sendall(b"POST /fast HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nx")
    for each in stalled[105:]:
        each.sendall(b"GET /slow60 HTTP/1.1\r\nHost: test\r\n\r\n")
    time.sleep(2)
    with process:
        process.send_signal(signal.SIGTERM)
        if again:
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        seconds, (stopping, stopped) = told(process)
        process.kill()
    for each in stalled:
        each.close()
    assert seconds < (3 if again else 19)
    assert again or seconds > draining.GIVE_UP_SECONDS - 1
    assert int(str(stopping["in_flight"])) >= 109
    assert int(str(stopped["abandoned"])) >= 109
    assert stopped["reason"] == ("told to stop again" if again else "not finished 17 s after the word")


def test_the_times_leave_something_of_20_seconds() -> None:
    last = draining.LOOK_SECONDS * 2 + draining.CANCELLED_SECONDS + draining.CLOSING_SECONDS
    assert draining.GIVE_UP_SECONDS + last < 19


async def open_to(app: App, spread: float) -> tuple[draining.DrainingServer, "asyncio.Task[None]", int]:
    sockets = running.listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    server = running.server_of(app, spread=lambda: spread)
    serving = asyncio.create_task(server._serve(sockets))
    while not server.started:
        await asyncio.sleep(0.001)
    return server, serving, port


@pytest.mark.parametrize(("spread", "least"), [(0.0, 0.3), (1.0, 0.4)])
async def test_an_old_connection_ends_with_an_answer(
    app: App, monkeypatch: pytest.MonkeyPatch, spread: float, least: float
) -> None:
    monkeypatch.setattr(connection, "AGE_SECONDS", 0.3)
    server, serving, port = await open_to(app, spread)
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    began, headers = time.monotonic(), dict[str, str]()
    while "connection" not in headers:
        await line.send("GET /ready")
        headers = (await line.answer())[1]
        await asyncio.sleep(0.005)
    assert headers["connection"] == "close"
    assert least - 0.01 < time.monotonic() - began < least + 0.2
    assert await line.is_closed()
    line.writer.close()
    server.stop()
    await serving


async def test_who_still_sends_a_body_keeps_an_old_connection_for_one_more(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "AGE_SECONDS", 0.0)
    server, serving, port = await open_to(app, 0)
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    await line.send("POST /ready\nContent-Length: 5")
    assert "connection" not in (await line.answer())[1]
    line.writer.write(b"hello")
    await line.send("GET /ready")
    assert (await line.answer())[1]["connection"] == "close"
    line.writer.close()
    server.stop()
    await serving
