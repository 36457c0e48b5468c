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


class DataFolder:
    """`with DataFolder(path) as folder:` holds the folder for this process; CannotStart where that cannot be."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()

    def is_prepared(self, store: str) -> bool:
        """Whether the store had its staff account and its sample before; a shop in use is never filled again."""
        return store in (read_json(self._prepared) or [])

    def session_secret(self) -> str:
        """What the storefront encrypts its cookies with: made once, readable by its owner alone."""
        path = self.path / "session.json"
        secret: str | None = read_json(path)
        if secret is None:
            secret = secrets.token_urlsafe(SECRET_BYTES)
            write_json(path, secret, ONLY_OWNER)
        return secret

    def note_prepared(self, store: str) -> None:
        """Remembers that, for the next start."""
        write_json(self._prepared, sorted({store, *(read_json(self._prepared) or [])}))


def read_json(path: Path) -> Any:
    """What the file holds, None where there is no file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Replaces the file as a whole or not at all. It never exists with more permissions than `mode`."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
