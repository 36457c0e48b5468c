"""What `trolley import` and `trolley export` cannot read or write: said in a sentence, and nothing is lost."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from shopfiles.reading import Fault
from shopfiles.report import HEADING
from trolley.reporting import Report

COLUMNS = "Handle,Title,Variant SKU,Variant Price"
BAD = "bad,Bad,{},x"
# Six batches.
MANY = 2600


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([COLUMNS, *rows, ""]))
    return path


def many(path: Path, prefix: str) -> Path:
    """With two products that cannot be taken, the first and the last."""
    good = (f"{prefix}-{number},Mug,{prefix}-{number},9.95" for number in range(MANY))
    return write(path, BAD.format("B-1"), *good, "worse,Worse,B-2,x")


def assert_one_sentence(ended: Any, words: str, code: int = 2) -> None:
    assert (ended.code, ended.out) == (code, "")
    assert len(ended.err.splitlines()) == 1
    assert words in ended.err


async def test_a_file_that_is_shortened_meanwhile_is_not_taken_for_its_end(
    shop: Any, gate: Any, tmp_path: Path
) -> None:
    file = many(tmp_path / "many.csv", "SH")
    content = file.read_bytes()
    gate.let(2)
    command = shop.begin("import", file, url=gate.url)
    await gate.shut.wait()
    os.truncate(file, 0)
    gate.let(MANY)
    out, err = await asyncio.to_thread(command.communicate, timeout=30)
    kept = shop.line()
    assert (command.returncode, out) == (1, "")
    assert kept > 0
    assert err == (
        f"{file} changed while it was read. Stopped at line {kept:,} of {MANY + 3:,};"
        " with the file as it was, the same command goes on from there.\n"
    )
    file.write_bytes(content)
    again = await asyncio.to_thread(shop.trolley, "import", file, url=gate.url)
    assert f"Taken up again after line {kept:,}" in again.out
    assert " 2 not taken." in again.out
    assert shop.products_by_sku(f"SH-{MANY - 1}") != {}


@pytest.mark.parametrize("report", [".", "none/report.csv", "/dev/full", "one.csv/report.csv"])
def test_a_report_that_cannot_be_written_is_found_before_anything_is_sent(
    shop: Any, tmp_path: Path, report: str
) -> None:
    file = write(tmp_path / "one.csv", "rep,Rep,REP-1,5", BAD.format("REP-2"))
    assert_one_sentence(shop.trolley("import", file, "--report", tmp_path / report), "The report ")
    assert shop.products_by_sku("REP-1") == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.csv"]


def test_a_place_that_cannot_be_kept_is_found_before_anything_is_sent(shop: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "one.csv", "pl,Place,PL-1,5")
    (tmp_path / "staff.json").write_text((shop.data / "staff.json").read_text())
    (tmp_path / "imports").touch()
    assert_one_sentence(shop.trolley("import", file, "--data", tmp_path), "where imports keep their place, cannot be")
    assert shop.products_by_sku("PL-1") == {}


async def test_a_report_that_can_be_written_no_more_stops_it_with_a_way_to_go_on(
    shop: Any, gate: Any, tmp_path: Path
) -> None:
    file = many(tmp_path / "many.csv", "GO")
    folder = tmp_path / "reports"
    folder.mkdir()
    gate.let(2)
    command = shop.begin("import", file, "--report", folder / "r.csv", url=gate.url)
    await gate.shut.wait()
    (folder / "r.csv").unlink()
    folder.rmdir()
    gate.let(MANY)
    out, err = await asyncio.to_thread(command.communicate, timeout=30)
    kept = shop.line()
    assert (command.returncode, out) == (1, "")
    assert kept > 0
    assert err == (
        f"The report {folder / 'r.csv'} cannot be written: No such file or directory."
        f" Stopped at line {kept:,} of {MANY + 3:,}; the same command goes on from there.\n"
    )
    elsewhere = tmp_path / "r.csv"
    again = await asyncio.to_thread(shop.trolley, "import", file, "--report", elsewhere, url=gate.url)
    assert f"Taken up again after line {kept:,}" in again.out
    assert again.code == 1


async def test_going_on_with_another_report_tells_what_is_in_it(shop: Any, gate: Any, tmp_path: Path) -> None:
    file = many(tmp_path / "many.csv", "AN")
    other = tmp_path / "other.csv"
    other.write_text(HEADING * 100)
    gate.let(2)
    command = shop.begin("import", file, url=gate.url)
    await gate.shut.wait()
    command.send_signal(signal.SIGINT)
    await asyncio.to_thread(command.communicate, timeout=30)
    gate.let(MANY)
    ended = await asyncio.to_thread(shop.trolley, "import", file, "--report", other, url=gate.url)
    assert " 2 not taken." in ended.out
    assert "Of these 1 went into the report of an earlier attempt, 1 into this one." in ended.out
    assert ended.out.endswith(f"What was not taken, and why: {other}\n")
    assert [line.split(",")[1] for line in other.read_text().splitlines()] == ["name", "worse"]
    before = (tmp_path / "many.problems.csv").read_text()
    assert [line.split(",")[1] for line in before.splitlines()] == ["name", "bad"]


def test_a_report_goes_on_behind_what_was_kept_of_it(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    report = Report(path)
    assert report.add(0, []) == 0
    assert not path.exists()
    first, second, third = (Fault(line, "x", "Is bad.") for line in (2, 3, 4))
    kept = report.add(0, [first])
    report.add(kept, [second])
    report.add(kept, [third])
    assert [line[0] for line in path.read_text().splitlines()] == ["l", "2", "4"]
    path.unlink()
    report.add(kept, [third])
    assert [line[0] for line in path.read_text().splitlines()] == ["l", "4"]


def test_a_report_of_faults_that_were_mended_goes_and_no_other_file_does(shop: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "sr.csv", "sr,Sr,SR-1,x")
    assert shop.trolley("import", file).code == 1
    report = tmp_path / "sr.problems.csv"
    assert report.exists()
    write(file, "sr,Sr,SR-1,5")
    assert shop.trolley("import", file).code == 0
    assert not report.exists()
    report.write_text("my own notes")
    assert shop.trolley("import", file).code == 0
    assert report.read_text() == "my own notes"


def test_a_report_is_never_the_file_itself_by_another_name(shop: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "same.csv", BAD.format("X"))
    (tmp_path / "hard.csv").hardlink_to(file)
    (tmp_path / "soft.csv").symlink_to(file)
    for name in ("hard.csv", "soft.csv"):
        assert_one_sentence(shop.trolley("import", file, "--report", tmp_path / name), "must not be the file itself")
    assert BAD.format("X") in file.read_text()


@pytest.mark.parametrize("content", ["{", '{"email": 1}', '{"email": "a"}', "[1]", "\xff"])
def test_a_broken_staff_file_is_named(shop: Any, tmp_path: Path, content: str) -> None:
    file = write(tmp_path / "st.csv", "st,St,ST-1,5")
    (tmp_path / "staff.json").write_text(content, encoding="latin-1")
    refused = shop.trolley("import", file, "--data", tmp_path)
    assert_one_sentence(refused, f"{tmp_path / 'staff.json'} is broken")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TROLLEY_TOKEN": "tökén"}, "TROLLEY_TOKEN is no token"),
        ({"TROLLEY_TOKEN": "a\nb"}, "TROLLEY_TOKEN is no token"),
        ({"TROLLEY_EMAIL": "a@b.example", "TROLLEY_PASSWORD": "\udcff"}, "TROLLEY_PASSWORD is not in UTF-8"),
    ],
)
def test_what_nobody_can_sign_in_with_is_named(
    shop: Any, tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    file = write(tmp_path / "en.csv", "en,En,EN-1,5")
    assert_one_sentence(shop.trolley("import", file, **environment), words)


def test_a_pipe_is_no_file_to_import(shop: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert_one_sentence(shop.trolley("import", tmp_path / "pipe"), "is no plain file")


def test_an_export_writes_through_links_and_leaves_permissions_as_they_are(shop: Any, tmp_path: Path) -> None:
    target, link = tmp_path / "secret.csv", tmp_path / "link.csv"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert shop.trolley("export", link).code == 0
    assert link.readlink() == target
    assert target.read_text().startswith("Handle,")
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "secret.csv"]


async def test_an_export_writes_into_what_is_no_file(shop: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_text))
    ended = await asyncio.to_thread(shop.trolley, "export", pipe)
    assert ended.code == 0
    assert (await reading).startswith("Handle,")
    assert pipe.is_fifo()
    assert_one_sentence(shop.trolley("export", "/dev/full"), "/dev/full cannot be written: No space left on device.")


def test_an_export_ends_quietly_when_nobody_reads_on(shop: Any) -> None:
    command = shop.begin("export", "-")
    command.stdout.close()
    assert command.stderr.read() == ""
    assert command.wait(timeout=30) == 1
    command.stderr.close()
