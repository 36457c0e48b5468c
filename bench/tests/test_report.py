"""The figures on the page are those that were measured."""

import json
import os
import subprocess

from bench import catalogue, report
from bench.measure import Resident, Sample, Start
from bench.processes import Memory, cpu_seconds, memory


def a_sample(work: str, store: str, cpu_us: float) -> Sample:
    return Sample(work, store, cpu_us, others_us=2.0, per_second=1000, p50_ms=1.5, p99_ms=4.0, other_work=0.01)


RUN = report.Run(
    command="python -m bench",
    date="2026-01-01",
    machine=[("CPU", "2 x test")],
    method=["Medians."],
    catalogue=200,
    requests_before_later=10_000,
    samples=[
        *(a_sample(work, "sqlite", cpu) for cpu in (30, 10, 1020) for work in ("ping", "list")),
        a_sample("ping", "mongodb", 7),
    ],
    residents=[Resident("users", "sqlite", Memory(100, 60), Memory(120, 80))],
    starts=[Start("sqlite", True, 3.14, Memory(400, 200))],
)


def test_the_page_tells_median_and_range_and_keeps_the_stores_of_one_work_together() -> None:
    page = report.markdown(RUN).splitlines()
    rows = [line for line in page if line.startswith(("| ping", "| list"))]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| ping", "sqlite", "30 (10 to 1,020)"],
        ["| ping", "mongodb", "7 (7 to 7)"],
        ["| list", "sqlite", "30 (10 to 1,020)"],
    ]
    assert "| users | sqlite | 100 | 60 | 120 | 80 |" in page
    assert any("first, with the sample | 3.1" in line for line in page)


def test_programs_find_the_same_figures_as_json() -> None:
    rows = json.loads(report.json(RUN))
    first = {name: rows[0][name] for name in ("work", "store", "catalogue", "trolley_us", "rounds")}
    assert first == {"work": "ping", "store": "sqlite", "catalogue": 200, "trolley_us": 30, "rounds": 3}
    assert {"memory of users", "first start"} < {row["work"] for row in rows}


def test_a_busy_machine_is_told_as_busy() -> None:
    assert "the machine was quiet" in report.markdown(RUN)
    busy = RUN._replace(samples=[taken._replace(other_work=0.8) for taken in RUN.samples])
    assert "THE MACHINE WAS BUSY" in report.markdown(busy)


def test_a_catalogue_of_one_size_is_always_the_same() -> None:
    assert catalogue.products(30) == catalogue.products(30)
    skus = [variant["sku"] for product in catalogue.products(30) for variant in product["variants"]]
    assert len(set(skus)) == 90
    assert set(catalogue.skus(30)) < set(skus)


def test_what_a_process_starts_counts_as_its_own() -> None:
    before, alone = cpu_seconds(os.getpid()), memory(os.getpid())
    with subprocess.Popen(
        ["sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo; read x"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout
        child.stdout.readline()
        assert cpu_seconds(os.getpid()) - before >= cpu_seconds(child.pid) > 0
        assert memory(os.getpid()).rss > alone.rss
        child.communicate(b"\n")
