"""A client's connection: HTTP/1.1 by uvicorn and httptools, with bounds on heads, and a way past uvicorn's task."""

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from shopserver.answers import Application, RawHeaders, Whole

# How long a new connection may be without the whole head of a request.
HEAD_SECONDS = 10
# A connection this old ends with its next answer, a share of up to a third later: behind an address that stands for
# several replicas, who kept one for ever would never come to those that were added.
AGE_SECONDS, AGE_SPREAD = 5.0, 1 / 3
# With this header of an answer its connection ends by age another time: for who is better off at the same replica.
KEPT = (b"connection", b"keep-alive")
# As much of a head, or of what follows a body, is taken before it is whole.
HEAD_BYTES = 32 * 1024
# As much is parsed at once: of a whole read, 256 KiB of small requests, each would wait with thirty times its size.
SLICE_BYTES = 4096
# How soon it is looked again whether a client has read.
UNREAD_SECONDS = 0.05
# What tells how long a body is.
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
HEAD_CALLBACKS = ("on_message_begin", "on_url", "on_header", "on_headers_complete")


class Flow(FlowControl):
    """Reads on only where all that was read has been parsed, and no request of that waits for its turn."""

    def __init__(self, transport: Any, pipeline: deque[Any]) -> None:
        super().__init__(transport)
        self.unparsed, self._pipeline = deque[bytes](), pipeline

    def resume_reading(self) -> None:
        """See uvicorn."""
        if not self.unparsed and not self._pipeline:
            super().resume_reading()


class Shared(ServerState):
    """What the connections of a server share; `spread` gives a number from 0 to 1, another one each time."""

    def __init__(self, spread: Callable[[], float]) -> None:
        super().__init__()
        self.spread = spread
        self.is_draining = False


