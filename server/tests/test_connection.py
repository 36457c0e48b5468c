"""Connections: what is answered at once, in which order, and what clients cannot do to us."""

import asyncio
import gc
import socket

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from shopserver import connection

from .conftest import App, Connect


async def test_what_is_answered_at_once_is_never_called(app: App, connect: Connect) -> None:
    async with connect() as line:
        for number in range(3):
            await line.send(f"GET /ready?{number}")
            status, headers, body = await line.answer()
            assert (status, body) == (200, b"ready%d" % number)
            assert "date" in headers
            assert "connection" not in headers
    assert app.called == []


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6 here")
@pytest.mark.parametrize("host", ["::"])
async def test_who_listens_to_all_addresses_sees_clients_of_ipv4_by_theirs(app: App, connect: Connect) -> None:
    async with connect() as line:
        await line.send("GET /ready")
        assert (await line.answer())[0] == 200
    assert app.clients == ["127.0.0.1"]


async def test_all_else_is_called_with_its_body(app: App, connect: Connect) -> None:
    async with connect() as line:
        await line.send("POST /echo\nContent-Length: 5")
        line.writer.write(b"hello")
        assert (await line.answer())[2] == b"/echo"
    assert app.bodies == [b"hello"]


@pytest.mark.parametrize(("path", "length"), [("/ready", "5"), ("/called", "7")])
async def test_head_tells_the_length_and_sends_no_body(connect: Connect, path: str, length: str) -> None:
    async with connect() as line:
        await line.send(f"HEAD {path}", "GET /ready")
        status, headers, _ = await line.answer(has_body=False)
        assert (status, headers["content-length"]) == (200, length)
        assert (await line.answer())[2] == b"ready"


async def test_answers_come_in_the_order_of_the_requests(app: App, connect: Connect) -> None:
    async with connect() as line:
        await line.send("GET /slow", "GET /ready?a", "GET /refused", "GET /called", "GET /ready?b")
        await asyncio.sleep(0.05)
        assert app.called == ["/slow"]
        app.gate.set()
        assert [(await line.answer())[2] for _ in range(5)] == [b"/slow", b"readya", b"full", b"/called", b"readyb"]


async def test_thousands_of_requests_that_waited_for_one_are_answered(app: App, connect: Connect) -> None:
    async with connect() as line:
        await line.send("GET /slow", *["GET /ready"] * 3000)
        await asyncio.sleep(0.05)
        app.gate.set()
        await line.answer()
        for _ in range(3000):
            assert (await line.answer())[2] == b"ready"


async def test_of_many_requests_at_once_few_are_held(app: App, connect: Connect) -> None:
    async with connect() as line:
        sending = asyncio.create_task(_flood(line.writer, b"GET /slow HTTP/1.1\r\n\r\n" * 500, 10))
        for _ in range(20):
            await asyncio.sleep(0.02)
            app.gate.set()
            app.gate.clear()
        # Not isinstance, which asks what a weak reference refers to.
        held = sum(type(each) is RequestResponseCycle for each in gc.get_objects())
        assert 1 < held < 400
        app.gate.set()
        for _ in range(5000):
            assert (await line.answer())[2] == b"/slow"
        await sending


