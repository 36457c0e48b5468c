"""The commands for a shop in containers or a cluster: `trolley secrets`, `mongodb prepare` and `sample`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from trolley.options import FAILED, MISUSED, Data, fail

LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# Of a name in DNS, with `grafana.` before it.
HOST_MAX = 253 - len("grafana.")
LONGEST_WAIT = 3600
LAST_ID = 2**31 - 1

mongodb = typer.Typer(help="What concerns the MongoDB of a cluster.")


@mongodb.callback()
def concerning_mongodb() -> None:
    """What concerns the MongoDB of a cluster."""


def secrets(
    namespace: Annotated[str, typer.Option(help="The namespace that everything goes into.")] = "trolley",
    host: Annotated[str, typer.Option(help="Whom the certificate is for, with grafana.HOST.")] = "shop.localhost",
    without_tls: Annotated[
        bool, typer.Option("--without-tls", help="No certificate: shop-tls comes from elsewhere.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option(help="Keep them in files instead, for containers; what is there stays.")
    ] = None,
    members: Annotated[str, typer.Option(help="With --into: MongoDB's members, HOST:PORT.")] = "mongodb:27017",
    key_owner: Annotated[
        int | None, typer.Option(help="With --into: the number of the user who runs mongod.", min=0, max=LAST_ID)
    ] = None,
) -> None:
    """Print the namespace and everything secret of a shop in Kubernetes, random anew; nothing is kept.

    For `trolley secrets | kubectl create -f -`: create, so that what is there is never overwritten.
    """
    if into is not None:
        keep_secrets(into, members, key_owner)
        return
    if not re.fullmatch(LABEL, namespace):
        raise typer.BadParameter("--namespace must be a DNS label: a-z, 0-9 and -, at most 63 characters.")
    if len(host) > HOST_MAX or not re.fullmatch(rf"{LABEL}(\.{LABEL})*", host):
        raise typer.BadParameter("--host must be a DNS name in small letters, as shop.example.com.")
    from shopkit.values import now
    from trolley.cluster_secrets import Wanted, as_json

    print(as_json(Wanted(namespace=namespace, host=host, with_tls=not without_tls), now()))


def keep_secrets(folder: Path, members: str, key_owner: int | None) -> None:
    """`trolley secrets --into`."""
    from trolley.preparing import Unusable, members_in
    from trolley.secret_files import CannotKeep, complete

    try:
        made = complete(folder, ",".join(members_in(members)), key_owner)
    except (Unusable, CannotKeep) as reason:
        fail(str(reason).replace("--hosts", "--members"), MISUSED)
    print(f"{made} secrets made in {folder}." if made else f"All secrets are in {folder}.")


@mongodb.command()
def prepare(
    hosts: Annotated[str, typer.Option(help="The members, HOST:PORT, split by commas.")],
    secrets: Annotated[Path, typer.Option(help="The folder with the files of the Secret mongodb.", file_okay=False)],
    replica_set: Annotated[str, typer.Option(help="What the replica set is called.")] = "trolley",
    timeout: Annotated[
        int, typer.Option(help="How many seconds to wait for the members.", min=1, max=LONGEST_WAIT)
    ] = 300,
) -> None:
    """Make members that run with --keyFile one replica set with the users that the shop needs. Safe to repeat."""
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", replica_set):
        raise typer.BadParameter("--replica-set must be of letters, digits, - and _.")
    from trolley.preparing import NotPrepared, Passwords, Unusable, members_in
    from trolley.stores import replica_set as sets

    try:
        members, passwords = members_in(hosts), Passwords.read(secrets)
        sets.prepare(members, replica_set, passwords, timeout)
    except Unusable as reason:
        fail(str(reason), MISUSED)
    except NotPrepared as reason:
        fail(str(reason), FAILED)


def sample(
    data: Data = Path(".data"),
    url: Annotated[str, typer.Option("--url", help="The products service.")] = "http://127.0.0.1:3001",
    users_url: Annotated[str, typer.Option(help="The users service.")] = "http://127.0.0.1:3000",
    storefront_url: Annotated[str, typer.Option(help="Where a browser finds the shop.")] = "http://localhost:8080",
) -> None:
    """Make the demo's staff account and fill the catalogue of a running shop, once; as `trolley up` does by itself.

    STORE_URL must be that of the users service, which gives the account its role.
    """
    import asyncio

    from trolley.filling import NotReady, Running, run
    from trolley.services import CannotStart

    shop = Running(data=data.resolve(), users_url=users_url, products_url=url, storefront_url=storefront_url)
    try:
        print(asyncio.run(run(shop)))
    except CannotStart as reason:
        fail(str(reason), MISUSED)
    except NotReady as reason:
        fail(str(reason), FAILED)
