"""CSV in records (RFC 4180), each with the line it begins on; a broken one costs itself and none of its neighbours."""

import csv
from collections.abc import Iterator
from typing import NamedTuple

from shopfiles.lines import Line, Lines

# A quote that is never closed would take in the rest of the file. Characters, more than any product has.
RECORD_MAX = 512 * 1024
UNCLOSED = "A quote in this row is not closed."


class Record(NamedTuple):
    """One row of cells."""

    line: int
    cells: list[str]


class Broken(NamedTuple):
    """A row that cannot be read; `text` is as much of it as there is."""

    line: int
    text: str
    detail: str


class _Endless(Exception):
    """A record goes on and on: a quote was never closed."""


def records(lines: Lines, delimiter: str) -> Iterator[Record | Broken]:
    """All records. After a broken one, reading goes on with the line behind its first."""
    csv.field_size_limit(RECORD_MAX)
    taken: list[Line] = []
    reader = csv.reader(_feed(lines, taken), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (_Endless, csv.Error) as error:
            first, *others = taken
            lines.give_back(others)
            reader = csv.reader(_feed(lines, taken), delimiter=delimiter, strict=True)
            yield Broken(first.number, first.text, first.fault or _words(str(error)))
            continue
        fault = next((line.fault for line in taken if line.fault), "")
        if fault:
            yield Broken(taken[0].number, taken[0].text, fault)
        elif any(map(str.strip, cells)):
            yield Record(taken[0].number, cells)


def _feed(lines: Lines, taken: list[Line]) -> Iterator[str]:
    """The lines of one record after the other; `taken` gets those of the present one."""
    size = 0
    for line in lines:
        size = size + len(line.text) if taken else len(line.text)
        taken.append(line)
        if size > RECORD_MAX:
            raise _Endless(UNCLOSED)
        yield line.text


def _words(error: str) -> str:
    if error == UNCLOSED or "end of data" in error:
        return UNCLOSED
    return "The quotes of this row are broken: a quote inside a quoted cell is written twice."
