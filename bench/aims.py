"""What the shop is held to, beside what was found."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import NamedTuple

from bench.figures import Part
from bench.rows import Row
from bench.server import STORES, TROLLEY

LARGEST = 100_000
TIMES_READ, TIMES_ADD = 5.0, 4.0
P99_MS = 10.0
TIMES_FULL_CART = 1.5
TIMES_TWO = 1.8
PRODUCTS_MIB = 300.0
ALL_MIB, READY_SECONDS = 512.0, 5.0
READS = ("product by id", "list by category", "search")


class Aim(NamedTuple):
    """One aim; `is_met` is None where it was not measured."""

    aim: str
    found: str
    is_met: bool | None


def aims(parts: Sequence[Part], rows: Sequence[Row]) -> list[Aim]:
    """All of them: of several figures the worst counts."""
    found = [_ratio(rows, work, TIMES_READ, store) for work in READS for store in STORES]
    found += [_p99(rows, work) for work in READS[1:]]
    found += [_ratio(rows, "add a ", TIMES_ADD, store) for store in STORES]
    found += [_full_cart(rows, store) for store in STORES]
    return [*found, _two_processes(parts), _memory(parts), *_starts(parts)]


def _ratio(rows: Sequence[Row], work: str, times: float, store: str) -> Aim:
    name = "add to cart" if work == "add a " else work
    ratios = [
        (row.ratio, f"{row.work}, {row.catalogue:,} products")
        for row in rows
        if row.work.startswith(work) and row.store == store and row.ratio is not None
    ]
    aim = f"{name} on {store}: Express needs at least {times:g} times the CPU"
    return _worst(aim, ratios, min, lambda ratio: ratio >= times, "{:.1f} times")


def _p99(rows: Sequence[Row], work: str) -> Aim:
    # A request that was not answered took longer than any.
    times = [
        (float("inf") if row.by[TROLLEY].failed else row.by[TROLLEY].p99_ms, f"{row.work} on {row.store}")
        for row in rows
        if row.work.startswith(work) and row.catalogue == LARGEST
    ]
    aim = f"{work}: p99 under {P99_MS:g} ms at {LARGEST:,} products"
    measured = [(time, where) for time, where in times if time is not None]
    return _worst(aim, measured, max, lambda time: time < P99_MS, "{:.1f} ms")


def _full_cart(rows: Sequence[Row], store: str) -> Aim:
    costs = {row.work: row.by[TROLLEY].cpu_us.median for row in rows if row.store == store and row.work[:4] == "add "}
    times = [
        (cost / costs[one], work)
        for work, cost in costs.items()
        if work.endswith("100 lines") and (one := work.replace("100 lines", "1 line")) in costs
    ]
    aim = f"add to a cart of 100 lines on {store}: at most {TIMES_FULL_CART:g} times the CPU of one of 1 line"
    return _worst(aim, times, max, lambda factor: factor <= TIMES_FULL_CART, "{:.2f} times")


def _two_processes(parts: Sequence[Part]) -> Aim:
    factors = [(pair.factor, pair.work) for part in parts for pair in part.pairs]
    aim = f"two processes do at least {TIMES_TWO:g} times what one does"
    return _worst(aim, factors, min, lambda factor: factor >= TIMES_TWO, "{:.2f} times")


def _memory(parts: Sequence[Part]) -> Aim:
    sizes = [
        (max(one.rss, one.rss_later), f"on {one.store}")
        for part in parts
        for one in part.residents
        if (one.server, one.service, one.catalogue) == (TROLLEY, "products", LARGEST)
    ]
    aim = f"resident memory of products with {LARGEST:,} of them under {PRODUCTS_MIB:g} MiB"
    return _worst(aim, sizes, max, lambda size: size < PRODUCTS_MIB, "{:.0f} MiB")


def _starts(parts: Sequence[Part]) -> list[Aim]:
    found = []
    for store in STORES:
        begun = [one for part in parts for one in part.starts if one.store == store]
        seconds, sizes = [], []
        for is_first, which in ((True, "first"), (False, "second")):
            if alike := [one for one in begun if one.is_first == is_first]:
                seconds.append((median(one.seconds for one in alike), which))
                # The processes share pages, of which the machine holds one: each counts once.
                sizes.append((median(one.pss for one in alike), which))
        aim = f"all that `make run` starts on {store} is ready within {READY_SECONDS:g} s"
        found.append(_worst(aim, seconds, max, lambda time: time < READY_SECONDS, "{:.1f} s"))
        aim = f"all that `make run` starts on {store} is under {ALL_MIB:g} MiB"
        found.append(_worst(aim, sizes, max, lambda size: size < ALL_MIB, "{:.0f} MiB"))
    return found


def _worst(
    aim: str,
    values: Sequence[tuple[float, str]],
    choose: Callable[[Iterable[tuple[float, str]]], tuple[float, str]],
    is_met: Callable[[float], bool],
    form: str,
) -> Aim:
    if not values:
        return Aim(aim, "not measured", None)
    value, where = choose(values)
    return Aim(aim, f"{form.format(value)} ({where})", is_met(value))
