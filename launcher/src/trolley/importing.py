"""`trolley import`: a catalogue file into a running shop, through its API, from where the last attempt ended."""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO

from shopfiles.importing import import_entries
from shopfiles.lines import count_lines
from shopfiles.reading import Entry, Fault, read
from trolley.calls import Access, NoShop, Shop, Stopped
from trolley.folder import BrokenFile, read_json, write_json
from trolley.meter import Meter
from trolley.reporting import CannotWrite, Report, writing


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `trolley import` was asked for."""

    file: Path
    currency: str
    report: Path
    data: Path
    dry_run: bool
    from_start: bool


@dataclass(frozen=True)
class Tally:
    """How far an import is: every product up to the one that begins on `line` is done, and so many bytes reported.

    `report` is the absolute path of the report; `elsewhere` of the failed are not in it, but in one before.
    """

    line: int = 0
    added: int = 0
    changed: int = 0
    failed: int = 0
    reported: int = 0
    report: str = ""
    elsewhere: int = 0


class State:
    """Where an import stands, so that it can be taken up again: kept by what the file holds, not by its name."""

    def __init__(self, job: Job, access: Access, content: str) -> None:
        name = sha256("\n".join([content, job.currency, access.products_url]).encode()).hexdigest()[:32]
        self._path = job.data / "imports" / f"{name}.json"
        self._is_kept = not job.dry_run

    def read(self) -> Tally:
        """Zero where it never began, or came to its end."""
        try:
            return Tally(**(read_json(self._path) or {}))
        except (BrokenFile, TypeError):
            return Tally()

    def write(self, tally: Tally) -> None:
        """As a whole or not at all; CannotWrite. Of a dry run nothing is kept."""
        if self._is_kept:
            with writing(f"{self._path.parent}, where imports keep their place,"):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_json(self._path, asdict(tally))

    def remove(self) -> None:
        """The import is at its end: the next one begins from the start."""
        if self._is_kept:
            self._path.unlink(missing_ok=True)


class FileChanged(Stopped):
    """The file is no longer what it was when the import of it began."""


async def run(job: Job, access: Access) -> tuple[Tally, Tally]:
    """Imports the file; where it began, all zero unless an earlier attempt is taken up, and how it went.

    WrongFile, NoShop and CannotWrite before anything is sent; Stopped where it came to no end, with a sentence on how
    to go on.
    """
    with job.file.open("rb") as file:
        require_alone(file, job.file)
        stamp = stamp_of(file)
        state = State(job, access, file_digest(file, "sha256").hexdigest())
        begun = in_report(Tally() if job.dry_run or job.from_start else state.read(), job.report)
        total = count_lines(file)
        entries = unchanged(read(file, job.file.name, job.currency), file, stamp)
        Report(job.report).require_writable()
        async with Shop(access) as shop:
            state.write(begun)
            async with aclosing(steps(job, shop, entries, begun)) as done:
                return begun, await follow(job, done, state, begun, total)


async def follow(job: Job, done: AsyncGenerator[Tally], state: State, begun: Tally, total: int) -> Tally:
    """Keeps and shows each step; the last one. Stopped where there is no end."""
    tally = begun
    try:
        with Meter("Checking" if job.dry_run else "Importing", "lines") as meter:
            meter.show(begun.line, total)
            async for step in done:
                state.write(step)
                tally = step
                meter.show(tally.line, total)
        if not tally.failed:
            Report(job.report).remove_old()
    except (Stopped, NoShop, CannotWrite, OSError, asyncio.CancelledError) as reason:
        raise Stopped(how_to_go_on(job, reason, tally, total)) from reason
    state.remove()
    return tally


async def steps(job: Job, shop: Shop, entries: Iterator[Entry | Fault], begun: Tally) -> AsyncGenerator[Tally]:
    """The rest of the file, batch by batch; faults are in the report before they are counted."""
    rest = (entry for entry in entries if entry.line > begun.line)
    report = Report(job.report)
    reported = begun.reported
    async with aclosing(import_entries(rest, shop.look_up if job.dry_run else shop.place)) as progress:
        async for step in progress:
            reported = report.add(reported, step.faults)
            yield replace(
                begun,
                line=step.done,
                added=begun.added + step.added,
                changed=begun.changed + step.changed,
                failed=begun.failed + step.failed,
                reported=reported,
            )


def in_report(begun: Tally, path: Path) -> Tally:
    """The same with the report at `path`: where that is not the one that was begun, none of the faults is in it."""
    here = os.path.realpath(path)
    if begun.report == here and Report(path).holds(begun.reported):
        return begun
    return replace(begun, report=here, reported=0, elsewhere=begun.failed)


def stamp_of(file: BinaryIO) -> tuple[int, int]:
    """What changes with the content: size and time of the last change."""
    found = os.stat(file.fileno())
    return found.st_size, found.st_mtime_ns


def unchanged(entries: Iterator[Entry | Fault], file: BinaryIO, stamp: tuple[int, int]) -> Iterator[Entry | Fault]:
    """The entries as far as the file is what it was; FileChanged before the first that may be another."""
    for entry in entries:
        if stamp_of(file) != stamp:
            break
        yield entry
    if stamp_of(file) != stamp:
        raise FileChanged(f"{file.name} changed while it was read.")


def require_alone(file: BinaryIO, path: Path) -> None:
    """NoShop where this file is being imported by another process. Ends with the file being closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise NoShop(f"{path} is being imported already.") from error
    except OSError:
        # Not every file system locks files that are open for reading.
        return


def how_to_go_on(job: Job, reason: BaseException, tally: Tally, total: int) -> str:
    """What was in the way, how far it is, and what to do."""
    go_on = "the same command goes on from there"
    if isinstance(reason, FileChanged):
        go_on = "with the file as it was, the same command goes on from there"
    if job.dry_run:
        go_on = "nothing was changed"
    return f"{str(reason) or 'Interrupted.'} Stopped at line {tally.line:,} of {total:,}; {go_on}."
