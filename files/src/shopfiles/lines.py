"""A file in lines, numbered from 1, with a bound on each: what is wrong with one is told with it."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

BOM = b"\xef\xbb\xbf"
LINE_MAX = 1024 * 1024


class Line(NamedTuple):
    """A line with its end. `fault` is empty, or says why its text cannot be used."""

    number: int
    text: str
    fault: str = ""


class Lines(Iterator[Line]):
    """The lines of a file from where it stands; some can be given back, to be read again."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        self._again: deque[Line] = deque()

    def __next__(self) -> Line:
        if self._again:
            return self._again.popleft()
        content = self._file.readline(LINE_MAX + 1)
        if not content:
            raise StopIteration
        self._number += 1
        if len(content) > LINE_MAX:
            while content and not content.endswith(b"\n"):
                content = self._file.readline(LINE_MAX)
            return Line(self._number, "", "The line is longer than 1 MiB.")
        if self._number == 1:
            content = content.removeprefix(BOM)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return Line(self._number, content.decode(errors="replace"), "The row is not in UTF-8.")
        return Line(self._number, text, "The row holds a NUL byte." if "\0" in text else "")

    def give_back(self, lines: Iterable[Line]) -> None:
        """These come next, in this order."""
        self._again.extendleft(reversed(list(lines)))


def count_lines(file: BinaryIO) -> int:
    """How many lines the file has, from its beginning; afterwards it stands there again."""
    file.seek(0)
    count, last = 0, b"\n"
    while chunk := file.read(LINE_MAX):
        count += chunk.count(b"\n")
        last = chunk[-1:]
    file.seek(0)
    return count + (last != b"\n")
