"""One part of the benchmark: Trolley on each store and its peers, one after the other, on a catalogue of one size."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx
from msgspec.structs import replace

from bench.agreement import same_answers
from bench.cart_work import works_of_carts
from bench.figures import Latency, Part, Sample
from bench.hashing import verifying_us
from bench.machine import Cores
from bench.measure import Runner, memories, residents
from bench.peers.copying import copy_products
from bench.peers.running import running_peer
from bench.replicas import pairs
from bench.server import EXPRESS, SERVICES, TROLLEY, Server
from bench.shop import CALL_SECONDS, Shop, running_shop
from bench.work import ping, sign_in, works_of_catalogue

HALF = 0.5
PEERS_CATALOGUE = "trolley_peers"


class Scale(NamedTuple):
    """How much is done. Seconds are those of one run; `carts`: for each kind of work on them."""

    rounds: int
    seconds: float
    rate_rounds: int
    rate_seconds: float
    carts: int
    new_carts: int
    accounts: int
    starts: int
    stores_started: int


class Choice(NamedTuple):
    """What is measured: works are those whose name has one of these texts in it, all if there are none."""

    servers: Sequence[str]
    stores: Sequence[str]
    works: Sequence[str]

    def has(self, name: str) -> bool:
        """Whether that work is."""
        return not self.works or any(text in name for text in self.works)


def compare(size: int, choice: Choice, scale: Scale, at: Cores, folder: Path, *, is_whole: bool) -> Part:
    """All figures with so many products; unless it `is_whole`, of what depends on their number only."""
    part = Part()
    with ExitStack() as stack:
        shops = [stack.enter_context(running_shop(store, folder / store, at.server)) for store in choice.stores]
        for shop in shops:
            tell(f"filling {shop} with {size:,} products")
            shop.fill(size)
        servers: list[Server] = [shop for shop in shops if TROLLEY in choice.servers]
        for shop in (one for one in shops if one.database_url):
            servers += _peers(stack, [name for name in choice.servers if name != TROLLEY], shop, at, folder)
        before = [memories(server) for server in servers]
        runners = _runners(servers, _accounts(shops, scale) if is_whole else None, choice, scale, size)
        tell("comparing what they answer")
        same_answers(runners)
        part.samples = list(_samples(runners, scale))
        for runner in (one for row in runners for one in row):
            runner.verify()
        part.latencies = _latencies(runners, part.samples, scale)
        for server, at_first in zip(servers, before, strict=True):
            part.residents += residents(server, size, at_first)
        if is_whole:
            for shop in (one for one in shops if one.database_url and one in servers):
                tell(f"two processes of {shop}")
                part.pairs = pairs(shop, at, choice.has, size, (scale.carts, scale.rounds, scale.seconds))
    return part


def _peers(stack: ExitStack, names: Sequence[str], shop: Shop, at: Cores, folder: Path) -> list[Server]:
    if names:
        tell("copying the catalogue for the peers")
        copy_products(shop.database_url, "trolley_products", PEERS_CATALOGUE)
    return [_peer(stack, name, shop, at, folder) for name in names]


def _peer(stack: ExitStack, name: str, shop: Shop, at: Cores, folder: Path) -> Server:
    databases = {"products": PEERS_CATALOGUE, "users": "trolley_users", "own": f"trolley_{name}"}
    before = ["taskset", "-c", str(at.server)]
    peer = running_peer(name, shop.database_url, databases, folder / f"{name}.log", before)
    url, pid = stack.enter_context(peer)
    client = stack.enter_context(httpx.Client(timeout=CALL_SECONDS))
    urls, pids = dict.fromkeys(SERVICES, url), dict.fromkeys(SERVICES, pid)
    return Server(name, shop.store, client, urls, pids, shop.database_pid, shop.product_ids)


def _accounts(shops: Sequence[Shop], scale: Scale) -> list[dict[str, str]]:
    found = [{"email": f"{n}@bench.example", "password": "seventeen quiet kettles"} for n in range(scale.accounts)]
    for shop in shops:
        for account in found:
            shop.call("POST", "users", "/register", 201, account)
    return found


def _runners(
    servers: Sequence[Server], accounts: list[dict[str, str]] | None, choice: Choice, scale: Scale, size: int
) -> list[list[Runner]]:
    """Of each work those of all servers, warmed up."""
    by_server = []
    for server in servers:
        tell(f"warming up {server}")
        works = works_of_catalogue(server)
        if accounts is not None:
            works = [ping(), *works, *works_of_carts(server, choice.has, scale.carts, scale.new_carts)]
            works.append(sign_in(server, accounts))
        chosen = [Runner(server, work, size, scale.seconds) for work in works if choice.has(work.name)]
        for runner in chosen:
            runner.warm_up()
        by_server.append(chosen)
    return [list(row) for row in zip(*by_server, strict=True)]


def _samples(runners: Sequence[Sequence[Runner]], scale: Scale) -> Iterator[Sample]:
    for number in range(scale.rounds):
        for row in runners:
            tell(f"round {number + 1} of {scale.rounds}: {row[0].work.name}")
            for runner in row:
                taken = runner.sample()
                if runner.work.service == "users":
                    taken = replace(taken, hashing_us=verifying_us(runner.server.name))
                yield taken


def _latencies(runners: Sequence[Sequence[Runner]], samples: Sequence[Sample], scale: Scale) -> list[Latency]:
    """At half of what the Express peer, or else the slowest of them, can do at most."""
    found = []
    for number in range(scale.rate_rounds):
        for row in runners:
            work = row[0].work.name
            tell(f"latency, round {number + 1} of {scale.rate_rounds}: {work}")
            most = {runner.server.name: 0.0 for runner in row}
            for name in most:
                most[name] = median(one.per_second for one in samples if (one.work, one.server) == (work, name))
            rate = HALF * most.get(EXPRESS, min(most.values()))
            found += [runner.latency(rate, scale.rate_seconds) for runner in row]
    return found


def tell(words: str) -> None:
    """What is being done, for those who wait."""
    print(words, file=sys.stderr, flush=True)
