"""What commands of the command line share: their options, exit codes and last words."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from trolley.services import Plan, Store

FAILED, MISUSED, INTERRUPTED = 1, 2, 130

Data = Annotated[Path, typer.Option(help="The folder that holds all data.", file_okay=False)]
StoreKind = Annotated[
    Store | None, typer.Option(help="Where the services keep their data; sqlite, unless there is a --mongodb-url.")
]
MongodbUrl = Annotated[
    str, typer.Option(help="A MongoDB that runs already, without a database name: each service has its own.")
]


def require_store(store: Store | None, mongodb_url: str) -> None:
    """typer.BadParameter where the two do not go together."""
    if mongodb_url and store is Store.SQLITE:
        raise typer.BadParameter("--mongodb-url does not go with --store sqlite.")
    address = urlsplit(mongodb_url)
    if mongodb_url and (address.scheme not in {"mongodb", "mongodb+srv"} or not address.netloc):
        raise typer.BadParameter("--mongodb-url must look like mongodb://HOST:PORT/?OPTIONS.")
    if address.path.strip("/"):
        raise typer.BadParameter("--mongodb-url must not name a database: each service has its own.")


def fail(words: str, code: int) -> NoReturn:
    """Ends with the words on stderr."""
    print(words, file=sys.stderr)
    raise SystemExit(code)


def plan_of(data: Path, store: Store | None, mongodb_url: str) -> Plan:
    """For what needs the store of a shop and none of its ports. typer.BadParameter where options do not go together."""
    require_store(store, mongodb_url)
    chosen = store or (Store.MONGODB if mongodb_url else Store.SQLITE)
    return Plan(
        data=data.resolve(), first_port=3000, storefront_port=8080, store=chosen, mongodb_url=mongodb_url, empty=True
    )
