"""A pod that is killed, a node that is killed, a node that is drained."""

import json
import time
from collections.abc import Iterator

import pytest

from .conftest import Begin
from .installation import SERVICES, Installation, Machine
from .kubectl import Refused, run, until
from .outside import Outside
from .results import Results

BACK_SECONDS = 60
DRAIN_SECONDS = 150
# That a node is lost must reach the Ingress controller and all nodes, and a caller that has failed five times in a row
# asks again after up to 2.5 s (shopkit.client).
HEARD_SECONDS = 3


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_killed_with_9_loses_at_most_what_it_was_answering(
    installation: Installation, begin: Begin, outside: Outside, results: Results, name: str
) -> None:
    victim = installation.kubectl.ready(name)[0]
    with begin(retries=True) as ledger:
        ledger.wait(2)
        killed = outside.kill(installation.kubectl, victim, name)
        ledger.wait(6)
    must = "at most the requests in flight in it fail, and are right when repeated"
    report = results.settle(5, f"kill -9 of a pod of {name}", ledger, must)
    assert not report.failed, report.sample
    late = [entry for entry in report.retried if not entry.at <= killed + 0.05 <= entry.ended + 0.1]
    assert not late, f"Not in flight when it was killed at {killed}: {late[:5]}"
    until(lambda: len(installation.kubectl.ready(name)) >= 3, 60, f"three of {name} are ready")


def node_of(installation: Installation) -> str:
    """The node with most of the shop's pods."""
    nodes = [pod.node for name in SERVICES for pod in installation.kubectl.ready(name)]
    return max(sorted(set(nodes)), key=nodes.count)


def is_ready(node: str) -> bool:
    """Whether the control plane holds it to be alive."""
    found = json.loads(run(["kubectl", "get", "node", node, "-o", "json"]))["status"]["conditions"]
    return any((one["type"], one["status"]) == ("Ready", "True") for one in found)


@pytest.fixture
def doomed(installation: Installation, machine: Machine) -> Iterator[str]:
    """A node that may be killed; it is there again in the end, and so are three of each service and of MongoDB."""
    node = node_of(installation)
    yield node
    machine.start(node)
    until(lambda: is_ready(node), 120, f"{node} is back")
    installation.wait(180)


def test_a_node_killed(
    installation: Installation, begin: Begin, machine: Machine, doomed: str, results: Results
) -> None:
    kubectl = installation.kubectl
    with begin(retries=True) as ledger:
        ledger.wait(2)
        machine.stop(doomed)
        killed = time.time()
        until(lambda: not is_ready(doomed), 90, f"{doomed} is marked as lost")
        marked = time.time()

        def have_moved() -> bool:
            return all(len([pod for pod in kubectl.ready(name) if pod.node != doomed]) >= 3 for name in SERVICES)

        until(have_moved, 150, "three of each serve on the other nodes")
        moved = time.time()
        ledger.wait(5)
    report = ledger.report
    last = max((entry.ended for entry in report.failed), default=killed)
    said = (
        f"marked as lost after {marked - killed:.0f} s, last failure after {last - killed:.0f} s, "
        f"three of each elsewhere after {moved - killed:.0f} s"
    )
    must = f"failures end when it is marked as lost; service back in under {BACK_SECONDS} s; pods moved"
    results.note(5, f"{doomed} killed", must, said)
    results.settle(5, "meanwhile", ledger, "nothing missing")
    # Requests that were sent before that may end after it.
    late = [entry for entry in report.failed if entry.at > marked + HEARD_SECONDS]
    assert not late, late[:5]
    assert last - killed < BACK_SECONDS


@pytest.fixture
def drained(installation: Installation) -> Iterator[str]:
    """A node that may be emptied; open again in the end, with what can live only there."""
    node = node_of(installation)
    yield node
    run(["kubectl", "uncordon", node])
    installation.wait(180)


def test_a_node_drained(installation: Installation, begin: Begin, drained: str, results: Results) -> None:
    with begin() as ledger:
        ledger.wait(2)
        began = time.monotonic()
        # Pods of these tests themselves have nobody who would make them again.
        command = ["kubectl", "drain", drained, "--ignore-daemonsets", "--delete-emptydir-data", "--force"]
        try:
            run([*command, f"--timeout={DRAIN_SECONDS}s"], DRAIN_SECONDS + 10)
        except Refused as error:
            raise AssertionError(str(error)) from error
        took = time.monotonic() - began
        until(lambda: all(len(installation.kubectl.ready(name)) >= 3 for name in SERVICES), 120, "three of each")
        ledger.wait(3)
    assert drained not in {pod.node for name in SERVICES for pod in installation.kubectl.pods(name)}
    results.settle_without_failures(5, f"`kubectl drain {drained}` ({took:.0f} s)", ledger)
