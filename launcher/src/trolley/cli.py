"""The command line. What only a cluster needs is in `cluster`."""

import asyncio
import os
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from trolley import cluster, keeping
from trolley.options import FAILED, INTERRUPTED, MISUSED, Data, MongodbUrl, StoreKind, fail, plan_of, require_store
from trolley.services import IN_A_ROW, CannotStart, Plan, Store

if TYPE_CHECKING:
    from trolley.importing import Job, Tally

LAST_PORT = 65535

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
products = typer.Typer(help="What concerns the products service.")
app.add_typer(products, name="products")
app.add_typer(cluster.mongodb, name="mongodb")
app.command()(cluster.secrets)
app.command()(cluster.sample)
app.command()(keeping.backup)
app.command()(keeping.restore)
FirstPort = Annotated[
    int,
    typer.Option(
        help="The port of users; products and carts take the next two.", min=1, max=LAST_PORT - len(IN_A_ROW) + 1
    ),
]
StorefrontPort = Annotated[int, typer.Option(help="The port of the shop's pages.", min=1, max=LAST_PORT)]
ProductsUrl = Annotated[str, typer.Option("--url", help="The products service.")]


def show_version(wanted: bool) -> None:
    """Prints the version and ends."""
    if wanted:
        print(f"trolley {version('trolley-launcher')}")
        raise typer.Exit


@app.callback()
def trolley(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """The whole shop on one machine."""


@app.command()
def up(
    data: Data = Path(".data"),
    empty: Annotated[bool, typer.Option("--empty", help="Start with no products at all.")] = False,
    store: StoreKind = None,
    mongodb_url: MongodbUrl = "",
    first_port: FirstPort = 3000,
    storefront_port: StorefrontPort = 8080,
) -> None:
    """Start all services; Ctrl-C stops them.

    The first start makes a staff account for the demo, kept in staff.json in the data folder, and fills the catalogue.
    """
    require_possible(first_port, storefront_port, store, mongodb_url)
    # Imported here, so that --help and faults on the command line answer at once.
    from trolley.filling import NotReady
    from trolley.processes import Died
    from trolley.up import up as run

    plan = Plan(
        data=data.resolve(),
        first_port=first_port,
        storefront_port=storefront_port,
        store=store or (Store.MONGODB if mongodb_url else Store.SQLITE),
        mongodb_url=mongodb_url,
        empty=empty,
    )
    console = Console()
    try:
        asyncio.run(run(plan, console))
    except CannotStart as reason:
        fail(str(reason), MISUSED)
    except (Died, NotReady) as reason:
        fail(str(reason), FAILED)
    print("Stopped.")


def require_possible(first_port: int, storefront_port: int, store: Store | None, mongodb_url: str) -> None:
    """typer.BadParameter where options do not go together."""
    if storefront_port in range(first_port, first_port + len(IN_A_ROW)):
        raise typer.BadParameter("--storefront-port must not be one of the three from --first-port on.")
    require_store(store, mongodb_url)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV in Shopify's columns, or JSON Lines.", exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, change nothing.")] = False,
    currency: Annotated[str, typer.Option(help="Of prices that come without one.")] = "EUR",
    report: Annotated[
        Path | None, typer.Option(help="Where to write what could not be taken; beside FILE, unless given.")
    ] = None,
    url: ProductsUrl = "http://127.0.0.1:3001",
    users_url: Annotated[str, typer.Option(help="The users service, to sign in.")] = "http://127.0.0.1:3000",
    data: Data = Path(".data"),
    from_start: Annotated[bool, typer.Option("--from-start", help="Do not go on where it stopped before.")] = False,
) -> None:
    """Put the products of a file into a running shop; what is there already is changed.

    Signs in as TROLLEY_EMAIL with TROLLEY_PASSWORD or with TROLLEY_TOKEN, else as the demo's staff account.
    """
    if not re.fullmatch("[A-Z]{3}", currency):
        raise typer.BadParameter("--currency must be three capital letters, as in EUR.")
    from shopfiles.reading import WrongFile
    from trolley.calls import NoShop, Stopped, access
    from trolley.importing import Job, run
    from trolley.reporting import CannotWrite

    if not file.is_file():
        raise typer.BadParameter(f"{file} is no plain file: it is read more than once, which a pipe cannot be.")
    target = report or file.with_name(f"{file.stem}.problems.csv")
    if os.path.exists(target) and target.samefile(file):
        raise typer.BadParameter("--report must not be the file itself.")
    job = Job(file=file, currency=currency, report=target, data=data.resolve(), dry_run=dry_run, from_start=from_start)
    try:
        begun, tally = asyncio.run(run(job, access(url, users_url, job.data, os.environ)))
    except (WrongFile, NoShop, CannotStart, CannotWrite) as reason:
        fail(str(reason), MISUSED)
    except OSError as reason:
        fail(f"{file} cannot be read: {reason.strerror}.", MISUSED)
    except Stopped as reason:
        fail(str(reason), FAILED)
    print(outcome(job, begun, tally))
    raise typer.Exit(FAILED if tally.failed else 0)


