"""More load than a service can take, and what it does then."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import cycle
from statistics import median
from typing import NamedTuple

import httpx

from bench import rate
from bench.load import Request
from bench.probing import Watched, watching
from bench.processes import memory
from bench.rate import Answer
from bench.server import Broken, Server
from bench.work import Work

# As many at once as a service is tried with to find out what it can do at most.
WIDTHS = (16, 32, 64)
# Latency is normal again where it is at most so many times what it was, or so many milliseconds more.
NORMAL_TIMES, NORMAL_MS = 2.0, 2.0
WINDOW_SECONDS, WINDOWS = 0.25, 4
RECOVERY_MOST_SECONDS = 10.0
CALM_SECONDS = 0.5
POLITE_PER_SECOND = 20.0
# An answer that comes later is of no use to a person.
PROMPT_MS = 1000.0
GREEDY_TIMES = 5


class Limit(NamedTuple):
    """What a service can do at most, with so many requests at once."""

    per_second: float
    width: int


class Outcome(NamedTuple):
    """One flood. `kind`: "open" (a rate) or "closed" (so many at once); `times` what saturates the service."""

    work: str
    kind: str
    times: int
    maximum: float
    sent: float
    goodput: float
    shed: int
    with_retry_after: int
    shed_p50_ms: float
    shed_p99_ms: float
    others: list[str]
    watched: Watched
    before_mib: float
    after_mib: float
    recovery_seconds: float


class Fairness(NamedTuple):
    """A polite caller beside a greedy one, and alone; `served` is the share that was answered promptly."""

    work: str
    served: float
    asked: int
    alone: rate.Times
    p50_ms: float
    p99_ms: float
    greedy_sent: float
    greedy_served: float


def limit(server: Server, work: Work, seconds: float, widths: Sequence[int] = WIDTHS) -> Limit:
    """The most right answers a second, each request sent when the one before is answered."""
    found = [Limit(_served(server, work, seconds, width), width) for width in widths]
    if not max(found).per_second:
        raise Broken(f"{server} has not answered {work.name} once in {seconds:g} s.")
    return max(found)


def flood(server: Server, work: Work, most: Limit, kind: str, times: int, seconds: float) -> Outcome:
    """So many times what saturates it, for so long, and then until it is as before."""
    url, pid = server.urls[work.service], server.pids[work.service]
    # What the last flood has left undone may let nothing through.
    maximum = _served(server, work, seconds / 2, most.width) or most.per_second
    normal_ms = median(_calls(url, work.load.requests, CALM_SECONDS))
    before = memory(pid).rss
    # An open load must not wait for workers; a closed one is its workers.
    asked, workers = (times * maximum, rate.WORKERS_MAX) if kind == "open" else (0, times * most.width)
    with watching(server.probes[work.service], pid) as watch, ThreadPoolExecutor(1) as pool:
        recording = pool.submit(rate.record, work.load.requests, url, asked, seconds, workers)
        time.sleep(seconds)
        recovery = _recovery(url, work.load.requests, normal_ms)
        record = recording.result()
    answers = rate.answers(record)
    shed = [answer for answer in answers if answer.code == 503]
    others = [f"{answer.code} {answer.error}".strip() for answer in answers if answer.code not in (200, 503)]
    return Outcome(
        work.name,
        kind,
        times,
        maximum,
        len(answers) / seconds,
        good_per_second(answers, seconds),
        len(shed),
        sum("Retry-After" in (answer.headers or {}) for answer in shed),
        rate.percentile(shed, 0.5) if shed else 0.0,
        rate.percentile(shed, 0.99) if shed else 0.0,
        others,
        watch.seen(),
        before,
        memory(pid).rss,
        recovery,
    )


def fairness(server: Server, work: Work, polite: Request, greedy: Request, seconds: float) -> Fairness:
    """A caller that asks now and then, beside one that asks far more often than all can be served."""
    url = server.urls[work.service]
    maximum = limit(server, work, seconds / 2, WIDTHS[1:2]).per_second
    alone = rate.times(rate.attack([polite], url, POLITE_PER_SECOND, seconds))
    with ThreadPoolExecutor(1) as pool:
        flood_of = pool.submit(rate.attack, [greedy], url, GREEDY_TIMES * maximum, seconds + 1)
        time.sleep(0.5)
        answers = rate.attack([polite], url, POLITE_PER_SECOND, seconds)
        greedy_answers = flood_of.result()
    served = [answer for answer in answers if answer.code == 200]
    return Fairness(
        work.name,
        sum(answer.latency / 1e6 <= PROMPT_MS for answer in served) / len(answers),
        len(answers),
        alone,
        rate.percentile(served, 0.5) if served else float("inf"),
        rate.percentile(served, 0.99) if served else float("inf"),
        len(greedy_answers) / (seconds + 1),
        good_per_second(greedy_answers, seconds + 1),
    )


def _served(server: Server, work: Work, seconds: float, width: int) -> float:
    return good_per_second(rate.attack(work.load.requests, server.urls[work.service], 0, seconds, width), seconds)


def good_per_second(answers: Sequence[Answer], seconds: float) -> float:
    """Right answers that were there before the load ended, a second."""
    if not answers:
        raise Broken("The load generator sent nothing.")
    sent = [datetime.fromisoformat(answer.timestamp).timestamp() for answer in answers]
    end = min(sent) + seconds
    in_time = [at + answer.latency / 1e9 <= end for at, answer in zip(sent, answers, strict=True)]
    return sum(right and answer.code == 200 for right, answer in zip(in_time, answers, strict=True)) / seconds


def _calls(url: str, requests: Sequence[Request], seconds: float) -> list[float]:
    """Milliseconds of one call after the other; endless where it was not answered rightly."""
    found, end = [], time.monotonic() + seconds
    with httpx.Client(base_url=url, timeout=RECOVERY_MOST_SECONDS) as client:
        for request in cycle(requests):
            headers = {"Cart-Token": request.cart_token} if request.cart_token else {}
            headers |= {"Content-Type": "application/json"} if request.body else {}
            began = time.perf_counter()
            try:
                answer = client.request(request.method, request.path, content=request.body, headers=headers)
                right = answer.status_code == 200
            except httpx.TransportError:
                right = False
            found.append((time.perf_counter() - began) * 1000 if right else float("inf"))
            if time.monotonic() > end:
                break
    return found


def _recovery(url: str, requests: Sequence[Request], normal_ms: float) -> float:
    """Seconds until latency is normal and stays so; endless if that takes too long."""
    began = time.monotonic()
    since, calm = 0.0, 0
    while time.monotonic() < began + RECOVERY_MOST_SECONDS:
        present = median(_calls(url, requests, WINDOW_SECONDS))
        calm = calm + 1 if present <= max(NORMAL_TIMES * normal_ms, normal_ms + NORMAL_MS) else 0
        since = time.monotonic() - began if calm == 0 else since
        if calm == WINDOWS:
            return since
    return float("inf")
