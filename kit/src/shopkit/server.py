"""Runs a service: one process that serves, watched over by Granian."""

import socket
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from shopkit.settings import ServiceSettings, fail

# How long requests at work may take to finish once the service is told to stop.
DRAIN_SECONDS = 20
# A client that sends its headers slower than this holds up nobody's shutdown.
HEADER_TIMEOUT_MS = 5000


def serve(factory: str, settings: ServiceSettings) -> None:
    """Serves the application that `factory` ("package.module:function") makes, until SIGTERM or SIGINT."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        fail(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.")
    slow = HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS)
    log = {"loggers": {"_granian": {"level": "WARNING"}}}
    options: Any = {"interface": Interfaces.ASGI, "factory": True, "workers": 1, "workers_kill_timeout": DRAIN_SECONDS}
    Granian(factory, settings.host, settings.port, http1_settings=slow, log_dictconfig=log, **options).serve()