class Connection(HttpToolsProtocol):
    """One connection. What the application answers at once is written without a task."""

    flow: Flow
    server_state: Shared
    _unfinished = 0
    _will_parse = False
    # The request that has its turn, of several that came; and what is told after the answers to all of them.
    _turn: RequestResponseCycle | None = None
    _last_words: Whole | None = None

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        if self.client:
            # As who listens to both kinds of addresses sees one of IPv4.
            self.client = self.client[0].removeprefix("::ffff:"), self.client[1]
        self.timeout_keep_alive_task = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)
        self._old_at = self.loop.time() + AGE_SECONDS * (1 + AGE_SPREAD * self.server_state.spread())

    def is_idle(self) -> bool:
        """Whether no request waits for its answer, or part of it."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return is_answered and not self.pipeline and not self.flow.unparsed and not self.transport.is_closing()

    def is_amid_a_request(self) -> bool:
        """Whether a part of a request has come, or it was opened for one just now."""
        return self.cycle is None or self._unfinished > 0 or self.cycle.more_body

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if len(data) <= SLICE_BYTES and not self.flow.unparsed:
            self._parse(data)
            return
        self.flow.unparsed.extend(data[start : start + SLICE_BYTES] for start in range(0, len(data), SLICE_BYTES))
        self.flow.pause_reading()
        self._parse_on()

    def _parse_on(self) -> None:
        """Once others have had their turn, and nobody who came on this connection before waits for his."""
        if not self._will_parse and not self.pipeline:
            self._will_parse = True
            self.loop.call_soon(self._parse_slice)

    def _parse_slice(self) -> None:
        self._will_parse = False
        if self.flow.unparsed and not self.transport.is_closing():
            self._parse(self.flow.unparsed.popleft())
            self._parse_on()
        else:
            self.flow.resume_reading()

    def _parse(self, data: bytes) -> None:
        if self._last_words:
            return
        self._unfinished += len(data)
        try:
            while data:
                data = self._rest_after(data)
        except httptools.HttpParserError:
            self._end(400, "This is no request of HTTP/1.1.")
        if self._unfinished > HEAD_BYTES:
            self._end(413, f"The head of a request may have at most {HEAD_BYTES} bytes.")

    def _rest_after(self, data: bytes) -> bytes:
        """Parses `data`; what is left of it behind a head that asks for another protocol, which we know none of.

        httptools takes the rest, a body too, for that protocol, and then for the next request. So a new parser is told
        the length of the body, and goes on from there.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            is_told = False

            def once_told(callback: Callable[..., None]) -> Callable[..., None]:
                return lambda *given: callback(*given) if is_told else None

            heads = {name: once_told(getattr(self, name)) for name in HEAD_CALLBACKS}
            callbacks = SimpleNamespace(**heads, on_body=self.on_body, on_message_complete=self.on_message_complete)
            self.parser = httptools.HttpRequestParser(callbacks)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            framing = [b"%b: %b\r\n" % header for header in self.scope["headers"] if header[0] in FRAMING]
            self.parser.feed_data(b"".join((b"POST / HTTP/1.1\r\n", *framing, b"\r\n")))
            is_told = True
            return data[upgrade.args[0] :]
        return b""

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._unfinished = 0
        self._unset_keepalive_if_required()
        # Who was told that the connection ends is told nothing of what he sent behind that.
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        # Of a request that asks for another protocol it is told before its body has come.
        if not self.parser.should_upgrade():
            self.cycle.more_body = False
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        self._tell_last_words()
        if self.flow.unparsed:
            self._parse_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        # uvicorn tells only the last that came.
        self._leave(self._turn)
        self.pipeline.clear()
        self.flow.unparsed.clear()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._turn = cycle
        whole = cast("Application", app).at_once(cycle.scope)
        if whole is None:
            cycle.send = self._sender(cycle)  # type: ignore[method-assign]
            super()._start_asgi_task(cycle, app)
        elif whole.seconds or self.pipeline:
            self.loop.call_later(whole.seconds, self._give, cycle, whole)
        else:
            self._give(cycle, whole)

    def _sender(self, cycle: RequestResponseCycle) -> Any:
        """For an answer in one piece, one write; one in more, or without its length, is sent as uvicorn does."""
        inner = cycle.send
        head: Any = None

        async def send(message: Any) -> None:
            nonlocal head
            # A head that was not sent gives way to another, of a failure to go on.
            if message["type"] == "http.response.start" and not cycle.response_started:
                head = message
            elif cycle.response_started or message.get("more_body") or not _has_length(head):
                if not cycle.response_started:
                    cycle.keep_alive &= not self._is_to_end(cycle, head["headers"])
                    await inner(head)
                await inner(message)
            else:
                self._give(cycle, Whole(head["status"], head["headers"], message["body"]))
                # Else the cycle would hold itself, and wait for the garbage collector.
                del cycle.send

        return send

    def _give(self, cycle: RequestResponseCycle, whole: Whole) -> None:
        cycle.disconnected |= self.transport.is_closing()
        if cycle.disconnected:
            return
        if self.flow.write_paused:
            # Who asks on and on and reads no answer has to wait.
            self.loop.call_later(UNREAD_SECONDS, self._give, cycle, whole)
            return
        # Who waits to be asked for the body may send it or not.
        cycle.keep_alive &= not cycle.waiting_for_100_continue and not self._is_to_end(cycle, whole.headers)
        is_head = cycle.scope["method"] == "HEAD"
        self._write(whole._replace(body=b"") if is_head else whole, is_last=not cycle.keep_alive)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.on_response_complete()

    def _is_to_end(self, cycle: RequestResponseCycle, headers: RawHeaders) -> bool:
        """Whether this answer is the last, of an old connection or since the process is to stop."""
        if not self.server_state.is_draining and (self.loop.time() < self._old_at or KEPT in headers):
            return False
        # Who still sends his body could lose the answer; who has asked for more already gets that first.
        still_sends = cycle.more_body and any(name in FRAMING for name, _ in cycle.scope["headers"])
        return not (still_sends or self.pipeline or self.flow.unparsed)

    def _end(self, status: int, detail: str) -> None:
        if self.transport.is_closing():
            return
        if self.cycle and self.cycle.more_body:
            # It is the body of this one that cannot be read, and this is the answer to it.
            if self.pipeline:
                self.pipeline.popleft()
            elif self.cycle.response_started:
                self.transport.close()
                return
            self._leave(self.cycle)
        self._last_words = cast("Application", self.app).unreadable(status, detail)
        self._tell_last_words()

    def _tell_last_words(self) -> None:
        has_turn = self._turn is None or self._turn.response_complete or self._turn.disconnected
        if self._last_words and has_turn and not self.transport.is_closing():
            self._write(self._last_words, is_last=True)

    def _leave(self, cycle: RequestResponseCycle | None) -> None:
        if cycle and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def _write(self, whole: Whole, *, is_last: bool) -> None:
        headers = (*self.server_state.default_headers, *whole.headers)
        if is_last:
            headers = (*(header for header in headers if header != KEPT), (b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in headers]
        head = b"".join((STATUS_LINE[whole.status], *lines, b"\r\n"))
        if head.count(b"\n") != len(lines) + 2 or head.count(b"\r") != len(lines) + 2:
            # Whatever of a request has got into it, it makes no second answer of one.
            raise ValueError("A header has more than one line.")
        self.transport.write(head + whole.body)
        if is_last:
            self.transport.close()


def _has_length(head: Any) -> bool:
    return head["status"] in {204, 304} or any(name == b"content-length" for name, _ in head["headers"])
