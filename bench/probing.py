"""Watching a service while it is loaded: how long its probes take, and how its memory grows."""

import http.client
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.processes import memory

PROBES = ("/healthz", "/readyz", "/metrics")
# As a probe of a cluster waits.
TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 0.05
# Ahead of the load generator, which else would be what is measured.
NICENESS = -15


class Watched(NamedTuple):
    """The longest milliseconds of each probe, those that failed, and the most MiB."""

    worst_ms: dict[str, float]
    failed: list[str]
    most_mib: float


class Watch:
    """What was seen so far."""

    def __init__(self) -> None:
        self.worst = dict.fromkeys(PROBES, 0.0)
        self.failed: list[str] = []
        self.most = 0.0

    def seen(self) -> Watched:
        """All of it."""
        return Watched(self.worst, self.failed, self.most)


@contextmanager
def watching(url: str, pid: int) -> Iterator[Watch]:
    """Asks for every probe in turn, each over a connection of its own, until the end."""
    watch, ended = Watch(), threading.Event()

    def look() -> None:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while not ended.is_set():
            for path in PROBES:
                milliseconds, fault = _probe(url, path)
                watch.worst[path] = max(watch.worst[path], milliseconds)
                watch.failed += [f"{path}: {fault}"] if fault else []
            watch.most = max(watch.most, memory(pid).rss)
            ended.wait(PAUSE_SECONDS)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join()


def _probe(url: str, path: str) -> tuple[float, str]:
    address = urlsplit(url)
    began = time.perf_counter()
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        fault = "" if answer.status == 200 else str(answer.status)
    except OSError as error:
        fault = type(error).__name__
    finally:
        connection.close()
    return (time.perf_counter() - began) * 1000, fault
