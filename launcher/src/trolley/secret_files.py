"""`trolley secrets --into FOLDER`: everything secret of a shop in containers, made where it is missing.

FOLDER has a folder for whoever reads what is in it, so that each container mounts its own alone. What belongs together
(passwords and the addresses they are part of) is made to agree, so it may be repeated, and cut short at any point.
"""

import os
from collections.abc import Callable
from pathlib import Path

from trolley import cluster_secrets as make
from trolley.preparing import KEY_FILE, USERS

# Root writes; whoever shares the group of this process reads.
MODE, KEY_MODE = 0o440, 0o400


class CannotKeep(Exception):
    """The folder cannot be written to; one sentence."""


def complete(folder: Path, members: str, key_owner: int | None) -> int:
    """Makes what is missing and says how many files were written. `members` are HOST:PORT; the key file goes to a user
    by number, for mongod takes it only where nobody else can read it. CannotKeep."""
    try:
        return _complete(folder, members, key_owner)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CannotKeep(f"Secrets cannot be kept in {folder}: {reason}.") from error


def _complete(folder: Path, members: str, key_owner: int | None) -> int:
    members_folder = folder / "mongodb"
    made = 0
    # Never read again: it may belong to somebody else.
    if not (members_folder / KEY_FILE).exists():
        _write(members_folder / KEY_FILE, make.key_file(), key_owner)
        made += 1
    passwords = {}
    for name in USERS:
        passwords[name], is_new = _kept(members_folder / f"{name}-password", make.password)
        made += is_new
    made += _kept(folder / "storefront" / "SESSION_SECRET", make.session_secret)[1]
    made += _kept(folder / "grafana" / "admin-password", make.password)[1]
    root = make.mongodb_url("root", passwords["root"], members, "admin", database="")
    for name, texts in (make.addresses(passwords, members) | {"restore": {"MONGODB_URL": root}}).items():
        for key, text in texts.items():
            path = folder / name / key
            if not path.exists() or path.read_text() != text:
                _write(path, text)
                made += 1
    return made


def _kept(path: Path, new: Callable[[], str]) -> tuple[str, bool]:
    """What the file holds, and whether it was made just now."""
    if path.exists():
        return path.read_text(), False
    text = new()
    _write(path, text)
    return text, True


def _write(path: Path, text: str, owner: int | None = None) -> None:
    """Whole or not at all, never readable by more than it will be; a key file is the one with an owner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, KEY_MODE), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        if path.name == KEY_FILE:
            os.fchown(file.fileno(), -1 if owner is None else owner, -1)
        else:
            os.fchmod(file.fileno(), MODE)
    draft.replace(path)
