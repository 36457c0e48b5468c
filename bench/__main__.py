"""`python -m bench`: measures, and writes bench/RESULTS.md and bench/results.json."""

import argparse
import os
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, NoReturn

from bench import parts, report
from bench.machine import CannotMeasure, Cores, cores, facts
from bench.measure import Resident, Sample, Start, exercise, memories, sample, starts
from bench.shop import SERVICES, STORES, Broken, Shop, running_shop
from bench.work import works
from shopdev.mongod import MongodUnavailable, find_mongod

HERE = Path(__file__).parent
# Not /tmp, which may be kept in memory: a durable write has to wait for a disk here.
DATA = Path("/var/tmp")
CATALOGUE = 200
CONNECTIONS = 16
# Below the ports that the system gives to clients, so that none of those stands in the way.
FIRST_PORT = 23_000
FAILED, MISUSED, INTERRUPTED = 1, 2, 130


class Scale(NamedTuple):
    """How much is done; `carts`: of each size that a round works on, `number`: requests before memory is read again."""

    rounds: int
    seconds: int
    carts: int
    number: int
    starts: int
    stores_started: tuple[str, ...]


FULL = Scale(rounds=5, seconds=2, carts=200, number=10_000, starts=3, stores_started=STORES)
QUICK = Scale(rounds=1, seconds=1, carts=50, number=1_000, starts=1, stores_started=STORES[:1])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench", description="Measures the shop and writes bench/RESULTS.md.")
    parser.add_argument("--quick", action="store_true", help="under a minute, one round: to see that all works")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder for RESULTS.md and results.json")
    arguments = parser.parse_args()
    try:
        find_mongod()
        run = measure(QUICK if arguments.quick else FULL, cores())
    except (CannotMeasure, MongodUnavailable) as reason:
        end(str(reason), MISUSED)
    except Broken as reason:
        end(str(reason), FAILED)
    except KeyboardInterrupt:
        end("Stopped; nothing was written.", INTERRUPTED)
    (arguments.out / "RESULTS.md").write_text(parts.with_parts(report.markdown(run)))
    (arguments.out / "results.json").write_bytes(report.json(run))
    print(f"Written: {arguments.out / 'RESULTS.md'}, {arguments.out / 'results.json'}")


def measure(scale: Scale, at: Cores) -> report.Run:
    """All the figures."""
    with tempfile.TemporaryDirectory(prefix="trolley-bench-", dir=DATA) as name, ExitStack() as stack:
        folder = Path(name)
        machine = facts(folder)
        begun = start_often(scale, folder)
        stack.enter_context(pinned(at.load))
        shops = [stack.enter_context(running_shop(store, folder / store, at.server)) for store in STORES]
        residents = [one for shop in shops for one in fill(shop, scale)]
        samples = [
            one for number in range(scale.rounds) for shop in shops for one in measure_round(shop, scale, number)
        ]
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    command = " ".join(["python -m bench", *sys.argv[1:]])
    return report.Run(command, date, machine, method(scale, at), CATALOGUE, scale.number, samples, residents, begun)


def start_often(scale: Scale, folder: Path) -> list[Start]:
    """Before anything else runs: the time and memory of starting it all."""
    found = []
    for number in range(scale.starts):
        for store in scale.stores_started:
            tell(f"trolley up on {store}, {number + 1} of {scale.starts}")
            found += starts(store, folder / f"up-{store}-{number}", FIRST_PORT)
    return found


def fill(shop: Shop, scale: Scale) -> list[Resident]:
    """Makes the catalogue and warms the services up; their memory before and after."""
    tell(f"filling the shop on {shop.store}")
    at_start = memories(shop)
    shop.fill(CATALOGUE)
    exercise(shop, CONNECTIONS, scale.number)
    later = memories(shop)
    return [Resident(name, shop.store, at_start[name], later[name]) for name in SERVICES]


def measure_round(shop: Shop, scale: Scale, number: int) -> Iterator[Sample]:
    """One sample of all work on one store."""
    tell(f"round {number + 1} of {scale.rounds} on {shop.store}")
    for work in works(shop, scale.carts):
        yield sample(shop, work, CONNECTIONS, scale.seconds)


@contextmanager
def pinned(to: Collection[int]) -> Iterator[None]:
    """Runs us, and whatever we start meanwhile, on those cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def method(scale: Scale, at: Cores) -> list[str]:
    """What the figures mean."""
    load, level = ", ".join(map(str, at.load)), os.environ.get("LOG_LEVEL", "info")
    return [
        f"Medians (and ranges) of {scale.rounds} interleaved rounds of {scale.seconds} s; {CONNECTIONS} connections,",
        f"{CATALOGUE} products. All services are pinned to core {at.server}, wrk and `mongod` to {load}. They run as",
        f"shipped, with LOG_LEVEL={level}; every write is on disk before it is answered. CPU is the user and system",
        "time of the service's process tree, a request; what the other services used for the same requests stands",
        f"beside it. Work on carts goes to {scale.carts} fresh carts of each size in turn; an add is of a SKU that the",
        "cart holds. Every status is checked, one body in 20, and that the carts hold all that was answered.",
        f"The load of each sample: `wrk -t1 -c{CONNECTIONS} -d{scale.seconds}s -s bench/load.lua URL`.",
    ]


def tell(words: str) -> None:
    """What is being done, for those who wait."""
    print(words, file=sys.stderr, flush=True)


def end(words: str, code: int) -> NoReturn:
    """Ends without results."""
    print(words, file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