async def test_a_large_body_comes_whole_with_what_is_behind_it(app: App, connect: Connect) -> None:
    async with connect() as line:
        body = b"0123456789" * 100_000
        for path in ("/echo", "/ready", "/refused", "/echo"):
            line.writer.write(f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        assert [(await line.answer())[2] for _ in range(4)] == [b"/echo", b"ready", b"full", b"/echo"]
    assert app.bodies == [body, body]


async def test_a_refusal_comes_when_it_is_due_and_the_connection_goes_on(app: App, connect: Connect) -> None:
    async with connect() as line:
        began = asyncio.get_running_loop().time()
        await line.send("POST /refused\nContent-Length: 5")
        line.writer.write(b"hello")
        assert (await line.answer())[0] == 503
        assert asyncio.get_running_loop().time() - began >= app.delay
        await line.send("GET /called")
        assert (await line.answer())[2] == b"/called"
    assert app.called == ["/called"]


async def test_who_waits_to_be_asked_for_a_body_and_is_refused_starts_anew(connect: Connect) -> None:
    async with connect() as line:
        await line.send("POST /refused\nContent-Length: 5\nExpect: 100-continue")
        status, headers, _ = await line.answer()
        assert (status, headers["connection"]) == (503, "close")
        assert await line.is_closed()


async def test_who_leaves_before_a_refusal_is_due_breaks_nothing(app: App, connect: Connect) -> None:
    async with connect() as line:
        await line.send("GET /refused")
    await asyncio.sleep(app.delay * 2)
    async with connect() as line:
        await line.send("GET /ready")
        assert (await line.answer())[0] == 200


@pytest.mark.parametrize(("path", "expected"), [("/pieces", b"one two three"), ("/long", b"/long")])
async def test_an_answer_in_pieces_or_without_a_length_is_chunked(connect: Connect, path: str, expected: bytes) -> None:
    async with connect() as line:
        await line.send(f"GET {path}")
        status, headers, body = await line.answer()
        assert (status, headers["transfer-encoding"], body) == (200, "chunked", expected)
        await line.send("GET /ready")
        assert (await line.answer())[2] == b"ready"


@pytest.mark.parametrize("path", ["/ready", "/called"])
async def test_a_connection_ends_when_the_client_wants_it(connect: Connect, path: str) -> None:
    async with connect() as line:
        await line.send(f"GET {path}\nConnection: close")
        assert (await line.answer())[1]["connection"] == "close"
        assert await line.is_closed()
    async with connect() as line:
        line.writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        assert (await line.answer())[0] == 200
        assert await line.is_closed()


@pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
async def test_an_upgrade_is_answered_as_if_it_were_not_there(connect: Connect, upgrade: str) -> None:
    async with connect() as line:
        await line.send(f"GET /called\nConnection: Upgrade\nUpgrade: {upgrade}")
        assert (await line.answer())[::2] == (200, b"/called")
        await line.send("GET /ready")
        assert (await line.answer())[2] == b"ready"


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    "framed", ["Content-Length: 33\r\n\r\n%s", "Transfer-Encoding: chunked\r\n\r\n21\r\n%s\r\n0\r\n\r\n"]
)
async def test_the_body_of_a_request_for_an_upgrade_is_no_request(
    app: App, connect: Connect, framed: str, later: bool
) -> None:
    body = "GET /called HTTP/1.1\r\nHost: a\r\n\r\n"
    head, _, rest = f"POST /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n{framed % body}".partition(
        "\r\n\r\n"
    )
    async with connect() as line:
        line.writer.write(f"{head}\r\n\r\n".encode())
        await asyncio.sleep(0.05 * later)
        line.writer.write(rest.encode())
        await line.send("GET /ready")
        assert [(await line.answer())[2] for _ in range(2)] == [b"/echo", b"ready"]
    assert app.bodies == [body.encode()]


async def test_what_comes_behind_a_request_for_an_upgrade_is_answered(connect: Connect) -> None:
    upgrade = "Connection: Upgrade\nUpgrade: websocket"
    async with connect() as line:
        await line.send(*[f"GET /ready?{number}\n{upgrade}" for number in range(500)], "GET /ready?end")
        for number in range(500):
            assert (await line.answer())[2] == b"ready%d" % number
        assert (await line.answer())[2] == b"readyend"


