"""Medians and ratios: a row for each kind of work, store of Trolley and size of catalogue."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from bench.figures import Latency, Part, Sample
from bench.server import EXPRESS, FASTAPI, TROLLEY

SERVERS = (TROLLEY, EXPRESS, FASTAPI)
SIGN_IN = "sign-in"
SIGN_IN_BARE = "sign-in without argon2"


class Figure(NamedTuple):
    """Several values of the same thing."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Figure":
        """Their median and range; there is at least one."""
        ordered = sorted(values)
        return cls(median(ordered), ordered[0], ordered[-1])

    def text(self, digits: int = 0) -> str:
        """Such as `52 (50 to 57)`."""
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f} to {self.most:,.{digits}f})"


class Found(NamedTuple):
    """What one server needed for one kind of work; milliseconds are None where they were not measured."""

    cpu_us: Figure
    neighbours_us: float
    database_us: float
    per_second: Figure
    p50_ms: float | None
    p99_ms: float | None
    # Of those requests, how many were not answered.
    failed: int


class Row(NamedTuple):
    """One kind of work: `by` server what it needed. Peers are on MongoDB, whatever the store of Trolley."""

    work: str
    store: str
    catalogue: int
    rounds: int
    rate: float | None
    by: dict[str, Found]

    @property
    def ratio(self) -> float | None:
        """How many times Trolley's CPU Express needs."""
        if EXPRESS not in self.by or TROLLEY not in self.by:
            return None
        return self.by[EXPRESS].cpu_us.median / self.by[TROLLEY].cpu_us.median


def rows_of(parts: Sequence[Part]) -> list[Row]:
    """In the order in which works were measured, the stores of one work together, small catalogues first."""
    samples = [taken for part in parts for one in part.samples for taken in _with_bare(one)]
    latencies = [one for part in parts for one in part.latencies]
    works = dict.fromkeys((one.work, one.store, one.catalogue) for one in samples if one.server == TROLLEY)
    names = list(dict.fromkeys(one.work for one in samples))
    ordered = sorted(works, key=lambda key: (key[2], names.index(key[0])))
    return [_row(*key, samples, latencies) for key in ordered]


def _with_bare(taken: Sample) -> list[Sample]:
    if taken.work != SIGN_IN:
        return [taken]
    # A hash may take longer beside others than alone, and never less than nothing is left.
    rest = max(0.0, taken.own_us - taken.hashing_us)
    return [taken, replace(taken, work=SIGN_IN_BARE, own_us=rest)]


def _row(work: str, store: str, catalogue: int, samples: list[Sample], latencies: list[Latency]) -> Row:
    by, rates, rounds = {}, [], 0
    for server in SERVERS:
        of = [
            one
            for one in samples
            if (one.work, one.server, one.catalogue) == (work, server, catalogue)
            and (one.store == store or server != TROLLEY)
        ]
        times = [
            one
            for one in latencies
            if (one.work, one.server, one.catalogue) == (work, server, catalogue)
            and (one.store == store or server != TROLLEY)
        ]
        if of:
            by[server] = _found(of, times)
            rounds = max(rounds, len(of))
            rates += [one.rate for one in times]
    return Row(work, store, catalogue, rounds, median(rates) if rates else None, by)


def _found(samples: Sequence[Sample], latencies: Sequence[Latency]) -> Found:
    return Found(
        Figure.of(one.cpu_us for one in samples),
        median(one.others_us for one in samples),
        median(one.database_us for one in samples),
        Figure.of(one.per_second for one in samples),
        median(one.p50_ms for one in latencies) if latencies else None,
        median(one.p99_ms for one in latencies) if latencies else None,
        sum(one.failed for one in latencies),
    )


def to_json(rows: Sequence[Row]) -> bytes:
    """For programs: `work`, `store`, `catalogue`, `trolley_us`, `express_us`, `fastapi_us`, `ratio`, and more."""
    return msgspec.json.format(msgspec.json.encode([_members(row) for row in rows]), indent=1) + b"\n"


def _members(row: Row) -> dict[str, Any]:
    cpu = {f"{name}_us": round(row.by[name].cpu_us.median, 1) if name in row.by else None for name in SERVERS}
    ratio = None if row.ratio is None else round(row.ratio, 2)
    told: dict[str, Any] = {"work": row.work, "store": row.store, "catalogue": row.catalogue, **cpu, "ratio": ratio}
    told |= {"rounds": row.rounds, "rate_per_second": None if row.rate is None else round(row.rate, 1)}
    for name, found in row.by.items():
        told[f"{name}_us_range"] = [round(found.cpu_us.least, 1), round(found.cpu_us.most, 1)]
        told[f"{name}_neighbours_us"] = round(found.neighbours_us, 1)
        told[f"{name}_database_us"] = round(found.database_us, 1)
        told[f"{name}_requests_per_second"] = round(found.per_second.median, 1)
        told |= {
            f"{name}_p50_ms": _rounded(found.p50_ms),
            f"{name}_p99_ms": _rounded(found.p99_ms),
            f"{name}_failed": found.failed,
        }
    return told


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 2)
