"""`trolley export`: the catalogue of a running shop into a file, page by page through its API."""

import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from shopfiles.writing import Format, heading, written
from trolley.calls import Access, Shop
from trolley.meter import Meter

PAGE = 100
STDOUT = Path("-")


async def run(path: Path, format: Format, access: Access) -> int:
    """How many products were written. The file is there as a whole or not at all."""
    count = 0
    async with Shop(access) as shop:
        with destination(path) as file, Meter("Exporting", "products") as meter:
            file.write(heading(format).encode())
            async for page in pages(shop):
                file.write("".join(written(product, format) for product in page["items"]).encode())
                count += len(page["items"])
                meter.show(count, page["total"])
    return count


async def pages(shop: Shop) -> AsyncIterator[dict[str, Any]]:
    """The whole list. Its order is one that no change of a product moves it in: none is missed, none comes twice."""
    params: dict[str, str | int] = {"limit": PAGE, "sort": "-created_at"}
    while True:
        page = await shop.get(params)
        yield page
        if page["next_cursor"] is None:
            return
        params["cursor"] = page["next_cursor"]


@contextmanager
def destination(path: Path) -> Iterator[BinaryIO]:
    """Where to write. Under its own name a file appears when it is complete; what is no file is written into."""
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
    else:
        # A link stays, what it points to is replaced.
        with replaced(Path(os.path.realpath(path))) as file:
            yield file


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A draft that takes the place of the file when all went well, with the permissions that the file had."""
    permissions = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        at_first = 0o666 if permissions is None else permissions
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, at_first), "wb") as file:
            if permissions is not None:
                os.fchmod(file.fileno(), permissions)
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
