"""The figures on the page are those that were measured."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from bench import figures
from bench.aims import aims
from bench.chart import chart
from bench.figures import Latency, Pair, Part, Resident, Sample, Start
from bench.report import markdown
from bench.rows import rows_of, to_json


def samples(work: str, server: str, store: str, *cpu: float, others: float = 0.0, size: int = 10_000) -> list[Sample]:
    return [Sample(work, server, store, size, us, others, 7.0, 1e6 / us, 0.01) for us in cpu]


def everywhere(work: str, sqlite: float, mongodb: float, express: float, size: int = 10_000) -> list[Sample]:
    """One sample of each server."""
    return [
        *samples(work, "trolley", "sqlite", sqlite, size=size),
        *samples(work, "trolley", "mongodb", mongodb, size=size),
        *samples(work, "express", "mongodb", express, size=size),
    ]


PART = Part(
    command="python -m bench",
    date="2026-01-01 10:00 UTC",
    machine=[("CPU", "2 x test")],
    method="Medians.",
    samples=[
        *samples("ping", "trolley", "sqlite", 30, 10, 1020),
        *samples("ping", "trolley", "mongodb", 40, 60, 50),
        *samples("ping", "express", "mongodb", 90, 100, 800),
        *samples("ping", "fastapi", "mongodb", 75),
        *samples("read a cart, 1 line", "trolley", "mongodb", 50, others=25),
        *samples("read a cart, 1 line", "express", "mongodb", 300),
        Sample("sign-in", "trolley", "sqlite", 10_000, 20_500, 0, 0, 40, 0.01, hashing_us=20_000),
        Sample("sign-in", "express", "mongodb", 10_000, 11_000, 0, 0, 80, 0.01, hashing_us=10_000),
    ],
    latencies=[Latency("ping", "trolley", "sqlite", 10_000, 500.0, 100, p50, 4.0) for p50 in (1.0, 3.0, 2.0)],
    residents=[Resident("products", "trolley", "sqlite", 100_000, 250, 200, 299, 240)],
    starts=[Start("sqlite", True, 3.14, 600, 400), Start("sqlite", True, 6.0, 720, 520)],
)
ROWS = rows_of([PART])


def told(part: Part) -> dict[str, tuple[str, bool | None]]:
    """What was found for each aim, and whether it is met."""
    return {one.aim: (one.found, one.is_met) for one in aims([part], rows_of([part]))}


def aim_of(part: Part, beginning: str) -> tuple[str, bool | None]:
    (found,) = [found for aim, found in told(part).items() if aim.startswith(beginning)]
    return found


def test_programs_find_medians_and_the_ratio_of_express_to_trolley() -> None:
    rows = json.loads(to_json(ROWS))
    names = ("work", "store", "catalogue", "trolley_us", "express_us", "fastapi_us", "ratio")
    assert [[row[name] for name in names] for row in rows[:2]] == [
        ["ping", "sqlite", 10_000, 30, 100, 75, 3.33],
        ["ping", "mongodb", 10_000, 50, 100, 75, 2.0],
    ]
    assert rows[0]["trolley_us_range"] == [10, 1020]
    assert (rows[0]["trolley_p50_ms"], rows[0]["trolley_p99_ms"], rows[0]["rate_per_second"]) == (2, 4, 500)
    assert rows[0]["rounds"] == 3


def test_what_the_neighbours_used_is_part_of_it() -> None:
    (row,) = [row for row in json.loads(to_json(ROWS)) if row["work"] == "read a cart, 1 line"]
    assert (row["trolley_us"], row["trolley_neighbours_us"], row["express_us"], row["ratio"]) == (75, 25, 300, 4)
    assert (row["fastapi_us"], row["trolley_database_us"]) == (None, 7)


def test_a_sign_in_is_told_with_the_hash_and_without() -> None:
    rows = {row["work"]: row for row in json.loads(to_json(ROWS))}
    assert (rows["sign-in"]["trolley_us"], rows["sign-in"]["ratio"]) == (20_500, 0.54)
    assert (rows["sign-in without argon2"]["trolley_us"], rows["sign-in without argon2"]["ratio"]) == (500, 2)


def test_the_page_tells_median_and_range_and_keeps_the_stores_of_one_work_together() -> None:
    page = markdown([PART], ROWS).splitlines()
    rows = [line for line in page if line.startswith(("| ping", "| read a cart"))][:3]
    assert [row.split(" | ")[:4] for row in rows] == [
        ["| ping", "sqlite", "30 (10 to 1,020)", "100 (90 to 800)"],
        ["| ping", "mongodb", "50 (40 to 60)", "100 (90 to 800)"],
        ["| read a cart, 1 line", "mongodb", "75 (75 to 75)", "300 (300 to 300)"],
    ]
    assert "| ping | sqlite | 500 | 2.0 / 4.0 | - | - |" in page
    assert "| Trolley | sqlite | products | 100,000 | 250 | 200 | 299 | 240 |" in page
    assert any("first, with the sample | 4.6 (3.1 to 6.0) | 660 (600 to 720)" in line for line in page)


def test_of_several_ratios_the_worst_decides() -> None:
    good = everywhere("product by id", 10, 20, 100, 200)
    bad = everywhere("product by id", 10, 21, 100)
    assert aim_of(Part(samples=good), "product by id on mongodb") == ("5.0 times (product by id, 200 products)", True)
    assert aim_of(Part(samples=good + bad), "product by id on mongodb")[1] is False
    assert aim_of(Part(samples=good + bad), "product by id on sqlite")[1] is True


def test_both_ways_to_add_and_both_sizes_of_cart_count() -> None:
    part = Part(
        samples=everywhere("add a new SKU, 1 line", 10, 10, 40) + everywhere("add a held SKU, 1 line", 9, 9, 40)
    )
    assert aim_of(part, "add to cart on sqlite") == ("4.0 times (add a new SKU, 1 line, 10,000 products)", True)
    part.samples += everywhere("add a new SKU, 100 lines", 15, 16, 40)
    assert aim_of(part, "add to cart on sqlite")[1] is False
    assert aim_of(part, "add to a cart of 100 lines on sqlite") == ("1.50 times (add a new SKU, 100 lines)", True)
    assert aim_of(part, "add to a cart of 100 lines on mongodb")[1] is False


def test_only_the_largest_catalogue_counts_for_latency_and_memory() -> None:
    part = Part(samples=everywhere("list by category", 1, 1, 9, 200) + everywhere("list by category", 1, 1, 9, 100_000))
    part.latencies = [Latency("list by category", "trolley", "sqlite", 200, 10, 10, 1, 50)]
    assert aim_of(part, "list by category: p99")[1] is None
    part.latencies += [Latency("list by category", "trolley", "sqlite", 100_000, 10, 10, 1, 9.9)]
    assert aim_of(part, "list by category: p99") == ("9.9 ms (list by category on sqlite)", True)
    part.latencies += [Latency("list by category", "trolley", "mongodb", 100_000, 10, 10, 1, 10.1)]
    assert aim_of(part, "list by category: p99")[1] is False
    part.latencies[-1] = Latency("list by category", "trolley", "mongodb", 100_000, 10, 10, 1, 2, failed=1)
    assert aim_of(part, "list by category: p99") == ("inf ms (list by category on mongodb)", False)
    assert "| 1.0 / 2.0, 1 failed | - | - |" in markdown([part], rows_of([part]))
    assert aim_of(PART, "resident memory of products") == ("299 MiB (on sqlite)", True)


def test_starts_are_held_to_their_medians() -> None:
    assert aim_of(PART, "all that `make run` starts on sqlite is ready") == ("4.6 s (first)", True)
    assert aim_of(PART, "all that `make run` starts on sqlite is under") == ("460 MiB (first)", True)
    assert aim_of(PART, "all that `make run` starts on mongodb is ready") == ("not measured", None)


def test_two_processes_are_told_by_their_cpu_where_the_load_has_no_core_of_its_own() -> None:
    shared, apart = (Pair("list", "mongodb", 200, 100, 110, 1000, 900, is_apart) for is_apart in (False, True))
    assert (round(shared.factor, 2), round(apart.factor, 2)) == (1.82, 0.9)
    assert aim_of(Part(pairs=[shared]), "two processes")[1] is True
    assert aim_of(Part(pairs=[shared, apart]), "two processes") == ("0.90 times (list)", False)


def test_a_part_is_kept_as_it_was(tmp_path: Path) -> None:
    figures.keep(PART, tmp_path / "measured" / "one.json")
    assert figures.kept([tmp_path / "measured/one.json", tmp_path / "none.json"]) == [PART]


def test_a_busy_machine_is_told_as_busy() -> None:
    assert "the machine was quiet" in markdown([PART], ROWS)
    busy = Part(samples=[Sample("ping", "trolley", "sqlite", 200, 1, 1, 1, 1, other_work=0.8)])
    assert "THE MACHINE WAS BUSY" in markdown([busy], rows_of([busy]))


def test_bars_of_the_chart_are_as_long_as_the_figures() -> None:
    part = Part(samples=everywhere("list <1>", 100, 50, 100) + everywhere("ping", 10, 400, 100))
    drawing = ElementTree.fromstring(chart(rows_of([part])))
    space = "{http://www.w3.org/2000/svg}"
    bars = [float(bar.get("width", "0")) for bar in drawing.iter(f"{space}rect") if bar.get("height") == "10"]
    assert (bars[0], round(bars[1] * 2)) == (bars[2], round(bars[0]))
    assert [round(bar / bars[2], 2) for bar in bars[3:]] == [0.1, 1.5, 1.0]
    texts = [text.text for text in drawing.iter(f"{space}text")]
    assert {"list <1>", "400, 4.0 times"} < set(texts)
