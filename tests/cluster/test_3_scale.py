"""By hand from three to five to two, and by the autoscaler on real CPU figures."""

import json
import time

from .conftest import Begin
from .installation import SERVICES, Installation
from .kubectl import until
from .results import Results

# The shop's own autoscalers shrink after 5 minutes, for which the test need not wait; nor need it take a small machine
# whole to make them grow.
HASTY = {
    "spec": {
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "100m"}},
            }
        ],
        "behavior": {
            "scaleDown": {
                "stabilizationWindowSeconds": 15,
                "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}],
            }
        },
    }
}


def test_by_hand_from_three_to_five_to_two(installation: Installation, begin: Begin, results: Results) -> None:
    kubectl = installation.kubectl
    autoscalers = kubectl("get", "hpa", "-o", "json")
    # It would take back what a hand has set.
    kubectl("delete", "hpa", "--all")
    try:
        with begin() as ledger:
            began = time.monotonic()
            kubectl("scale", "deployment", *SERVICES, "--replicas=5")
            until(lambda: all(len(kubectl.ready(name)) == 5 for name in SERVICES), 120, "five of each are ready")
            grown = time.monotonic() - began
            ledger.wait(3)
            kubectl("scale", "deployment", *SERVICES, "--replicas=2")
            until(lambda: all(len(kubectl.pods(name)) == 2 for name in SERVICES), 60, "two of each are left")
            # Until those that were told to stop are gone, and a little longer.
            until(
                lambda: len(kubectl.get("pods", "-l", COMPONENT)["items"]) == 2 * len(SERVICES), 60, "the rest is gone"
            )
            ledger.wait(3)
    finally:
        restore(installation, autoscalers)
    results.settle_without_failures(
        3, f"`kubectl scale` of all services to 5 (ready in {grown:.0f} s) and to 2", ledger
    )


def test_the_autoscaler_grows_under_load_and_shrinks_afterwards(
    installation: Installation, begin: Begin, results: Results
) -> None:
    kubectl = installation.kubectl
    autoscaler = kubectl("get", "hpa", "products", "-o", "json")
    kubectl("patch", "hpa", "products", "--type=merge", "-p", json.dumps(HASTY))
    try:
        with begin() as ledger:
            began = time.monotonic()
            with begin("flood", acts=("read_product", "search", "read_named"), rate=150) as flood:
                until(lambda: len(kubectl.ready("products")) > 3, 120, "there are more than three")
                grown = time.monotonic() - began
                seen = kubectl.get("hpa", "products")["status"]
            largest, figure = len(kubectl.ready("products")), cpu(seen)
            began = time.monotonic()
            until(lambda: len(kubectl.pods("products")) == 3, 180, "three are left")
            shrunk = time.monotonic() - began
    finally:
        restore(installation, json.dumps({"apiVersion": "v1", "kind": "List", "items": [json.loads(autoscaler)]}))
    told = f"{largest} after {grown:.0f} s at {figure} of CPU each, 3 again {shrunk:.0f} s after the load"
    must = "grows under load and shrinks (target 100m and a window of 15 s set by the test)"
    results.note(3, "the autoscaler of products, 150 requests a second more", must, told)
    results.settle_without_failures(3, "meanwhile", ledger)
    assert not flood.report.failed, flood.report.sample


COMPONENT = "app.kubernetes.io/component=service"


def cpu(status: dict[str, object]) -> str:
    """What the autoscaler was told by the metrics server."""
    found: str = status["currentMetrics"][0]["resource"]["current"]["averageValue"]  # type: ignore[index]
    return found


def restore(installation: Installation, autoscalers: str) -> None:
    """Puts the autoscalers back as they were, and waits until there are three of each."""
    items = json.loads(autoscalers)["items"]
    for item in items:
        item.pop("status", None)
        for member in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
            item["metadata"].pop(member, None)
    kept = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    installation.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", send=kept)
    until(lambda: all(len(installation.kubectl.ready(name)) >= 3 for name in SERVICES), 120, "three of each are ready")
