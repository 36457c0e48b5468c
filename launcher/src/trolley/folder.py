"""The data folder: one running launcher at a time, and what was already prepared in it."""

import fcntl
import json
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Any

from trolley.services import CannotStart

ONLY_OWNER = 0o600
SECRET_BYTES = 32
# There from before the first database of the folder is changed by a restore until the last one is.
HALF_RESTORED = "restoring"


class BrokenFile(CannotStart):
    """A file of the data folder is there and holds nothing that can be used."""


class DataFolder:
    """`with DataFolder(path) as folder:` holds the folder for this process; CannotStart where that cannot be.

    One that is half restored is for those alone who restore: `takes_half`.
    """

    def __init__(self, path: Path, *, takes_half: bool = False) -> None:
        self.path = path
        self._takes_half = takes_half
        self.images = path / "images"
        self._prepared = path / "prepared.json"

    def __enter__(self) -> "DataFolder":
        try:
            self.images.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("a")
        except OSError as error:
            raise CannotStart(f"The data folder {self.path} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise CannotStart(f"The data folder {self.path} is in use by another trolley.") from error
        if not self._takes_half:
            try:
                require_whole(self.path)
            except CannotStart:
                self._lock.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()

    def is_prepared(self, store: str) -> bool:
        """Whether the store had its staff account and its sample before; a shop in use is never filled again."""
        return store in self._stores()

    def session_secret(self) -> str:
        """What the storefront encrypts its cookies with: made once, readable by its owner alone."""
        path = self.path / "session.json"
        secret = read_json(path)
        if secret is None:
            secret = secrets.token_urlsafe(SECRET_BYTES)
            write_json(path, secret, ONLY_OWNER)
        if not isinstance(secret, str):
            raise BrokenFile(f"{path} is broken: it must hold a text; mend it or remove it.")
        return secret

    def note_prepared(self, store: str) -> None:
        """Remembers that, for the next start."""
        write_json(self._prepared, sorted({store, *self._stores()}))

    def _stores(self) -> list[str]:
        found = read_json(self._prepared)
        if found is None:
            return []
        if not isinstance(found, list):
            raise BrokenFile(f"{self._prepared} is broken: it must hold a list of stores; mend it.")
        return found


def require_whole(path: Path) -> None:
    """CannotStart where a restore into the data folder was cut short."""
    if (path / HALF_RESTORED).exists():
        raise CannotStart(f"{path} is half restored: repeat trolley restore with --replace.")


def read_json(path: Path) -> Any:
    """What the file holds, None where there is no file; BrokenFile where it cannot be read."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BrokenFile(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BrokenFile(f"{path} is broken: it is not JSON; mend it or remove it.") from error


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Replaces the file as a whole or not at all. It never exists with more permissions than `mode`."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
