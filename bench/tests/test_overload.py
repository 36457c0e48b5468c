"""What is told of overload is what was seen."""

import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from bench.flood import Fairness, Outcome, good_per_second
from bench.overload import aims, lines
from bench.probing import PROBES, Watched, watching
from bench.rate import Answer, Times, percentile

CALM = Watched(dict.fromkeys(PROBES, 20.0), [], 150.0)
GOOD = Outcome("list", "open", 2, 1000, 2000, 950, 5000, 5000, 1.0, 9.0, [], CALM, 100.0, 110.0, 0.5)
FAIR = Fairness("list", 1.0, 100, Times(100, 1.0, 2.0), 1.5, 3.0, 5000, 900)


class Slow(BaseHTTPRequestHandler):
    """Answers /readyz late, and /metrics wrongly."""

    protocol_version = "HTTP/1.1"
    statuses: ClassVar = {"/metrics": 500}

    def do_GET(self) -> None:
        time.sleep(0.2 if self.path == "/readyz" else 0)
        self.send_response(self.statuses.get(self.path, 200))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def slow_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def met(*outcomes: Outcome, fair: Fairness = FAIR) -> list[bool | None]:
    return [one.is_met for one in aims(outcomes, [fair])]


def test_each_aim_is_missed_by_what_breaks_it_alone() -> None:
    assert met(GOOD) == [True] * 8
    slow = Watched({**CALM.worst_ms, "/readyz": 101.0}, [], 150.0)
    breaches = [
        GOOD._replace(goodput=890),
        GOOD._replace(with_retry_after=4999),
        GOOD._replace(shed_p99_ms=201),
        GOOD._replace(watched=slow),
        GOOD._replace(watched=CALM._replace(failed=["/healthz: 503"])),
        GOOD._replace(watched=CALM._replace(most_mib=201)),
        GOOD._replace(recovery_seconds=5.1),
    ]
    for place, breach in enumerate(breaches):
        assert met(GOOD, breach, GOOD) == [at != place for at in range(8)]
    assert met(GOOD, fair=FAIR._replace(served=0.98)) == [True] * 7 + [False]
    assert met(GOOD._replace(others=["0 timeout"]))[1] is False


def test_the_worst_is_named() -> None:
    found = aims([GOOD, GOOD._replace(goodput=500, times=10, kind="closed")], [FAIR])
    assert found[0].found == "50% (list, 10 times, closed)"
    page = lines("sqlite", 5, [GOOD], [FAIR])
    assert any(
        line.startswith("| list | 2 times, open | 1,000 | 2,000 | 950 | 5,000 | 0 | 1.0 / 9.0 |") for line in page
    )
    assert "| list | 100.0% of 100 | 1.5 / 3.0 | 1.0 / 2.0 | 5,000 | 900 |" in page


def test_only_right_answers_in_time_are_goodput() -> None:
    second, moment = 10**9, "2026-01-01T00:00:0{}Z".format
    answers = [
        Answer(200, moment(0), second),
        Answer(200, moment(1), second // 2),
        Answer(503, moment(1), 1),
        Answer(200, moment(1), 2 * second),
    ]
    assert good_per_second(answers, 2) == 1.0
    assert (percentile(answers, 0.5), percentile(answers, 0.99)) == (1000.0, 2000.0)


def test_probes_are_timed_and_their_faults_told(slow_server: str) -> None:
    with watching(slow_server, os.getpid()) as watch:
        time.sleep(0.5)
    seen = watch.seen()
    assert seen.worst_ms["/readyz"] >= 200 > seen.worst_ms["/healthz"] > 0
    assert set(seen.failed) == {"/metrics: 500"}
    assert seen.most_mib > 1
