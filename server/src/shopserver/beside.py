"""A port for those who watch, answered by a thread of its own: however busy the service is, it tells how it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, NamedTuple, cast

from uvicorn import Config, Server

from shopserver.answers import Application
from shopserver.listening import listen

# Of those who watch there are few; so many connections may wait.
BACKLOG = 128
# What uvicorn does that the application does itself, or nobody wants.
PLAIN: Any = {"proxy_headers": False, "server_header": False, "access_log": False, "log_config": None, "ws": "none"}


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
    sockets = [listen(host, watched.port, BACKLOG)]
    server = Server(Config(cast("Any", watched.app), lifespan="off", **PLAIN))
    thread = Thread(target=server.run, args=(sockets,), name="beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
