"""The command line: `trolley up` and `trolley doctor`."""

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer
from rich.console import Console

from trolley.services import NAMES, CannotStart, Plan, Store

LAST_PORT = 65535
FAILED, MISUSED, INTERRUPTED = 1, 2, 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
Data = Annotated[Path, typer.Option(help="The folder that holds all data.", file_okay=False)]
FirstPort = Annotated[
    int,
    typer.Option(
        help="The port of users; products and carts take the next two.", min=1, max=LAST_PORT - len(NAMES) + 1
    ),
]


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
    store: Annotated[
        Store | None, typer.Option(help="Where the services keep their data; sqlite, unless there is a --mongodb-url.")
    ] = None,
    mongodb_url: Annotated[
        str, typer.Option(help="A MongoDB that runs already, without a database name: each service has its own.")
    ] = "",
    first_port: FirstPort = 3000,
) -> None:
    """Start all services; Ctrl-C stops them.

    The first start makes a staff account for the demo, kept in staff.json in the data folder, and fills the catalogue.
    """
    if mongodb_url and store is Store.SQLITE:
        raise typer.BadParameter("--mongodb-url does not go with --store sqlite.")
    store = store or (Store.MONGODB if mongodb_url else Store.SQLITE)
    address = urlsplit(mongodb_url)
    if mongodb_url and (address.scheme not in {"mongodb", "mongodb+srv"} or not address.netloc):
        raise typer.BadParameter("--mongodb-url must look like mongodb://HOST:PORT/?OPTIONS.")
    if address.path.strip("/"):
        raise typer.BadParameter("--mongodb-url must not name a database: each service has its own.")
    # Imported here, so that --help and faults on the command line answer at once.
    from trolley.processes import Died
    from trolley.up import NotReady
    from trolley.up import up as run

    plan = Plan(data=data.resolve(), first_port=first_port, store=store, mongodb_url=mongodb_url, empty=empty)
    console = Console()
    try:
        asyncio.run(run(plan, console))
    except CannotStart as reason:
        fail(str(reason), MISUSED)
    except (Died, NotReady) as reason:
        fail(str(reason), FAILED)
    print("Stopped.")


@app.command()
def doctor(data: Data = Path(".data"), first_port: FirstPort = 3000) -> None:
    """Say what is there and what is missing for `trolley up`, and how to get it."""
    from trolley.doctor import examine

    raise typer.Exit(0 if examine(data.resolve(), first_port, Console()) else FAILED)


def fail(words: str, code: int) -> NoReturn:
    """Ends with the words on stderr."""
    print(words, file=sys.stderr)
    raise SystemExit(code)


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
        raise SystemExit(FAILED) from None
    raise SystemExit(code or 0)