NONSENSE = [b"hello\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
TWO_LENGTHS = b"POST /called HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("sent", [*NONSENSE, TWO_LENGTHS], ids=repr)
async def test_nonsense_is_told_so_and_ends_the_connection(app: App, connect: Connect, sent: bytes) -> None:
    async with connect() as line:
        line.writer.write(sent)
        status, headers, _ = await line.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert await line.is_closed()
    assert app.called == []


async def test_nonsense_takes_the_place_of_no_other_answer(app: App, connect: Connect) -> None:
    async with connect() as line:
        await line.send("POST /slow", "GET /called")
        line.writer.write(b"hello\r\n\r\nGET /late HTTP/1.1\r\n\r\n")
        await asyncio.sleep(0.05)
        app.gate.set()
        assert [(await line.answer())[0] for _ in range(3)] == [200, 200, 400]
        assert await line.is_closed()
    assert app.called == ["/slow", "/called"]


@pytest.mark.parametrize("before", [["GET /slow"], []], ids=["waits", "at once"])
async def test_who_sends_a_body_that_cannot_be_read_is_told_so_in_his_turn(
    app: App, connect: Connect, before: list[str]
) -> None:
    async with connect() as line:
        await line.send(*before, "POST /called\nTransfer-Encoding: chunked")
        line.writer.write(b"nonsense\r\n")
        await asyncio.sleep(0.05)
        app.gate.set()
        assert [(await line.answer())[0] for _ in range(len(before) + 1)] == [200] * len(before) + [400]
        assert await line.is_closed()
    assert len(app.bodies) == len(before)


async def test_what_is_sent_behind_the_last_request_is_not_done(app: App, connect: Connect) -> None:
    async with connect() as line:
        head = b"POST /ready HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        line.writer.write(head + b"aGET /called HTTP/1.1\r\n\r\n")
        assert (await line.answer())[2] == b"ready"
        assert await line.is_closed()
    await asyncio.sleep(0.05)
    assert app.asked == ["/ready"]


async def test_a_request_is_told_that_its_client_left_though_others_wait_behind_it(app: App, connect: Connect) -> None:
    async with connect() as line:
        await line.send("GET /large", "GET /until-left", "GET /called")
        await line.reader.readexactly(1)
    await asyncio.sleep(0.2)
    assert app.left == ["http.disconnect"]
    assert app.called == ["/large", "/until-left"]


@pytest.mark.parametrize("path", ["/broken", "/split"])
async def test_a_failure_after_a_head_that_was_not_sent_yet_is_told(connect: Connect, path: str) -> None:
    async with connect() as line:
        await line.send(f"GET {path}")
        status, headers, _ = await line.answer()
        assert status == 500
        assert not {"location", "set-cookie"} & headers.keys()


CHUNKED = b"POST /called HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        (b"GET /ready HTTP/1.1\r\n", b"X-Long: " + b"x" * 100 + b"\r\n"),
        (b"GET /ready", b"x" * 100),
        (
            b"POST /called HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
            b"X-Late: " + b"x" * 100 + b"\r\n",
        ),
    ],
    ids=["headers", "path", "trailers"],
)
async def test_a_head_without_end_is_too_large(app: App, connect: Connect, start: bytes, rest: bytes) -> None:
    async with connect() as line:
        line.writer.write(start)
        await asyncio.sleep(0.05)
        for _ in range(connection.HEAD_BYTES // len(rest) + 2):
            line.writer.write(rest)
            await asyncio.sleep(0)
        status, headers, _ = await line.answer()
        assert (status, headers["connection"]) == (413, "close")
    assert app.bodies == []


async def test_a_head_that_comes_in_drops_does_not_hold_a_connection(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    async with connect() as line:

        async def drip() -> None:
            for letter in b"GET /ready HTTP/1.1\r\nX: " + b"x" * 1000:
                line.writer.write(bytes([letter]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert await line.is_closed()
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_who_reads_no_answer_is_asked_for_no_more(app: App, connect: Connect) -> None:
    async with connect() as line:
        request = b"GET /ready?" + b"x" * 4000 + b" HTTP/1.1\r\n\r\n"
        # More than the kernel keeps for both of us.
        sending = asyncio.create_task(_flood(line.writer, request * 10, 2000))
        count = -1
        while count != len(app.asked):
            count = len(app.asked)
            await asyncio.sleep(0.3)
        assert 0 < count < 15_000
        # Who begins to read gets all.
        for _ in range(count):
            await line.answer()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _flood(writer: asyncio.StreamWriter, chunk: bytes, times: int) -> None:
    for _ in range(times):
        writer.write(chunk)
        await writer.drain()
