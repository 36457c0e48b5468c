"""Which names a file had already, and where: some twenty bytes each, so that a million of them fit anywhere."""

from array import array

FIRST_SIZE = 1 << 12
MASK = (1 << 64) - 1


class Seen:
    """Keeps a hash of each name instead of the name; that two of a million share one is one case in thirty million."""

    def __init__(self) -> None:
        self._count = 0
        self._make(FIRST_SIZE)

    def add(self, name: str, line: int) -> int:
        """The line where this name was first; 0, and the line is kept, where it is new."""
        key = (hash(name) & MASK) or 1
        place = self._place(key)
        if self._keys[place]:
            return self._lines[place]
        self._keys[place], self._lines[place] = key, line
        self._count += 1
        if self._count * 3 > len(self._keys) * 2:
            self._grow()
        return 0

    def _make(self, size: int) -> None:
        self._keys = array("Q", bytes(8 * size))
        self._lines = array("Q", bytes(8 * size))

    def _place(self, key: int) -> int:
        mask = len(self._keys) - 1
        place = key & mask
        while self._keys[place] not in (0, key):
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        keys, lines = self._keys, self._lines
        self._make(len(keys) * 2)
        for key, line in zip(keys, lines, strict=True):
            if key:
                place = self._place(key)
                self._keys[place], self._lines[place] = key, line
