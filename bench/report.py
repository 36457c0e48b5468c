"""Figures as people read them: RESULTS.md."""

from collections.abc import Callable, Iterable, Sequence

from bench.aims import aims
from bench.figures import Part, Start
from bench.rows import SERVERS, SIGN_IN_BARE, Figure, Found, Row
from bench.server import TROLLEY

NOISE = 0.1
VERDICTS = {True: "yes", False: "**no**", None: "-"}
NAMES = {"trolley": "Trolley", "express": "Express", "fastapi": "FastAPI"}
LEFT = {"work", "store", "service", "start", "server", "aim", "found", "met?"}


def markdown(parts: Sequence[Part], rows: Sequence[Row]) -> str:
    """The page."""
    last = max(parts, key=lambda part: (len(part.samples), part.date))
    sections = [
        ["# Results", "", *_written(parts), "", *(f"- {name}: {text}" for name, text in last.machine)],
        [f"- {_noise(parts)}", ""],
        ["## Aims", "", "Computed from the figures below; of several the worst counts.", "", *_aims(parts, rows), ""],
        ["![CPU of a request on each server](results.svg)", ""] if rows else [],
        ["## How it is measured", "", last.method] if rows else [],
        *([f"## {size:,} products", "", *_catalogue(rows, size)] for size in sorted({row.catalogue for row in rows})),
        *_rest(parts),
    ]
    return "\n".join(line for section in sections for line in section)


def _written(parts: Sequence[Part]) -> list[str]:
    runs = {part.command: part.date for part in sorted(parts, key=lambda part: part.date)}
    return [f"Written by `{command}`, done on {date}; do not edit." for command, date in runs.items()]


def _noise(parts: Sequence[Part]) -> str:
    values = [taken.other_work for part in parts for taken in part.samples]
    if not values:
        return "No requests were measured"
    other = Figure.of(values)
    verdict = "the machine was quiet" if other.median < NOISE else "THE MACHINE WAS BUSY: take the figures as too high"
    return f"Other work while measuring took {other.text(2)} of a core: {verdict}"


def _aims(parts: Sequence[Part], rows: Sequence[Row]) -> list[str]:
    return table(["aim", "found", "met?"], [[one.aim, one.found, VERDICTS[one.is_met]] for one in aims(parts, rows)])


def _catalogue(rows: Sequence[Row], size: int) -> list[str]:
    chosen = [row for row in rows if row.catalogue == size]
    measured = [row for row in chosen if row.work != SIGN_IN_BARE]
    names = [NAMES[server] for server in SERVERS]
    cpu_head = ["work", "store", *(f"{name} CPU µs" for name in names), "Express / Trolley"]
    cpu = [[*_of(row, lambda found: found.cpu_us.text()), _ratio(row)] for row in chosen]
    beside_head = ["work", "store", "neighbours' µs", *(f"mongod for {name} µs" for name in names)]
    beside = [
        [*cells[:2], f"{row.by[TROLLEY].neighbours_us:,.0f}", *cells[2:]]
        for row in measured
        for cells in [_of(row, lambda found: f"{found.database_us:,.0f}")]
    ]
    most = [_of(row, lambda found: found.per_second.text()) for row in measured]
    time_head = ["work", "store", "requests/s sent", *(f"{name} p50 / p99 ms" for name in names)]
    times = [[*cells[:2], _number(row.rate), *cells[2:]] for row in measured for cells in [_of(row, _times)]]
    return [
        *("CPU of the server for a request:", "", *table(cpu_head, cpu), ""),
        *("Of that Trolley's other services, and besides it the database:", "", *table(beside_head, beside), ""),
        *("Requests a second at most:", "", *table(["work", "store", *names], most), ""),
        *("Time to the answer at a constant rate:", "", *table(time_head, times), ""),
    ]


def _of(row: Row, text: Callable[[Found], str]) -> list[str]:
    return [row.work, row.store, *(text(row.by[name]) if name in row.by else "-" for name in SERVERS)]


def _times(found: Found) -> str:
    if found.p50_ms is None or found.p99_ms is None:
        return "-"
    return f"{found.p50_ms:.1f} / {found.p99_ms:.1f}" + (f", {found.failed} failed" if found.failed else "")


def _ratio(row: Row) -> str:
    return "-" if row.ratio is None else f"**{row.ratio:.1f}**"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _rest(parts: Sequence[Part]) -> Iterable[list[str]]:
    """What is not about single requests."""
    if pairs := [pair for part in parts for pair in part.pairs]:
        apart = "requests a second of two by those of one"
        shared = "twice the CPU of a request of one by that of two, since the load has no core of its own"
        text = (
            f"One process and two, each on a core of its own. The factor is {apart if pairs[0].is_apart else shared}."
        )
        head = ["work", "store", "one: CPU µs", "two: CPU µs", "one: requests/s", "two: requests/s", "factor"]
        cells = [[p.one_us, p.two_us, p.one_per_second, p.two_per_second] for p in pairs]
        lines = [
            [pair.work, pair.store, *(f"{value:,.0f}" for value in values), f"**{pair.factor:.2f}**"]
            for pair, values in zip(pairs, cells, strict=True)
        ]
        yield ["## Two processes", "", text, "", *table(head, lines), ""]
    if residents := [one for part in parts for one in part.residents]:
        text = "MiB of the process tree; RSS counts pages that processes share several times, PSS once."
        moments = ("with the catalogue", "after all work")
        head = [
            "server",
            "store",
            "service",
            "products",
            *(f"{kind} {when}" for when in moments for kind in ("RSS", "PSS")),
        ]
        lines = [
            [NAMES[one.server], one.store, one.service, f"{one.catalogue:,}"]
            + [f"{value:.0f}" for value in (one.rss, one.pss, one.rss_later, one.pss_later)]
            for one in sorted(residents, key=lambda one: one.catalogue)
        ]
        yield ["## Memory", "", text, "", *table(head, lines), ""]
    if starts := [one for part in parts for one in part.starts]:
        text = "On all cores. Memory in MiB is that of the launcher and all that it started, on MongoDB `mongod` too."
        yield ["## From `trolley up` to ready", "", text, "", *_starts(starts), ""]


def _starts(starts: Sequence[Start]) -> list[str]:
    lines = []
    for store, is_first in dict.fromkeys((one.store, one.is_first) for one in starts):
        alike = [one for one in starts if (one.store, one.is_first) == (store, is_first)]
        figures = [Figure.of(one.seconds for one in alike).text(1)]
        figures += [Figure.of(one.rss for one in alike).text(), Figure.of(one.pss for one in alike).text()]
        lines.append([store, "first, with the sample" if is_first else "second", *figures])
    return table(["store", "start", "seconds", "RSS", "PSS"], lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of figures to the right."""
    rule = ["---" if name in LEFT else "--:" for name in head]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]
