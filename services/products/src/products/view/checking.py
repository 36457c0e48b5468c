"""Whether the files of an index still hold what was written: the library looks at each file's end alone."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import DecodeError

PORTION = 2**20
# Each file ends with what it is made by and its checksum, as JSON, the length of that, and a magic number.
TAIL, TAIL_MAX = 8, 4096


class _Deletes(msgspec.Struct):
    opstamp: int


class _Segment(msgspec.Struct):
    segment_id: str
    deletes: _Deletes | None = None


class _Meta(msgspec.Struct):
    segments: list[_Segment]


class _Footer(msgspec.Struct):
    crc: int


def is_sound(folder: Path) -> bool:
    """Whether all files of the last commit have the checksums they were written with."""
    try:
        meta = msgspec.json.decode((folder / "meta.json").read_bytes(), type=_Meta)
        return all(_has_its_checksum(path) for path in _files(folder, meta))
    except (OSError, DecodeError):
        return False


def _files(folder: Path, meta: _Meta) -> Iterator[Path]:
    """Those of the commit; others may be there that a crash left half written, and nobody reads."""
    for segment in meta.segments:
        name = segment.segment_id.replace("-", "")
        deletes = f"{name}.{segment.deletes.opstamp}.del" if segment.deletes is not None else None
        yield from (path for path in folder.glob(f"{name}.*") if path.name.count(".") == 1 or path.name == deletes)


def _has_its_checksum(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL - TAIL_MAX))
        end = file.read()
        length = int.from_bytes(end[-TAIL : -TAIL + 4], "little")
        footer = msgspec.json.decode(end[-TAIL - length : -TAIL], type=_Footer)
        file.seek(0)
        left, found = size - TAIL - length, 0
        while left > 0 and (portion := file.read(min(left, PORTION))):
            found = zlib.crc32(portion, found)
            left -= len(portion)
    return found == footer.crc
