"""Figures as people read them (RESULTS.md) and as programs do (results.json)."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

import msgspec

from bench.measure import Resident, Sample, Start

NOISE = 0.1


class Run(NamedTuple):
    """One whole run of the benchmark."""

    command: str
    date: str
    machine: Sequence[tuple[str, str]]
    method: Sequence[str]
    catalogue: int
    requests_before_later: int
    samples: Sequence[Sample]
    residents: Sequence[Resident]
    starts: Sequence[Start]


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


def grouped(samples: Sequence[Sample]) -> dict[tuple[str, str], list[Sample]]:
    """By work and store, in the order in which they were first taken."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for taken in samples:
        groups.setdefault((taken.work, taken.store), []).append(taken)
    works = list(dict.fromkeys(work for work, _ in groups))
    return dict(sorted(groups.items(), key=lambda group: works.index(group[0][0])))


def markdown(run: Run) -> str:
    """The page."""
    sections = [
        ["# Results", "", f"Written by `{run.command}` on {run.date}; do not edit.", ""],
        [*(f"- {name}: {text}" for name, text in run.machine), f"- {_noise(run.samples)}", ""],
        ["## Requests", "", *run.method, "", *_requests(run), ""],
        ["## Memory of each service", "", *_residents(run), ""] if run.residents else [],
        ["## From `trolley up` to ready", "", *_starts(run.starts), ""] if run.starts else [],
    ]
    return "\n".join(line for section in sections for line in section)


def _noise(samples: Sequence[Sample]) -> str:
    other = Figure.of(taken.other_work for taken in samples)
    verdict = "the machine was quiet" if other.median < NOISE else "THE MACHINE WAS BUSY: take the figures as too high"
    return f"Other work while measuring took {other.text(2)} of a core: {verdict}"


def _requests(run: Run) -> list[str]:
    rows = []
    for (work, store), taken in grouped(run.samples).items():
        figures = [
            Figure.of(one.cpu_us for one in taken).text(),
            Figure.of(one.others_us for one in taken).text(),
            Figure.of(one.per_second for one in taken).text(),
            Figure.of(one.p50_ms for one in taken).text(1),
            Figure.of(one.p99_ms for one in taken).text(1),
        ]
        rows.append([work, store, *figures])
    return _table(["work", "store", "CPU µs", "neighbours' µs", "requests/s", "p50 ms", "p99 ms"], rows)


def _residents(run: Run) -> list[str]:
    rows = [
        [one.service, one.store, *(f"{value:.0f}" for value in (*one.at_start, *one.later))] for one in run.residents
    ]
    after = f"after {run.requests_before_later:,} requests"
    head = ["service", "store", "RSS at start", "PSS at start", f"RSS {after}", f"PSS {after}"]
    text = "MiB of its process tree; RSS counts pages that processes share several times, PSS once."
    return [text, "", *_table(head, rows)]


def _starts(starts: Sequence[Start]) -> list[str]:
    rows = []
    for (store, is_first), taken in _alike(starts).items():
        memory = [Figure.of(one.memory.rss for one in taken).text(), Figure.of(one.memory.pss for one in taken).text()]
        seconds = Figure.of(one.seconds for one in taken).text(1)
        rows.append([store, "first, with the sample" if is_first else "second", seconds, *memory])
    text = "On all cores. Memory in MiB is that of the launcher and all that it started, on MongoDB `mongod` too."
    return [text, "", *_table(["store", "start", "seconds", "RSS", "PSS"], rows)]


def _alike(starts: Sequence[Start]) -> dict[tuple[str, bool], list[Start]]:
    groups: dict[tuple[str, bool], list[Start]] = {}
    for start in starts:
        groups.setdefault((start.store, start.is_first), []).append(start)
    return groups


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---" if name in {"work", "store", "service", "start"} else "--:" for name in head]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]


def json(run: Run) -> bytes:
    """One object a kind of work and store, then memory and starts."""
    rows: list[dict[str, Any]] = []
    for (work, store), taken in grouped(run.samples).items():
        row: dict[str, Any] = {"work": work, "store": store, "catalogue": run.catalogue}
        cpu = Figure.of(one.cpu_us for one in taken)
        row |= {"trolley_us": round(cpu.median, 1), "trolley_us_range": [round(cpu.least, 1), round(cpu.most, 1)]}
        row["neighbours_us"] = round(median(one.others_us for one in taken), 1)
        row["requests_per_second"] = round(median(one.per_second for one in taken))
        row |= {"p50_ms": median(one.p50_ms for one in taken), "p99_ms": median(one.p99_ms for one in taken)}
        rows.append(row | {"rounds": len(taken)})
    for one in run.residents:
        row = {"work": f"memory of {one.service}", "store": one.store, "catalogue": run.catalogue}
        rows.append(row | {"rss_mib": round(one.at_start.rss), "rss_mib_after_requests": round(one.later.rss)})
    for (store, is_first), begun in _alike(run.starts).items():
        row = {"work": "first start" if is_first else "second start", "store": store}
        row["seconds"] = round(median(start.seconds for start in begun), 2)
        rows.append(row | {"rss_mib": round(median(start.memory.rss for start in begun))})
    return msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n"
