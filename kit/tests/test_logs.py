"""The log: one line an event, which a machine or a person can read, whatever is in it."""

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from shopkit.logs import PAUSE_SECONDS, Output, start_logging


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    yield
    for name in ("tinyservice", "shopkit", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.split("\n")[:-1]]


def test_a_line_tells_when_how_grave_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("tinyservice", "1.2.3", "info", "json").warning("low on %s", "disk", extra={"free_mb": 12})
    (line,) = lines(capsys)
    told = datetime.fromisoformat(line.pop("time"))
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60
    assert line == {
        "level": "warning",
        "service": "tinyservice",
        "version": "1.2.3",
        "message": "low on disk",
        "free_mb": 12,
    }


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    log = start_logging("tinyservice", "1", "info", "json")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        log.exception("failed")
    (line,) = lines(capsys)
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: first\nsecond")


def test_whatever_is_told_stays_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    log = start_logging("tinyservice", "1", "info", "json")
    log.info('quotes " and \n newlines \x00', extra={"thing": object, "many": {1: (2, {3})}, "text": "\u2028é"})
    (line,) = lines(capsys)
    assert line["message"] == 'quotes " and \n newlines \x00'
    assert line["thing"] == str(object)
    assert line["text"] == "\u2028é"


@pytest.mark.parametrize(("level", "told"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_what_is_less_grave_than_asked_for_is_not_told(
    capsys: pytest.CaptureFixture[str], level: str, told: int
) -> None:
    log = start_logging("tinyservice", "1", level, "json")
    for each in (log.debug, log.info, log.warning, log.error):
        each("event")
    assert len(lines(capsys)) == told


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log = start_logging("tinyservice", "1", "info", "text")
    log.info("ready", extra={"port": 3000})
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("failed")
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.split(" ", 1)[1].split() == ["INFO", "ready", "port=3000"]
    assert rest[-1] == "ValueError: why"


@pytest.mark.parametrize("name", ["shopkit.tokens", "uvicorn.error"])
def test_what_the_machinery_warns_of_is_told_in_the_same_way(capsys: pytest.CaptureFixture[str], name: str) -> None:
    start_logging("tinyservice", "1.2.3", "info", "json")
    logging.getLogger(name).warning("keys not refreshed", extra={"reason": "away"})
    logging.getLogger(name).debug("details")
    (line,) = lines(capsys)
    assert (line["service"], line["message"], line["reason"]) == ("tinyservice", "keys not refreshed", "away")


def test_starting_twice_tells_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("tinyservice", "1", "info", "json")
    start_logging("tinyservice", "1", "info", "json").info("event")
    assert len(lines(capsys)) == 1


def test_a_log_that_nobody_reads_any_more_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, _: str) -> None:
            raise BrokenPipeError

        flush = write

    monkeypatch.setattr(logging, "raiseExceptions", False)
    monkeypatch.setattr(sys, "stdout", Closed())
    start_logging("tinyservice", "1", "info", "json").info("event")


class Slow(io.StringIO):
    """Keeps what is written until it is flushed, as the stdout of a server does."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: list[str] = []

    def flush(self) -> None:
        self.flushed.append(self.getvalue())
        self.truncate(self.seek(0))


async def test_lines_of_requests_are_written_together_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Slow())
    log = start_logging("tinyservice", "1", "info", "json")
    (output,) = log.handlers
    assert isinstance(output, Output)
    for number in range(3):
        output.tell(logging.INFO, "request", {"number": number})
    assert sys.stdout.flushed == []  # type: ignore[attr-defined]
    await asyncio.sleep(PAUSE_SECONDS * 2)
    (text,) = sys.stdout.flushed  # type: ignore[attr-defined]
    assert [json.loads(line)["number"] for line in text.splitlines()] == [0, 1, 2]


async def test_an_event_is_written_at_once_after_the_lines_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Slow())
    log = start_logging("tinyservice", "1", "info", "json")
    (output,) = log.handlers
    assert isinstance(output, Output)
    output.tell(logging.INFO, "request", {})
    log.error("failed")
    (text,) = sys.stdout.flushed  # type: ignore[attr-defined]
    assert [json.loads(line)["message"] for line in text.splitlines()] == ["request", "failed"]


def test_no_line_is_lost_when_a_worker_ends() -> None:
    # As the server runs it: a worker that was forked, which ends without the handlers of atexit.
    program = """
import asyncio, logging, multiprocessing
from shopkit.logs import PAUSE_SECONDS, Output, start_logging

async def tell():
    (output,) = start_logging("tinyservice", "1", "info", "json").handlers
    for number in range(100):
        output.tell(logging.INFO, "request", {"number": number})

worker = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(tell()))
worker.start()
worker.join()
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert [json.loads(line)["number"] for line in told.splitlines()] == list(range(100))
