"""Where a replica's indexes live: one folder for each that was built, and a file that names the one in use."""

import fcntl
import os
import shutil
from pathlib import Path

from products.product import is_id
from shopkit.errors import Unavailable
from shopkit.values import new_id

CURRENT, LOCK = "current", "lock"
# Before the id that each index's folder is named by: whatever else is in the folder is somebody else's.
PREFIX = "index-"


class Home:
    """The folder of one process at a time; others may only read there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def claim(self) -> None:
        """Takes the folder, making it where there is none; Unavailable as long as another process has it."""
        if self._lock is not None:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Let go by the kernel however the process ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise Unavailable(f"Another process uses VIEW_DIR {self.path}: each replica needs its own.") from error
        self._lock = lock

    def leave(self) -> None:
        """Lets another process have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def current(self) -> Path | None:
        """The folder of the index in use."""
        return current(self.path)

    def new(self) -> Path:
        """A folder for another index."""
        return self.path / f"{PREFIX}{new_id()}"

    def use(self, folder: Path) -> None:
        """From now on this one is in use; the others go."""
        draft = self.path / f"{CURRENT}.new"
        draft.write_text(folder.name)
        draft.replace(self.path / CURRENT)
        self.tidy(folder)

    def tidy(self, served: Path | None) -> None:
        """Removes all indexes but the one that is served and the one that is in use; what is no index stays."""
        kept = {served, self.current()}
        for other in self.path.iterdir():
            if _is_index(other.name) and other.is_dir() and other not in kept:
                shutil.rmtree(other, ignore_errors=True)


def current(home: Path) -> Path | None:
    """The folder of the index in use there."""
    try:
        name = (home / CURRENT).read_text().strip()
    except (OSError, ValueError):
        return None
    return home / name if _is_index(name) and (home / name).is_dir() else None


def _is_index(name: str) -> bool:
    return name.startswith(PREFIX) and is_id(name.removeprefix(PREFIX))
