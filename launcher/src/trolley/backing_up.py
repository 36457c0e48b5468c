"""`trolley backup`: all that users, products and carts keep, into a folder, while they go on."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from trolley.backup_folder import MANIFEST, PARTIAL, Manifest, new_folder, seal
from trolley.folder import ONLY_OWNER, require_whole
from trolley.processes import Processes
from trolley.services import HOST, IN_A_ROW, CannotStart, Plan, Store
from trolley.up import mongodb

DATABASES = tuple(f"trolley_{name}" for name in IN_A_ROW)
BY_TIME = "%Y-%m-%dT%H-%M-%SZ"


class BackupFailed(Exception):
    """There is no new backup; one sentence says why."""


async def back_up(plan: Plan, target: Path, moment: datetime, zipped: bool) -> Manifest:
    """Writes `target`. CannotStart where that cannot begin, BackupFailed later; then nothing is left of it."""
    require_there(plan)
    with new_folder(target) as draft:
        if plan.store is Store.SQLITE:
            counts = await asyncio.to_thread(_copy, plan, draft)
        else:
            async with mongodb(of_running(plan), Processes()) as url:
                counts = await asyncio.to_thread(_dump, url, draft, zipped)
        return seal(draft, version("trolley-launcher"), str(plan.store), moment.isoformat(), counts)


def require_there(plan: Plan) -> None:
    """CannotStart where the plan's store does not exist."""
    if plan.store is Store.SQLITE:
        require_whole(plan.data)
        for name in IN_A_ROW:
            if not (plan.data / f"{name}.db").is_file():
                raise CannotStart(
                    f"There is no database file {plan.data / name}.db; for a shop on MongoDB set MONGODB_URL."
                )
    elif not plan.mongodb_url and not (plan.data / "mongodb").is_dir():
        raise CannotStart(f"There is no MongoDB in {plan.data}: give the address of one, --mongodb-url or MONGODB_URL.")


def of_running(plan: Plan) -> Plan:
    """The same; where the shop runs on a mongod of its own, with that one's address."""
    if plan.mongodb_url:
        return plan
    try:
        number = int((plan.data / "mongodb" / "mongod.lock").read_text())
        command = Path(f"/proc/{number}/cmdline").read_text().split("\0")
    except (OSError, ValueError):
        return plan
    if str(plan.data / "mongodb") not in command or "--port" not in command:
        return plan
    return replace(plan, mongodb_url=f"mongodb://{HOST}:{command[command.index('--port') + 1]}/?replicaSet=trolley")


@contextmanager
def series(folder: Path, moment: datetime, keep: int) -> Iterator[Path]:
    """Where the backup of that moment goes in a folder of many; afterwards the newest `keep` stay.

    One at a time: CannotStart where another is at work. What earlier ones left that were killed goes.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A file, for a folder of a network's cannot be locked.
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, ONLY_OWNER)
    except OSError as error:
        raise CannotStart(f"{folder} cannot be used: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in folder.glob(f".*{PARTIAL}"):
            shutil.rmtree(left)
        yield folder / moment.strftime(BY_TIME)
        for old in _backups(folder)[:-keep]:
            # Under this name first, so that one that is half removed does not look whole.
            gone = old.rename(old.with_name(f".{old.name}{PARTIAL}"))
            shutil.rmtree(gone)
    except BlockingIOError as error:
        raise CannotStart(f"Another backup is being written into {folder}.") from error
    finally:
        os.close(lock)


def _backups(folder: Path) -> list[Path]:
    """The backups by time, the oldest first; what has another name is somebody else's."""
    found = []
    for path in folder.iterdir():
        try:
            datetime.strptime(path.name, BY_TIME)  # noqa: DTZ007
        except ValueError:
            continue
        if (path / MANIFEST).is_file():
            found.append(path)
    return sorted(found)


def _copy(plan: Plan, draft: Path) -> dict[str, int]:
    from trolley.stores.sqlite_copy import CannotCopy, copy

    counts: dict[str, int] = {}
    for name in IN_A_ROW:
        try:
            tables = copy(plan.data / f"{name}.db", draft / f"{name}.db")
        except CannotCopy as error:
            raise BackupFailed(str(error)) from error
        counts |= {f"{name}/{table}": count for table, count in tables.items()}
    return counts


def _dump(url: str, draft: Path, zipped: bool) -> dict[str, int]:
    from trolley.stores.mongo_dump import MongoFailed, dump

    try:
        counts = dump(url, DATABASES, draft, zipped)
    except MongoFailed as error:
        raise BackupFailed(str(error)) from error
    missing = [name for name in DATABASES if not any(each.startswith(f"{name}/") for each in counts)]
    if missing:
        raise BackupFailed(f"There is nothing in the database {missing[0]}: is this the MongoDB of a shop?")
    return counts
