"""`trolley restore`: a shop as it was at the moment of a backup."""

import asyncio
import shutil
from pathlib import Path

from trolley.backing_up import DATABASES
from trolley.backup_folder import Manifest, Unusable, flush, read
from trolley.folder import HALF_RESTORED, ONLY_OWNER, DataFolder
from trolley.processes import Processes
from trolley.services import IN_A_ROW, CannotStart, Plan, Store
from trolley.up import mongodb


class RestoreFailed(Exception):
    """It ended midway; one sentence. Repeated, it makes up for that."""


async def restore(plan: Plan, source: Path, replace: bool) -> Manifest:
    """Puts what `source` holds in place of what the stores hold. CannotStart while nothing was changed yet."""
    manifest = await asyncio.to_thread(read, source)
    if manifest.store != plan.store:
        raise Unusable(f"{source} is a backup of {manifest.store}, and this is a shop on {plan.store}.")
    _require_shop(source, manifest)
    if plan.mongodb_url and not plan.data.is_dir():
        # As in a cluster, where there is nothing but the database.
        await asyncio.to_thread(_load, plan.mongodb_url, source, manifest, replace)
        return manifest
    with DataFolder(plan.data, takes_half=True) as folder:
        if plan.store is Store.SQLITE:
            await asyncio.to_thread(_put_files, plan.data, source, replace)
        else:
            async with mongodb(plan, Processes()) as url:
                await asyncio.to_thread(_load, url, source, manifest, replace)
            _forget_view(plan.data)
        # It has its products and accounts: the next start must not fill it with the sample.
        folder.note_prepared(plan.store_name())
    return manifest


def _require_shop(source: Path, manifest: Manifest) -> None:
    """Unusable unless all three services are in it."""
    expected = IN_A_ROW if manifest.store == Store.SQLITE else DATABASES
    found = {name.partition("/")[0] for name in manifest.counts}
    if found != set(expected):
        raise Unusable(f"{source} holds not what a shop on {manifest.store} keeps.")


def _put_files(data: Path, source: Path, replace: bool) -> None:
    from trolley.stores.sqlite_copy import begin_history, holds_data, is_in_use

    mark = data / HALF_RESTORED
    if not replace and (mark.exists() or any(holds_data(data / f"{name}.db") for name in IN_A_ROW)):
        raise CannotStart(f"There is a shop in {data} already: --replace puts the backup in its place.")
    for name in IN_A_ROW:
        if is_in_use(data / f"{name}.db"):
            raise CannotStart(f"The {name} service runs on {data / name}.db: stop it first.")
    drafts = {}
    try:
        for name in IN_A_ROW:
            draft = data / f"{name}.db.restoring"
            shutil.copyfile(source / f"{name}.db", draft)
            draft.chmod(ONLY_OWNER)
            if name == "products":
                begin_history(draft)
            flush(draft)
            drafts[name] = draft
        mark.touch()
        flush(data)
        # First, for a view of what comes later must not be taken for one of what is put here.
        _forget_view(data)
        for name, draft in drafts.items():
            # A log of the old file would be played into the new one.
            for log in ("-wal", "-shm", "-journal"):
                (data / f"{name}.db{log}").unlink(missing_ok=True)
            draft.replace(data / f"{name}.db")
        flush(data)
        mark.unlink()
        flush(data)
    except OSError as error:
        raise RestoreFailed(f"{data} cannot be written: {error.strerror}. Repeat it with --replace.") from error


def _forget_view(data: Path) -> None:
    """Products fills its read view anew at the next start."""
    if (data / "products-view").is_dir():
        shutil.rmtree(data / "products-view")


def _load(url: str, source: Path, manifest: Manifest, replace: bool) -> None:
    from trolley.stores.mongo_dump import MongoFailed
    from trolley.stores.mongo_load import connected, holds_data, load

    try:
        if running := connected(url, IN_A_ROW):
            raise CannotStart(f"The shop runs, {' and '.join(running)} at least: stop its services first.")
        if not replace and holds_data(url, DATABASES):
            raise CannotStart("There is a shop in this MongoDB already: --replace puts the backup in its place.")
        load(url, source, manifest.counts)
    except MongoFailed as error:
        raise RestoreFailed(f"{error} Repeat it with --replace.") from error
