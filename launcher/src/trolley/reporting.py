"""The report of an import: what could not be taken, in a file that a later attempt goes on with."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shopfiles.reading import Fault
from shopfiles.report import HEADING, report_lines


class CannotWrite(Exception):
    """Something that an import must write cannot be; one sentence for the person at the keyboard."""


@contextmanager
def writing(what: str) -> Iterator[None]:
    """What the system says against it becomes CannotWrite."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"{what} cannot be written: {error.strerror}.") from error


class Report:
    """A report in one place. It appears with its first fault; all methods raise CannotWrite."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._what = f"The report {path}"

    def require_writable(self) -> None:
        """CannotWrite where a report could not be written; changes nothing."""
        path = Path(os.path.realpath(self._path))
        with writing(self._what):
            if path.is_file():
                path.open("ab").close()
                return
            if path.exists():
                raise CannotWrite(f"{self._what} cannot be written: it is no plain file.")
            try:
                path.write_text(HEADING)
            finally:
                path.unlink(missing_ok=True)

    def add(self, size: int, faults: Sequence[Fault]) -> int:
        """Writes the faults behind the first `size` bytes of the report, which it has now; how many it has then."""
        if not faults:
            return size
        with writing(self._what), self._path.open("r+b" if size and self._path.exists() else "wb") as file:
            # What was written after the last step that was kept will be found again.
            kept = min(size, file.seek(0, os.SEEK_END))
            file.truncate(kept)
            file.seek(kept)
            if not kept:
                file.write(HEADING.encode())
            file.write(report_lines(faults).encode())
            return file.tell()

    def holds(self, size: int) -> bool:
        """Whether so many bytes of it are still there."""
        return self._path.is_file() and self._path.stat().st_size >= size

    def remove_old(self) -> None:
        """Nothing is to be reported: what an earlier import left goes. A file that is no report stays."""
        with writing(self._what):
            if self._path.is_file() and self._is_report():
                self._path.unlink()

    def _is_report(self) -> bool:
        with self._path.open("rb") as file:
            return file.read(len(HEADING)) == HEADING.encode()
