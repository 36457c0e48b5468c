"""One line a request and event on stdout: JSON for machines, plain words for a terminal."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """time, level, service, version, message, then whatever the event carries in `extra`."""

    def __init__(self, **fixed: str) -> None:
        super().__init__()
        self.fixed = fixed

    def format(self, record: logging.LogRecord) -> str:
        head = {"time": datetime.fromtimestamp(record.created, UTC), "level": record.levelname.lower(), **self.fixed}
        line: dict[str, Any] = {**head, "message": record.getMessage(), **facts(record)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class TextLines(logging.Formatter):
    """Time, level, message and facts in one readable line."""

    def format(self, record: logging.LogRecord) -> str:
        words = " ".join(f"{key}={value}" for key, value in facts(record).items())
        line = f"{datetime.fromtimestamp(record.created):%H:%M:%S} {record.levelname:<7} {record.getMessage()} {words}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """What was passed as `extra=`."""
    return {key: value for key, value in vars(record).items() if key not in RESERVED}


def start_logging(service: str, version: str, level: str, form: str) -> logging.Logger:
    """The service's logger, writing to stdout."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(TextLines() if form == "text" else JsonLines(service=service, version=version))
    for name in (service, "shopkit", "_granian"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel("WARNING" if name == "_granian" else level.upper())
        logger.propagate = False
    return logging.getLogger(service)
