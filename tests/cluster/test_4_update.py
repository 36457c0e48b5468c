"""Another version, back again, one that never becomes ready, and new signing keys, all under load."""

import json
import time
from collections.abc import Iterator

import pytest

from .conftest import Begin
from .images import digest
from .installation import NEXT, SERVICES, TAG, Installation
from .kubectl import NAME, Refused, until
from .results import Results

ROLL_SECONDS = 180
# A process that lives and answers nothing, so is never ready; told sooner than after the two minutes of the shop's own.
NEVER_READY = {
    "spec": {
        "progressDeadlineSeconds": 25,
        "template": {
            "spec": {"containers": [{"name": "carts", "command": ["python3", "-c", "import time; time.sleep(3600)"]}]}
        },
    }
}


def versions(installation: Installation, name: str) -> set[str]:
    """The images that the pods of a service run."""
    return {image for pod in installation.kubectl.pods(name) for image in pod.images}


def settled(installation: Installation) -> None:
    """Waits until those that were replaced are gone, in-flight requests and all."""
    found = installation.kubectl.get

    def is_settled() -> bool:
        return all(
            "deletionTimestamp" not in pod["metadata"]
            for pod in found("pods", "-l", f"{NAME} in ({','.join(SERVICES)})")["items"]
        )

    until(is_settled, 60, "those that were replaced are gone")


def test_another_version_and_back_without_a_failed_request(
    installation: Installation, begin: Begin, results: Results
) -> None:
    kubectl = installation.kubectl
    with begin() as ledger:
        began = time.monotonic()
        # One after the other, for they are deployed alone: a start takes two seconds of a processor.
        for name in SERVICES:
            installation.set_image(name, NEXT)
            kubectl.roll([name], ROLL_SECONDS)
        settled(installation)
        updated = time.monotonic() - began
        for name in SERVICES:
            assert versions(installation, name) == {digest(name, NEXT)}
    results.settle_without_failures(
        4, f"all services to another version, one after the other ({updated:.0f} s)", ledger
    )
    with begin("back") as ledger:
        began = time.monotonic()
        kubectl("rollout", "undo", "deployment", *SERVICES)
        kubectl.roll(list(SERVICES), ROLL_SECONDS)
        settled(installation)
        back = time.monotonic() - began
        for name in SERVICES:
            assert versions(installation, name) == {digest(name, TAG)}
    results.settle_without_failures(4, f"back with `kubectl rollout undo deployment ...` ({back:.0f} s)", ledger)


@pytest.fixture
def carts_as_before(installation: Installation) -> Iterator[dict[str, str]]:
    """The pods of carts, which are the same ones again in the end."""
    before = {pod.name: pod.node for pod in installation.kubectl.ready("carts")}
    yield before
    deadline = json.dumps({"spec": {"progressDeadlineSeconds": 120}})
    installation.kubectl("rollout", "undo", "deployment/carts")
    installation.kubectl("patch", "deployment/carts", "-p", deadline)
    installation.kubectl.roll(["carts"], ROLL_SECONDS)
    settled(installation)


def test_an_update_that_never_becomes_ready_stops_by_itself(
    installation: Installation, begin: Begin, results: Results, carts_as_before: dict[str, str]
) -> None:
    kubectl = installation.kubectl
    with begin() as ledger:
        kubectl("patch", "deployment/carts", "-p", json.dumps(NEVER_READY))
        began = time.monotonic()
        with pytest.raises(Refused, match="exceeded its progress deadline"):
            kubectl.roll(["carts"], 90)
        stopped = time.monotonic() - began
        ledger.wait(3)
        # One pod more than before was tried, and none of those that serve was taken for it.
        assert {pod.name: pod.node for pod in kubectl.ready("carts")} == carts_as_before
        assert len(kubectl.pods("carts")) == len(carts_as_before) + 1
    must = "stops by itself, serves on; 0 failed (deadline of 25 s set by the test)"
    results.note(
        4, "an update of carts that is never ready", must, f"stopped after {stopped:.0f} s, all old pods serve"
    )
    results.settle_without_failures(4, "meanwhile", ledger)


def test_signing_keys_are_rotated_without_a_restart(installation: Installation, begin: Begin, results: Results) -> None:
    kubectl = installation.kubectl
    before = {pod.name: pod.restarts for name in SERVICES for pod in kubectl.ready(name)}
    with begin() as ledger:
        ledger.wait(3)
        kubectl.exec("deployment/users", "python3", "-m", "users", "rotate-keys")
        # The new key signs 10 s after it is published; by then everybody has signed in again.
        ledger.wait(25)
    assert {pod.name: pod.restarts for name in SERVICES for pod in kubectl.ready(name)} == before
    results.settle_without_failures(4, "`python3 -m users rotate-keys`; no pod restarted", ledger)
