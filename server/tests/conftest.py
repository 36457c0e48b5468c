"""A tiny application, served in the event loop of the test; tests speak to it over sockets, byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from shopserver import running
from shopserver.answers import Whole


def whole(status: int, body: bytes, seconds: float = 0.0) -> Whole:
    return Whole(status, [(b"content-length", str(len(body)).encode())], body, seconds)


@dataclass
class App:
    """Answers /ready at once, /refused after `delay`, and what it is called with when its gate is open."""

    delay: float = 0.05
    asked: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    has_ended: bool = False
    is_draining: bool = False

    def at_once(self, scope: Any) -> Whole | None:
        self.asked.append(scope["path"])
        self.clients.append(scope["client"][0])
        if scope["path"].startswith("/ready"):
            return whole(200, b"ready" + scope["query_string"])
        return whole(503, b"full", self.delay) if scope["path"] == "/refused" else None

    def unreadable(self, status: int, detail: str) -> Whole:
        return whole(status, detail.encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        self.called.append(scope["path"])
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        if scope["path"] == "/slow":
            await self.gate.wait()
        if scope["path"] == "/pieces":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for piece in (b"one ", b"two ", b"three"):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        answer = b"x" * 20_000_000 if scope["path"] == "/large" else scope["path"].encode()
        if scope["path"] == "/until-left":
            self.left.append((await receive())["type"])
        if scope["path"] == "/broken":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            raise RuntimeError("broken")
        if scope["path"] == "/split":
            split = [(b"location", b"a\r\nset-cookie: b")]
            await send({"type": "http.response.start", "status": 204, "headers": split})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        head = [] if scope["path"] == "/long" else [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    async def _live(self, receive: Any, send: Any) -> None:
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        self.has_ended = True


@dataclass
class Line:
    """A client's end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *requests: str) -> None:
        """Each with the head it needs: "GET /path", or more lines of it."""
        for request in requests:
            head, _, rest = request.partition("\n")
            lines = [f"{head} HTTP/1.1", "Host: test", *filter(None, rest.split("\n"))]
            self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self.writer.drain()

    async def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers in lower case, body."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0)) if has_body else 0
        body = await self.reader.readexactly(length)
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
        return int(first.split()[1]), headers, body

    async def is_closed(self) -> bool:
        return await self.reader.read(1) == b""


Connect = Callable[[], AbstractAsyncContextManager[Line]]


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def host() -> str:
    return "127.0.0.1"


@pytest.fixture
async def connect(app: App, host: str) -> AsyncIterator[Connect]:
    """Opens connections to the served application, which listens on `host`."""
    sockets = running.listen(host, 0)
    address = ("127.0.0.1", sockets[0].getsockname()[1])
    server = running.server_of(app)
    serving = asyncio.create_task(server._serve(sockets))
    while not server.started:
        await asyncio.sleep(0.001)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Line]:
        line = Line(*await asyncio.open_connection(*address))
        try:
            async with asyncio.timeout(20):
                yield line
        finally:
            line.writer.close()

    yield opened
    app.gate.set()
    server.should_exit = True
    await serving
    assert app.has_ended
