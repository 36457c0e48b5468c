"""The commands for a shop in a cluster: `trolley secrets` and `trolley mongodb prepare`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from trolley.options import FAILED, MISUSED, fail

LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# Of a name in DNS, with `grafana.` before it.
HOST_MAX = 253 - len("grafana.")
LONGEST_WAIT = 3600

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
) -> None:
    """Print the namespace and everything secret of a shop in Kubernetes, random anew; nothing is kept.

    For `trolley secrets | kubectl create -f -`: create, so that what is there is never overwritten.
    """
    if not re.fullmatch(LABEL, namespace):
        raise typer.BadParameter("--namespace must be a DNS label: a-z, 0-9 and -, at most 63 characters.")
    if len(host) > HOST_MAX or not re.fullmatch(rf"{LABEL}(\.{LABEL})*", host):
        raise typer.BadParameter("--host must be a DNS name in small letters, as shop.example.com.")
    from shopkit.values import now
    from trolley.cluster_secrets import Wanted, as_json

    print(as_json(Wanted(namespace=namespace, host=host, with_tls=not without_tls), now()))


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
