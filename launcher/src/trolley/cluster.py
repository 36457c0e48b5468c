"""The commands for a shop in a cluster: `trolley secrets` and `trolley mongodb prepare`."""

import re
from typing import Annotated

import typer

LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# Of a name in DNS, with `grafana.` before it.
HOST_MAX = 253 - len("grafana.")

mongodb = typer.Typer(help="What concerns the MongoDB of a cluster.", no_args_is_help=False)


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