def outcome(job: "Job", begun: "Tally", tally: "Tally") -> str:
    """How an import went."""
    words = "would be added, {} changed" if job.dry_run else "added, {} changed or there already"
    lines = [f"{tally.added:,} products {words.format(f'{tally.changed:,}')}, {tally.failed:,} not taken."]
    if begun.line:
        lines.append(f"Taken up again after line {begun.line:,}; --from-start does the whole file.")
    if tally.elsewhere:
        here = tally.failed - tally.elsewhere
        lines.append(
            f"Of these {tally.elsewhere:,} went into the report of an earlier attempt, {here:,} into this one."
        )
    if tally.failed > tally.elsewhere:
        lines.append(f"What was not taken, and why: {job.report}")
    return "\n".join(lines)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write; - for stdout.", dir_okay=False)] = Path("catalogue.csv"),
    format: Annotated[Literal["csv", "jsonl"] | None, typer.Option(help="By the file's name, unless given.")] = None,
    url: ProductsUrl = "http://127.0.0.1:3001",
) -> None:
    """Write the products of a running shop to a file, as trolley import reads them."""
    from trolley.calls import Access, NoShop, Stopped
    from trolley.exporting import STDOUT, run

    chosen = format or ("jsonl" if file.suffix in (".jsonl", ".ndjson") else "csv")
    try:
        count = asyncio.run(run(file, chosen, Access(products_url=url.rstrip("/"), users_url="")))
    except BrokenPipeError:
        # Whoever reads has seen enough; main ends it quietly.
        raise
    except NoShop as reason:
        fail(str(reason), MISUSED)
    except OSError as reason:
        fail(f"{file} cannot be written: {reason.strerror}.", MISUSED)
    except Stopped as reason:
        fail(str(reason), FAILED)
    print(f"{count:,} products written to {file}.", file=sys.stderr if file == STDOUT else sys.stdout)


@app.command()
def doctor(data: Data = Path(".data"), first_port: FirstPort = 3000, storefront_port: StorefrontPort = 8080) -> None:
    """Say what is there and what is missing for `trolley up`, and how to get it."""
    from trolley.doctor import examine

    raise typer.Exit(0 if examine(data.resolve(), first_port, storefront_port, Console()) else FAILED)


@products.command("verify-view")
def verify_view(data: Data = Path(".data"), store: StoreKind = None, mongodb_url: MongodbUrl = "") -> None:
    """Compare what products answers reads from with its store, in full; whether the shop runs or not."""
    plan = plan_of(data, store, mongodb_url)
    from trolley.verifying import verify_view as run

    try:
        raise typer.Exit(asyncio.run(run(plan)))
    except CannotStart as reason:
        fail(str(reason), MISUSED)


def main() -> None:
    """The `trolley` command. Wrong use gets one sentence on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # Names outside Latin must not end the shop on a terminal that cannot show them.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as wrong:
        fail(f"{wrong.format_message().rstrip('.')}; see trolley --help.", MISUSED)
    except (KeyboardInterrupt, typer.Abort):
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # What is left goes nowhere, else the interpreter would complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAILED) from None
    raise SystemExit(code or 0)
