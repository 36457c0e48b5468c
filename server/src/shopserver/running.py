"""The process that serves."""

import gc
import signal
import socket
import sys
from collections.abc import Callable
from random import random
from typing import Any, cast

from uvicorn import Config

from shopserver import listening
from shopserver.answers import Application
from shopserver.beside import PLAIN, Watched, served_beside
from shopserver.connection import Connection
from shopserver.draining import DrainingServer
from shopserver.output import unblocked_stdout

# How long a connection that has had an answer may be without another request.
IDLE_SECONDS = 75
# How long a client may read nothing of an answer.
STALLED_SECONDS = 75
# Connections that wait to be accepted (Linux holds no more than net.core.somaxconn), and how many are so in a turn of
# the event loop: libuv accepts but one from each socket, and probes would wait behind all others.
BACKLOG, ACCEPTED_AT_ONCE = 4096, 128


def serve(app: Application, host: str, port: int, linger: float = 0, watched: Watched | None = None) -> None:
    """Serves until SIGTERM or SIGINT, `linger` seconds more, and then lets requests finish; a second one ends that.

    OSError if it cannot listen there.
    """
    sockets = listen(host, port)
    # Requests make hardly any cycles of objects; looking for them took a fifth of the time.
    gc.set_threshold(20_000, 50, 100)
    server = server_of(app, linger)
    # For before uvicorn listens to signals, and for after.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    with unblocked_stdout(), served_beside(watched, host):
        server.run(sockets)


def listen(host: str, port: int) -> list[socket.socket]:
    """The sockets to accept from, all of one address."""
    first = listening.listen(host, port, BACKLOG)
    if sys.platform == "linux":
        # Else who reads no answer keeps his connection for ever, also when we have closed it: its buffer is not empty.
        first.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_SECONDS * 1000)
    return [first, *(first.dup() for _ in range(ACCEPTED_AT_ONCE - 1))]


def server_of(app: Application, linger: float = 0, spread: Callable[[], float] = random) -> DrainingServer:
    """uvicorn's server with our connections and our end; `spread` makes connections grow old at different times."""
    options: Any = {"timeout_keep_alive": IDLE_SECONDS, "backlog": BACKLOG, "lifespan": "on", "interface": "asgi3"}
    config = Config(cast("Any", app), http=Connection, **PLAIN, **options)
    return DrainingServer(config, app, linger, spread)
