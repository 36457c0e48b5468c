"""Taking the figures: one sample is one kind of work on one store for a few seconds."""

import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.catalogue import skus
from bench.load import Load, Request, run
from bench.machine import OtherWork
from bench.processes import Memory, cpu_seconds, memory
from bench.shop import SERVICES, Broken, Shop
from bench.work import Work, make_cart

STOP_SECONDS = 30


class Sample(NamedTuple):
    """One run. CPU is that of the service's process tree; `others_us` is that of its neighbours, for the same calls."""

    work: str
    store: str
    cpu_us: float
    others_us: float
    per_second: float
    p50_ms: float
    p99_ms: float
    other_work: float


class Resident(NamedTuple):
    """A service's memory when it is ready, and after many requests."""

    service: str
    store: str
    at_start: Memory
    later: Memory


class Start(NamedTuple):
    """One `trolley up`: seconds until it is ready, and the memory of all that then runs."""

    store: str
    is_first: bool
    seconds: float
    memory: Memory


def sample(shop: Shop, work: Work, connections: int, seconds: int) -> Sample:
    """Does the work for so many seconds. Broken unless every answer was right."""
    url = shop.services[work.service].url
    others = [name for name in SERVICES if name != work.service]
    watch = OtherWork()
    before = {name: cpu_seconds(pid) for name, pid in shop.pids.items()}
    outcome = run(work.load, url, connections, seconds)
    used = {name: cpu_seconds(pid) - before[name] for name, pid in shop.pids.items()}
    other_work = watch.cores()
    work.verify(outcome.answers, connections)
    return Sample(
        work.name,
        shop.store,
        used[work.service] / outcome.answers * 1e6,
        sum(used[name] for name in others) / outcome.answers * 1e6,
        outcome.answers / outcome.seconds,
        outcome.p50_ms,
        outcome.p99_ms,
        other_work,
    )


def memories(shop: Shop) -> dict[str, Memory]:
    """The present memory of each service."""
    return {name: memory(pid) for name, pid in shop.pids.items()}


def exercise(shop: Shop, connections: int, number: int) -> None:
    """At least so many requests to each service, of the kind it gets most."""
    for name, load in _ordinary(shop).items():
        answers = 0
        while answers < number:
            answers += run(load, shop.services[name].url, connections, seconds=1).answers


def _ordinary(shop: Shop) -> dict[str, Load]:
    cart = make_cart(shop, skus(1))
    me = Request("GET", "/me", authorization=shop.staff["Authorization"])
    products = [Request("GET", f"/products/{product}") for product in shop.product_ids]
    return {
        "users": Load([me], '"roles":['),
        "products": Load(products, '"sku":"BENCH-'),
        "carts": Load([Request("GET", f"/carts/{cart.id}", cart.token)], '"item_count":1'),
    }


def starts(store: str, folder: Path, first_port: int) -> list[Start]:
    """`trolley up` on a fresh data folder, with the sample, and again on the same; on all cores, as people do."""
    return [_start(store, folder, first_port, is_first=is_first) for is_first in (True, False)]


def _start(store: str, folder: Path, first_port: int, *, is_first: bool) -> Start:
    command = [sys.executable, "-m", "trolley", "up", "--data", str(folder), "--store", store]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--first-port", str(first_port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said = []
        for line in process.stdout or ():
            said.append(line)
            if line.startswith("Trolley is ready"):
                return Start(store, is_first, time.monotonic() - began, memory(process.pid))
        raise Broken("trolley up ended before it was ready:\n" + "".join(said[-20:]))
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)
