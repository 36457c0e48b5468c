"""The commands `trolley backup` and `trolley restore`."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from trolley.options import FAILED, MISUSED, Data, StoreKind, fail, plan_of
from trolley.services import CannotStart, Store

# A password must not stand in a list of processes.
MongodbUrl = Annotated[
    str,
    typer.Option(
        envvar="MONGODB_URL", help="A MongoDB that runs already, without a database name: each service has its own."
    ),
]


def backup(
    target: Annotated[Path | None, typer.Argument(help="A new folder.")] = None,
    into: Annotated[Path | None, typer.Option(help="Instead: a folder of many, each named by its time.")] = None,
    keep: Annotated[int, typer.Option(help="How many stay there, the newest.", min=1)] = 7,
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress; MongoDB only.")] = False,
    data: Data = Path(".data"),
    store: StoreKind = None,
    mongodb_url: MongodbUrl = "",
) -> None:
    """Write all that the services keep into a folder, whether the shop runs or not."""
    if (target is None) == (into is None):
        raise typer.BadParameter("Name either a TARGET or a folder with --into.")
    plan = plan_of(data, store, mongodb_url)
    if gzip and plan.store is Store.SQLITE:
        raise typer.BadParameter("--gzip is for a shop on MongoDB alone.")
    from shopkit.values import now
    from trolley.backing_up import BackupFailed, back_up, series

    moment = now()
    try:
        with series(into.resolve(), moment, keep) if into else nullcontext((target or Path()).absolute()) as place:
            manifest = asyncio.run(back_up(plan, place, moment, gzip))
    except CannotStart as reason:
        fail(str(reason), MISUSED)
    except BackupFailed as reason:
        fail(str(reason), FAILED)
    except OSError as reason:
        fail(f"The backup cannot be written: {reason.strerror}.", FAILED)
    print(f"{sum(manifest.counts.values()):,} records written to {place}.")


def restore(
    source: Annotated[Path, typer.Argument(help="What trolley backup has written.")],
    replace: Annotated[bool, typer.Option("--replace", help="What is there now goes.")] = False,
    data: Data = Path(".data"),
    store: StoreKind = None,
    mongodb_url: MongodbUrl = "",
) -> None:
    """Put a backup back into a shop that is stopped. Cut short, it can be repeated."""
    plan = plan_of(data, store, mongodb_url)
    from trolley.restoring import RestoreFailed
    from trolley.restoring import restore as run

    try:
        manifest = asyncio.run(run(plan, source.absolute(), replace))
    except CannotStart as reason:
        fail(str(reason), MISUSED)
    except RestoreFailed as reason:
        fail(str(reason), FAILED)
    print(f"{sum(manifest.counts.values()):,} records of {manifest.moment} are back.")
