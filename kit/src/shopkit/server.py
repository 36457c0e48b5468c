"""Runs a service."""

from shopkit.service import Application
from shopkit.settings import ServiceSettings, fail
from shopserver import running
from shopserver.beside import Watched


def serve(app: Application, settings: ServiceSettings) -> None:
    """Serves the application until SIGTERM or SIGINT; where it cannot listen, a sentence and exit code 2."""
    watched = Watched(app.probes, settings.probes_port) if settings.probes_port else None
    try:
        running.serve(app.edge, settings.host, settings.port, settings.linger_seconds, watched)
    except OSError as error:
        fail(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.")
