"""What `trolley mongodb prepare` is told: the members, and the files of the Secret `mongodb`."""

import re
from dataclasses import dataclass
from pathlib import Path

from trolley.services import IN_A_ROW

KEY_FILE = "keyfile"
USERS = ("root", *IN_A_ROW, "backup")
PORT_MAX = 65535


class Unusable(Exception):
    """What the command was given cannot be used; one sentence."""


class NotPrepared(Exception):
    """The members could not be prepared; one sentence that says what is in the way."""


@dataclass(frozen=True)
class Passwords:
    """The members' key, without white space, and the password of each user by name."""

    key: str
    of: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Passwords":
        """The files as Kubernetes mounts them; Unusable where one is missing or empty."""
        # mongod passes over white space in its key file, and the password that it makes of it has none.
        key = "".join(_read(folder / KEY_FILE).split())
        return cls(key, {name: _read(folder / f"{name}-password") for name in USERS})


def _read(path: Path) -> str:
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise Unusable(
            f"{path} cannot be read ({error.strerror}): trolley secrets makes the Secret mongodb."
        ) from error
    except ValueError as error:
        raise Unusable(f"{path} is no text: trolley secrets makes the Secret mongodb.") from error
    if not text:
        raise Unusable(f"{path} is empty: trolley secrets makes the Secret mongodb.")
    return text


def members_in(hosts: str) -> list[str]:
    """HOST:PORT of each member; Unusable where one is none."""
    members = [host.strip() for host in hosts.split(",")]
    for member in members:
        found = re.fullmatch(r"[A-Za-z0-9._-]+:([0-9]{1,5})", member)
        if found is None or not 0 < int(found[1]) <= PORT_MAX:
            raise Unusable(f"--hosts must be HOST:PORT, split by commas, and {member!r} is not.")
    if len(set(members)) < len(members):
        raise Unusable("--hosts names a member twice.")
    return members
