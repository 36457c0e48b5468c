"""Runs a service."""

from shopkit.service import Application
from shopkit.settings import ServiceSettings, fail
from shopserver import running


def serve(app: Application, settings: ServiceSettings) -> None:
    """Serves the application until SIGTERM or SIGINT; where it cannot listen, a sentence and exit code 2."""
    try:
        running.serve(app.edge, settings.host, settings.port, settings.linger_seconds)
    except OSError as error:
        fail(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.")
