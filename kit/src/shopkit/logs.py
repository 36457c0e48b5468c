"""One line a request and event on stdout: JSON for machines, plain words for a terminal."""

import asyncio
import logging
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# Lines of requests wait so long in the buffer of stdout for others: a write costs more than all the rest of a line.
PAUSE_SECONDS = 0.05


class Output(logging.StreamHandler[TextIO]):
    """Writes one line an event: its time, level and message, then whatever it carries in `extra`."""

    def __init__(self, form: str, **fixed: str) -> None:
        super().__init__(sys.stdout)
        self._form, self._fixed, self._will_flush = form, fixed, False

    def format(self, record: logging.LogRecord) -> str:
        facts = {key: value for key, value in vars(record).items() if key not in RESERVED}
        facts |= {"exception": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
        return self._line(record.levelname, record.getMessage(), facts)

    def tell(self, level: int, message: str, facts: dict[str, Any]) -> None:
        """An event of each request, on the event loop: costs a fifth of the usual way, for it makes no record."""
        with suppress(OSError, ValueError):
            self.stream.write(self._line(logging.getLevelName(level), message, facts) + self.terminator)
        if not self._will_flush:
            self._will_flush = True
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self.flush)

    def flush(self) -> None:
        """Writes what waits; the usual way does so at each event. A log that nobody reads any more stops nobody."""
        self._will_flush = False
        with suppress(OSError, ValueError):
            super().flush()

    def _line(self, level: str, message: str, facts: dict[str, Any]) -> str:
        told = datetime.fromtimestamp(time.time(), UTC)
        if self._form == "text":
            words = " ".join(f"{key}={value}" for key, value in facts.items())
            return f"{told.astimezone():%H:%M:%S} {level:<7} {message} {words}"
        head = {"time": told, "level": level.lower(), **self._fixed, "message": message}
        return msgspec.json.encode({**head, **facts}, enc_hook=str).decode()


def start_logging(service: str, version: str, level: str, form: str) -> logging.Logger:
    """The service's logger, writing to stdout."""
    output = Output(form, service=service, version=version)
    for name in (service, "shopkit", "shopserver", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [output]
        logger.setLevel("WARNING" if name == "uvicorn.error" else level.upper())
        logger.propagate = False
    return logging.getLogger(service)
