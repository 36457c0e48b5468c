"""Every edge between pods, and from each pod to the API server and outside: open where it must be, else closed."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from .conftest import Begin
from .installation import PROBES_PORT, SERVICES, Installation
from .kubectl import NAME, Kubectl, Refused, run
from .outside import WAITING, Outside, run_pod
from .results import Results

PORTS = {**SERVICES, "mongodb": 27017, "prometheus": 9090, "grafana": 3000}
# These have no pods at most times, and Grafana's image can't be had everywhere: others stand in, of the same labels.
STOOD_IN = ("mongodb-prepare", "backup", "grafana")
# Who may reach whom: all there is.
OPEN = {
    "users": {"mongodb"},
    "products": {"users", "mongodb"},
    "carts": {"users", "products", "mongodb"},
    "storefront": {"users", "products", "carts"},
    "mongodb": {"mongodb"},
    "mongodb-prepare": {"mongodb"},
    "backup": {"mongodb"},
    "prometheus": {f"measures of {name}" for name in SERVICES},
    "grafana": {"prometheus"},
    "outside": {"outside", "the API server"},
}
# Tries all at once; what is dropped takes the whole time, what is open or refused by its own machine a moment.
TRY = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def ask(target):
    try:
        socket.create_connection(target, 2).close()
        return "open"
    except TimeoutError:
        return "closed"
    except OSError as error:
        return str(error)

socket.getaddrinfo("kubernetes.default.svc.cluster.local", 443)
targets = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(targets)) as pool:
    print(json.dumps(list(pool.map(ask, map(tuple, targets)))))
"""
SERVE = ["python3", "-m", "http.server", "3000", "--directory", "/tmp"]


@dataclass(frozen=True)
class Place:
    """A pod, by what it is, or what lies outside; `port` is 0 where nothing listens."""

    kind: str
    name: str
    address: str
    port: int


@pytest.fixture
def places(installation: Installation, outside: Outside) -> Iterator[list[Place]]:
    """All pods of the shop, those that stand in, and one outside."""
    kubectl, image = installation.kubectl, outside.image
    part = {"app.kubernetes.io/part-of": "trolley"}
    for name in STOOD_IN:
        run_pod(kubectl, f"stands-in-{name}", image, {NAME: name, **part}, SERVE if name in PORTS else WAITING)
    run_pod(outside.kubectl, "passer-by", image, {}, SERVE)
    found = [place(kubectl, kind) for kind in (*PORTS, *STOOD_IN[:2])]
    passer_by = Place("outside", "passer-by", outside.kubectl.get("pod", "passer-by")["status"]["podIP"], 3000)
    yield [*(one for many in found for one in many), passer_by]
    kubectl("delete", "pod", *(f"stands-in-{name}" for name in STOOD_IN), "--wait=false")


def place(kubectl: Kubectl, kind: str) -> list[Place]:
    """The pods of one kind."""
    return [Place(kind, pod.name, pod.ip, PORTS.get(kind, 0)) for pod in kubectl.ready(kind)]


def beyond() -> list[Place]:
    """What is no pod: the API server at both its addresses, the nodes, the world."""
    service = json.loads(run(["kubectl", "get", "service", "kubernetes", "-n", "default", "-o", "json"]))
    slices = ["kubectl", "get", "endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes"]
    found = json.loads(run([*slices, "-o", "json"]))["items"][0]
    server = "the API server"
    addresses = [
        (service["spec"]["clusterIP"], 443),
        (found["endpoints"][0]["addresses"][0], found["ports"][0]["port"]),
    ]
    world = [("169.254.169.254", 80), ("1.1.1.1", 443)]
    return [
        *(Place(server, f"{address}:{port}", address, port) for address, port in addresses),
        *(Place("the world", f"{address}:{port}", address, port) for address, port in world),
    ]


def test_exactly_the_edges_that_exist_are_open(
    installation: Installation, outside: Outside, places: list[Place], begin: Begin, results: Results
) -> None:
    measures = [
        Place(f"measures of {place.kind}", place.name, place.address, PROBES_PORT)
        for place in places
        if place.kind in SERVICES
    ]
    targets = [place for place in [*places, *measures, *beyond()] if place.port]
    sent = json.dumps([(target.address, target.port) for target in targets])

    def ask(source: Place) -> list[str]:
        kubectl = outside.kubectl if source.kind == "outside" else installation.kubectl
        try:
            said = kubectl.exec(source.name, "python3", "-c", TRY, sent, seconds=60)
        except Refused as error:
            raise AssertionError(f"{source.name} could not ask: {error}") from error
        found: list[str] = json.loads(said)
        return found

    with begin(rate=15) as ledger, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, places))
    wrong, opened, closed = [], 0, 0
    for source, seen in zip(places, answers, strict=True):
        for target, found in zip(targets, seen, strict=True):
            # Whether a cluster's pods have a way to the world is not ours to say, where no policy of ours covers them.
            if source.address == target.address or (source.kind, target.kind) == ("outside", "the world"):
                continue
            wanted = "open" if target.kind in OPEN[source.kind] else "closed"
            opened, closed = opened + (wanted == "open"), closed + (wanted == "closed")
            # Where there is no way at all, the machine may say so instead of being silent.
            if found != wanted and not (wanted == "closed" and found != "open" and target.kind == "the world"):
                wrong.append(f"{source.name} to {target.kind} {target.name}: {found}, must be {wanted}")
    said = f"{opened} open, {closed} closed, {len(wrong)} wrong"
    must = "exactly the edges that exist are open"
    results.note(7, f"each of {len(places)} pods to each of {len(targets)} places", must, said)
    assert not wrong, "\n".join(wrong)
    results.settle_without_failures(7, "meanwhile", ledger)
