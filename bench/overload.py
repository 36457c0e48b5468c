"""What the services do when they get more than they can take.

    .venv/bin/python -m bench.overload

Starts the services as they run in earnest, on a core of their own; loads each with 2, 5 and 10 times what saturates it,
at a constant rate and with so many requests at once; puts a polite caller beside a greedy one; prints tables for
bench/RESULTS.md and fails where an aim is missed.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import parts
from bench.aims import Aim
from bench.cart_work import works_of_carts
from bench.comparison import tell
from bench.flood import PROMPT_MS, RECOVERY_MOST_SECONDS, Fairness, Outcome, fairness, flood, limit
from bench.load import Request
from bench.machine import CannotMeasure, cores, pinned, stop_as_ctrl_c_does
from bench.report import VERDICTS, table
from bench.server import STORES, Broken
from bench.shop import Shop, running_shop
from bench.work import Work, list_page, sign_in
from shopdev.mongod import MongodUnavailable

DATA = Path("/var/tmp")
# More carts and accounts than requests at once: two for one customer stand in each other's way, another matter.
PRODUCTS, CARTS, ACCOUNTS = 1000, 3000, 300
TIMES = (2, 5, 10)
KINDS = ("open", "closed")
GOODPUT, PROBE_MS, SHED_MS, RECOVERY_SECONDS, GROWTH_MIB, SERVED = 0.9, 100.0, 200.0, 5.0, 100.0, 0.99


def measure(store: str, folder: Path, seconds: float, only: Sequence[str]) -> tuple[list[Outcome], list[Fairness]]:
    """Everything, on one store."""
    at = cores()
    with pinned(at.load), running_shop(store, folder, at.server) as shop:
        shop.fill(PRODUCTS)
        outcomes = list[Outcome]()
        works = [work for work in _works(shop) if not only or any(text in work.name for text in only)]
        if not works:
            raise CannotMeasure("No work has any of these texts in its name.")
        for work in works:
            tell(f"{work.name}: what saturates it")
            most = limit(shop, work, seconds)
            for times in TIMES:
                for kind in KINDS:
                    tell(f"{work.name}: {times} times that, {kind}")
                    outcomes.append(flood(shop, work, most, kind, times, seconds))
        tell("a polite caller beside a greedy one")
        return outcomes, [fairness(shop, *callers, seconds) for callers in _callers(shop)]


def _works(shop: Shop) -> list[Work]:
    """A read, a write, and what takes the processor longest."""
    accounts = [{"email": f"{n}@bench.example", "password": "seventeen quiet kettles"} for n in range(ACCOUNTS)]
    for account in accounts:
        shop.call("POST", "users", "/register", 201, account)
    carts = works_of_carts(shop, lambda name: name == "set quantity, 1 line", CARTS, 0)
    return [list_page(shop), *carts, sign_in(shop, accounts)]


def _callers(shop: Shop) -> list[tuple[Work, Request, Request]]:
    """Work, and what a polite and a greedy caller ask."""
    lists = list_page(shop)
    (reads,) = works_of_carts(shop, lambda name: name == "read a cart, 1 line", CARTS, 0)
    polite, greedy = (lists.load.requests[0]._replace(cart_token=name * 8) for name in ("one.", "more"))
    return [(lists, polite, greedy), (reads, reads.load.requests[0], reads.load.requests[1])]


def aims(outcomes: Sequence[Outcome], fair: Sequence[Fairness]) -> list[Aim]:
    """What is promised, and the worst that was found."""

    def worst(aim: str, value: Callable[[Outcome], float], form: str, is_met: Callable[[float], bool]) -> Aim:
        found, where = max((value(one), f"{one.work}, {one.times} times, {one.kind}") for one in outcomes)
        return Aim(aim, f"{form.format(found)} ({where})", is_met(found))

    def least(aim: str, value: Callable[[Fairness], float], form: str, bound: float) -> Aim:
        found, where = min((value(one), one.work) for one in fair)
        return Aim(aim, f"{form.format(found)} ({where})", found >= bound)

    found = [
        worst("goodput lost is at most 10 % of the maximum", _lost, "{:.0%}", lambda share: share <= 1 - GOODPUT),
        worst(
            "all others get 503 with Retry-After",
            lambda one: one.shed - one.with_retry_after + len(one.others),
            "{:.0f} do not",
            lambda count: count == 0,
        ),
        worst(f"p99 of 503 under {SHED_MS:g} ms", lambda one: one.shed_p99_ms, "{:.0f} ms", lambda ms: ms < SHED_MS),
        worst(f"probes under {PROBE_MS:g} ms", _slowest_probe, "{:.0f} ms", lambda ms: ms < PROBE_MS),
        worst("no probe fails", lambda one: len(one.watched.failed), "{:.0f}", lambda count: count == 0),
        worst(f"memory grows by under {GROWTH_MIB:g} MiB", _growth, "{:.0f} MiB", lambda mib: mib < GROWTH_MIB),
        worst(
            f"latency is normal within {RECOVERY_SECONDS:g} s",
            lambda one: one.recovery_seconds,
            "{:.1f} s",
            lambda seconds: seconds <= RECOVERY_SECONDS,
        ),
    ]
    served = f"of a polite caller's requests beside a greedy one, answered within {PROMPT_MS / 1000:g} s"
    return [*found, least(f"{SERVED:.0%} {served}", lambda one: one.served, "{:.1%}", SERVED)] if fair else found


def _lost(one: Outcome) -> float:
    return max(0.0, 1 - one.goodput / one.maximum)


def _growth(one: Outcome) -> float:
    return one.watched.most_mib - one.before_mib


def _slowest_probe(one: Outcome) -> float:
    return max(one.watched.worst_ms.values())


def lines(store: str, seconds: float, outcomes: Sequence[Outcome], fair: Sequence[Fairness]) -> list[str]:
    """The part of RESULTS.md."""
    text = (
        f"On {store}, {PRODUCTS:,} products, {seconds:g} s a flood: at a constant rate (open) or with so many requests"
        " at once (closed), as many times what saturates the service. By vegeta, which may not reach a rate: what was"
        " sent counts. The maximum is measured right before each; goodput is what was answered rightly in that time."
        " Probes go over a new connection each, 20 a second, to the port that the service has for them; memory is RSS"
        " of the process tree in MiB. Latency is normal when one call after the other takes at most twice as long as"
        " before, or 2 ms more (inf: not within"
        f" {RECOVERY_MOST_SECONDS:g} s). The polite caller asks 20 times a second; the greedy one, told from it"
        " by its Cart-Token, five times as often as all can be served."
    )
    head = ["work", "load", "maximum/s", "sent/s", "goodput/s", "503", "others", "503 p50 / p99 ms"]
    head += ["healthz / readyz / metrics ms at most", "MiB before / most / after", "normal after s"]
    polite = ["work", "polite served", "p50 / p99 ms", "alone p50 / p99 ms", "greedy sent/s", "greedy served/s"]
    answered = [[one.aim, one.found, VERDICTS[one.is_met]] for one in aims(outcomes, fair)]
    others = sorted({other for one in outcomes for other in one.others})[:5]
    return [
        *(text, "", *table(["aim", "found", "met?"], answered), ""),
        *(*table(head, [_row(one) for one in outcomes]), ""),
        *((f"Others: {'; '.join(others)}", "") if others else ()),
        *table(polite, [_polite(one) for one in fair]),
    ]


def _row(one: Outcome) -> list[str]:
    probes = " / ".join(f"{worst:.0f}" for worst in one.watched.worst_ms.values())
    memory = f"{one.before_mib:.0f} / {one.watched.most_mib:.0f} / {one.after_mib:.0f}"
    rates = [f"{value:,.0f}" for value in (one.maximum, one.sent, one.goodput, one.shed, len(one.others))]
    shed = f"{one.shed_p50_ms:.1f} / {one.shed_p99_ms:.1f}" if one.shed else "-"
    return [one.work, f"{one.times} times, {one.kind}", *rates, shed, probes, memory, f"{one.recovery_seconds:.1f}"]


def _polite(one: Fairness) -> list[str]:
    times = [f"{one.p50_ms:.1f} / {one.p99_ms:.1f}", f"{one.alone.p50_ms:.1f} / {one.alone.p99_ms:.1f}"]
    return [
        one.work,
        f"{one.served:.1%} of {one.asked}",
        *times,
        f"{one.greedy_sent:,.0f}",
        f"{one.greedy_served:,.0f}",
    ]


def main() -> int:
    """Prints the tables; 1 where an aim is missed."""
    parser = argparse.ArgumentParser("python -m bench.overload", description="Measures what overload does.")
    parser.add_argument("--store", choices=STORES, default=STORES[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each flood")
    parser.add_argument("--works", nargs="+", default=(), metavar="TEXT", help="those whose name has it in it")
    parser.add_argument("--print", action="store_true", help="do not write it down")
    arguments = parser.parse_args()
    stop_as_ctrl_c_does()
    try:
        with tempfile.TemporaryDirectory(prefix="trolley-overload-", dir=DATA) as name:
            outcomes, fair = measure(arguments.store, Path(name) / "shop", arguments.seconds, arguments.works)
    except (CannotMeasure, MongodUnavailable, Broken) as reason:
        sys.exit(str(reason))
    text = lines(arguments.store, arguments.seconds, outcomes, fair)
    print("\n".join(text))
    if not arguments.print:
        command = " ".join(["python -m bench.overload", *sys.argv[1:]])
        parts.keep(f"overload-{arguments.store}", f"Overload on {arguments.store}", command, text)
    return 0 if all(one.is_met for one in aims(outcomes, fair)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
