"""One line a request and event on stdout: JSON for machines, plain words for a terminal."""

import logging
import sys
from datetime import UTC, datetime

import msgspec

RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class Lines(logging.Formatter):
    """One line an event: its time, level and message, then whatever it carries in `extra`."""

    def __init__(self, form: str, **fixed: str) -> None:
        super().__init__()
        self._form = form
        self._fixed = fixed

    def format(self, record: logging.LogRecord) -> str:
        facts = {key: value for key, value in vars(record).items() if key not in RESERVED}
        exception = self.formatException(record.exc_info) if record.exc_info else None
        message = record.getMessage()
        if self._form == "text":
            words = " ".join(f"{key}={value}" for key, value in facts.items())
            line = f"{datetime.fromtimestamp(record.created):%H:%M:%S} {record.levelname:<7} {message} {words}"
            return f"{line}\n{exception}" if exception else line
        head = {"time": datetime.fromtimestamp(record.created, UTC), "level": record.levelname.lower(), **self._fixed}
        tail = {"exception": exception} if exception else {}
        return msgspec.json.encode({**head, "message": message, **facts, **tail}, enc_hook=str).decode()


def start_logging(service: str, version: str, level: str, form: str) -> logging.Logger:
    """The service's logger, writing to stdout."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Lines(form, service=service, version=version))
    for name in (service, "shopkit", "_granian"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel("WARNING" if name == "_granian" else level.upper())
        logger.propagate = False
    return logging.getLogger(service)
