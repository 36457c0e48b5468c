"""A port for those who watch, answered by a thread of its own: however busy the service is, it tells how it is."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, NamedTuple, cast

from uvicorn import Config, Server

from shopserver.answers import Application

# Of those who watch there are few; so many connections may wait.
BACKLOG = 128


class Watched(NamedTuple):
    """What is served beside, and on which port."""

    app: Application
    port: int


@contextmanager
def served_beside(watched: Watched | None, host: str) -> Iterator[None]:
    """Inside, `watched` is served, until the very end; OSError if it cannot listen there.

    The application is called in another event loop than the service's: it may share with that only what any thread may
    look at.
    """
    if watched is None:
        yield
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, watched.port), family=family, backlog=BACKLOG)
    options: Any = {"proxy_headers": False, "server_header": False, "access_log": False, "log_config": None}
    server = Server(Config(cast("Any", watched.app), ws="none", lifespan="off", **options))
    thread = Thread(target=server.run, args=([listening],), name="beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
