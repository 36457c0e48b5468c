"""Two processes of a service on one store against one: how many times as much they do."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median

from bench.cart_work import works_of_carts
from bench.figures import Pair
from bench.load import Load, outcome, prepared, wrk
from bench.machine import Cores, pinned
from bench.processes import cpu_seconds
from bench.server import Broken
from bench.shop import Service, Shop
from bench.work import Work, list_page, product_by_id
from shopdev.ports import free_port


def pairs(
    shop: Shop, at: Cores, has: Callable[[str], bool], catalogue: int, scale: tuple[int, int, float]
) -> list[Pair]:
    """Of what is asked most; `scale`: carts, rounds and seconds. Each round has both, alike slowed."""
    carts, rounds, seconds = scale
    works = {"products": [product_by_id(shop), list_page(shop)]}
    works["carts"] = works_of_carts(shop, lambda name: "a held SKU, 1 " in name or "read a cart, 1 " in name, carts, 0)
    found = []
    for service, of_it in works.items():
        if chosen := [work for work in of_it if has(work.name)]:
            with _second(shop, service, at) as second:
                found += [_pair(shop, work, second, at, catalogue, rounds, seconds) for work in chosen]
    return found


@contextmanager
def _second(shop: Shop, name: str, at: Cores) -> Iterator[tuple[str, int]]:
    """Its address and process id."""
    first, port = shop.services[name], free_port()
    environment = {**first.environment, "PORT": str(port)}
    service = Service(name, port, environment, first.log.with_suffix(".second.log"))
    with service.running(at.load[0]) as process:
        yield service.url, process.pid


def _pair(
    shop: Shop, work: Work, second: tuple[str, int], at: Cores, catalogue: int, rounds: int, seconds: float
) -> Pair:
    url, pid = second
    urls = [shop.urls[work.service], url]
    trees = [*shop.pids.values(), pid]
    is_apart = len(at.load) > 1
    with pinned(at.load[1:] if is_apart else at.load):
        _together(work.load, urls, trees, work.connections, seconds)
        one, two = [], []
        for _ in range(rounds):
            one.append(_together(work.load, urls[:1], trees, work.connections, seconds))
            two.append(_together(work.load, urls, trees, work.connections, seconds))
    (one_us, one_rate), (two_us, two_rate) = (tuple(map(median, zip(*runs, strict=True))) for runs in (one, two))
    return Pair(work.name, shop.store, catalogue, one_us, two_us, one_rate, two_rate, is_apart)


def _together(
    load: Load, urls: Sequence[str], trees: Sequence[int], connections: int, seconds: float
) -> tuple[float, float]:
    """Each gets a share of the load, carts of its own, at the same time: µs of CPU a request, requests a second."""
    before = sum(map(cpu_seconds, trees))
    with ExitStack() as stack:
        shares = [stack.enter_context(prepared(load.requests[number :: len(urls)])) for number in range(len(urls))]
        commands = [wrk(load, share.name, url, connections, seconds) for share, url in zip(shares, urls, strict=True)]
        processes = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
            for command in commands
        ]
        outcomes = [outcome(load, process) for process in processes]
    used = sum(map(cpu_seconds, trees)) - before
    answers = sum(found.answers for found in outcomes)
    if not answers:
        raise Broken(f"No answers from {urls}.")
    return used / answers * 1e6, sum(found.answers / found.seconds for found in outcomes)
