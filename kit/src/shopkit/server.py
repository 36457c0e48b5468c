"""Runs a service: one process, one event loop, HTTP/1.1 by uvicorn. Why so: docs/decisions/0015-server.md."""

import signal
import socket
import sys
from io import TextIOWrapper
from typing import Any, cast

import httptools
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from shopkit import errors, problems, requests, values
from shopkit.edge import Edge, Whole
from shopkit.service import Application
from shopkit.settings import ServiceSettings, fail

# How long requests at work may take to finish once the service is told to stop.
DRAIN_SECONDS = 20
# How long a connection may be without the whole head of a request: a new one, and one that has had an answer.
HEAD_SECONDS, IDLE_SECONDS = 10, 75
# As much of a head, or of what follows a body, is taken before it is whole.
HEAD_BYTES = 32 * 1024
UNREAD_SECONDS = 0.05
# Connections that wait to be accepted (Linux holds no more than net.core.somaxconn), and how many are so in a turn of
# the event loop: libuv accepts but one from each socket, and probes would wait behind all others.
BACKLOG, ACCEPTED_AT_ONCE = 4096, 32


class Connection(HttpToolsProtocol):
    """A client's connection. What the edge answers at once is written without a task."""

    _unfinished = 0

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._unfinished += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # To no protocol that we know: it is answered in this one.
            pass
        except httptools.HttpParserError:
            self._refuse(errors.BrokenRequest("This is no request of HTTP/1.1."))
        if self._unfinished > HEAD_BYTES:
            self._refuse(errors.TooLarge(f"The head of a request may have {HEAD_BYTES} bytes."))

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._unfinished = 0
        self._unset_keepalive_if_required()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._unfinished = 0
        super().on_body(body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        whole = cast("Edge", app).at_once(cycle.scope)
        if whole is None:
            cycle.send = self._sender(cycle)  # type: ignore[method-assign]
            super()._start_asgi_task(cycle, app)
        elif whole.seconds or self.pipeline:
            self.loop.call_later(whole.seconds, self._give, cycle, whole)
        else:
            self._give(cycle, whole)

    def _sender(self, cycle: RequestResponseCycle) -> Any:
        """Writes an answer in one piece at once; what comes in more, or without its length, as uvicorn does."""
        inner = cycle.send
        head: Any = None

        async def send(message: Any) -> None:
            nonlocal head
            if head is None:
                head = message
            elif cycle.response_started or message.get("more_body") or not _has_length(head):
                if not cycle.response_started:
                    await inner(head)
                await inner(message)
            else:
                self._give(cycle, Whole(head["status"], head["headers"], message["body"]))
                # Else the cycle would hold itself, and wait for the garbage collector.
                del cycle.send

        return send

    def _give(self, cycle: RequestResponseCycle, whole: Whole) -> None:
        if cycle.disconnected:
            return
        if self.flow.write_paused:
            # Who asks on and on and reads no answer has to wait.
            self.loop.call_later(UNREAD_SECONDS, self._give, cycle, whole)
            return
        # Who waits to be asked for the body may send it or not.
        cycle.keep_alive &= not cycle.waiting_for_100_continue
        body = b"" if cycle.scope["method"] == "HEAD" else whole.body
        self._write(whole.status, whole.headers, body, is_last=not cycle.keep_alive)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.on_response_complete()

    def _refuse(self, error: errors.ShopError) -> None:
        if not self.transport.is_closing():
            request_id = values.new_id()
            headers, body = problems.write(error, {"state": {"request_id": request_id}})
            raw = [(name.encode(), value.encode()) for name, value in {**headers, "x-request-id": request_id}.items()]
            status = problems.status_of(type(error))
            self._write(status, requests.with_length(status, raw, body), body, is_last=True)

    def _write(self, status: int, headers: requests.RawHeaders, body: bytes, *, is_last: bool) -> None:
        lines = [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *headers)]
        lines += [b"connection: close\r\n"] if is_last else []
        self.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", body)))
        if is_last:
            self.transport.close()


def _has_length(head: Any) -> bool:
    return head["status"] in {204, 304} or any(name == b"content-length" for name, _ in head["headers"])


def serve(app: Application, settings: ServiceSettings) -> None:
    """Serves the application until SIGTERM or SIGINT."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        fail(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.")
    # Where PYTHONUNBUFFERED is set each line of the log were a write.
    cast("TextIOWrapper", sys.stdout).reconfigure(write_through=False)
    # The server ends by raising again the signal that ended it: which is no failure of ours.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    options: Any = {"proxy_headers": False, "server_header": False, "access_log": False, "log_config": None}
    options |= {"timeout_keep_alive": IDLE_SECONDS, "timeout_graceful_shutdown": DRAIN_SECONDS, "backlog": BACKLOG}
    config = Config(app.edge, http=Connection, ws="none", interface="asgi3", lifespan="on", **options)
    Server(config).run(sockets=[listening, *(listening.dup() for _ in range(ACCEPTED_AT_ONCE - 1))])
