"""`trolley import`: a catalogue file into a running shop, through its API, from where the last attempt ended."""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO

from shopfiles.importing import import_entries
from shopfiles.lines import count_lines
from shopfiles.reading import Entry, Fault, read
from shopfiles.report import HEADING, report_lines
from trolley.calls import Access, NoShop, Shop, Stopped
from trolley.folder import read_json, write_json
from trolley.meter import Meter


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
    """How far an import is: every product up to the one that begins on `line` is done, and so many bytes reported."""

    line: int = 0
    added: int = 0
    changed: int = 0
    failed: int = 0
    reported: int = 0


class State:
    """Where an import stands, so that it can be taken up again: kept by what the file holds, not by its name."""

    def __init__(self, job: Job, access: Access, content: str) -> None:
        name = sha256("\n".join([content, job.currency, access.products_url]).encode()).hexdigest()[:32]
        self._path = job.data / "imports" / f"{name}.json"

    def read(self) -> Tally:
        """Zero where it never began, or came to its end."""
        try:
            return Tally(**(read_json(self._path) or {}))
        except (ValueError, TypeError):
            return Tally()

    def write(self, tally: Tally) -> None:
        """As a whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._path, asdict(tally))

    def remove(self) -> None:
        """The import is at its end: the next one begins from the start."""
        self._path.unlink(missing_ok=True)


async def run(job: Job, access: Access) -> tuple[Tally, Tally]:
    """Imports the file; where it began, all zero unless an earlier attempt is taken up, and how it went.

    WrongFile and NoShop before anything is sent; Stopped where it came to no end, with a sentence on how to go on.
    """
    with job.file.open("rb") as file:
        require_alone(file, job.file)
        state = State(job, access, file_digest(file, "sha256").hexdigest())
        begun = tally = Tally() if job.dry_run or job.from_start else state.read()
        total = count_lines(file)
        entries = read(file, job.file.name, job.currency)
        try:
            async with Shop(access) as shop, aclosing(steps(job, shop, entries, begun)) as done:
                with Meter("Checking" if job.dry_run else "Importing", "lines") as meter:
                    meter.show(begun.line, total)
                    async for tally in done:
                        if not job.dry_run:
                            state.write(tally)
                        meter.show(tally.line, total)
        except (Stopped, asyncio.CancelledError) as reason:
            raise Stopped(how_to_go_on(job, str(reason), tally, total)) from reason
    if not job.dry_run:
        state.remove()
    return begun, tally


async def steps(job: Job, shop: Shop, entries: Iterator[Entry | Fault], begun: Tally) -> AsyncGenerator[Tally, None]:
    """The rest of the file, batch by batch; faults are in the report before they are counted."""
    rest = (entry for entry in entries if entry.line > begun.line)
    reported = begun.reported
    async with aclosing(import_entries(rest, shop.look_up if job.dry_run else shop.place)) as progress:
        async for step in progress:
            reported = report(job.report, reported, step.faults)
            yield Tally(
                step.done,
                begun.added + step.added,
                begun.changed + step.changed,
                begun.failed + step.failed,
                reported,
            )


def report(path: Path, size: int, faults: Sequence[Fault]) -> int:
    """Writes the faults behind the first `size` bytes of the report, which it has now; how many it has then."""
    if not faults:
        return size
    with path.open("r+b" if size and path.exists() else "wb") as file:
        # What was written after the last step that was kept will be found again. The file may also be another, or gone.
        kept = min(size, file.seek(0, os.SEEK_END))
        file.truncate(kept)
        file.seek(kept)
        if not kept:
            file.write(HEADING.encode())
        file.write(report_lines(faults).encode())
        return file.tell()


def require_alone(file: BinaryIO, path: Path) -> None:
    """NoShop where this file is being imported by another process. Ends with the file being closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise NoShop(f"{path} is being imported already.") from error
    except OSError:
        # Not every file system locks files that are open for reading.
        return


def how_to_go_on(job: Job, reason: str, tally: Tally, total: int) -> str:
    """What was in the way, how far it is, and what to do."""
    go_on = "nothing was changed" if job.dry_run else "the same command goes on from there"
    return f"{reason or 'Interrupted.'} Stopped at line {tally.line:,} of {total:,}; {go_on}."
