"""Two versions of carts side by side: a tenth of the requests goes to the new one, and every one that asks for it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .conftest import Begin, artefacts
from .images import digest
from .installation import NEXT, REGISTRY, ROOT, SERVICES, Installation
from .kubectl import INSTANCE, Pod, until
from .results import Results

COMPONENT = ROOT / "deploy" / "kubernetes" / "components" / "canary"
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}
resources: [{overlay}]
components: [{component}]
images:
  - {{name: trolley/carts-canary, newName: {registry}/trolley/carts, newTag: {tag}}}
patches:
  - target: {{kind: HTTPProxy, name: shop}}
    patch: |
      - {{op: replace, path: /spec/virtualhost/fqdn, value: {host}}}
  - target: {{kind: Deployment, name: carts-canary}}
    patch: |
      - {{op: replace, path: /spec/template/spec/containers/0/resources/requests, value: {{cpu: 20m, memory: 96Mi}}}}
"""


def canaries(installation: Installation) -> dict[str, float]:
    """How many requests each pod of the new version has answered."""
    kubectl = installation.kubectl
    found = kubectl.get("pods", "-l", f"{INSTANCE}=carts-canary")["items"]
    names = {pod.name for pod in map(Pod.of, found)}
    return {name: count for name, count in installation.served("carts").items() if name in names}


@pytest.fixture
def overlay(installation: Installation) -> Iterator[Path]:
    """The shop with the component; without it again in the end."""
    folder = artefacts("canary")
    text = OVERLAY.format(
        namespace=installation.namespace,
        overlay=os.path.relpath(installation.overlay, folder),
        component=os.path.relpath(COMPONENT, folder),
        registry=REGISTRY,
        tag=NEXT,
        host=installation.host,
    )
    (folder / "kustomization.yaml").write_text(text)
    yield folder
    kubectl = installation.kubectl
    kubectl("apply", "-k", str(installation.overlay))
    kubectl("scale", "deployment/grafana", "--replicas=0")
    kubectl("delete", "httpproxy/shop", "deployment/carts-canary", "service/carts-canary", "--ignore-not-found")
    installation.wait(60)


def test_a_canary_by_weight_and_by_header(
    installation: Installation, begin: Begin, results: Results, overlay: Path
) -> None:
    kubectl = installation.kubectl
    with begin() as ledger:
        kubectl("apply", "-k", str(overlay))
        kubectl("scale", "deployment/grafana", "--replicas=0")
        kubectl.roll([*SERVICES, "carts-canary"], 90)
        kubectl("delete", "ingress/shop", "--ignore-not-found")
        until(
            lambda: "valid" in kubectl("get", "httpproxy/shop", "-o", "jsonpath={.status.currentStatus}"), 30, "valid"
        )
        ledger.wait(3)
        share = canarys_share(installation, lambda: ledger.wait(20))
    images = {
        image
        for pod in map(Pod.of, kubectl.get("pods", "-l", f"{INSTANCE}=carts-canary")["items"])
        for image in pod.images
    }
    assert images == {digest("carts", NEXT)}
    said = f"{share:.0%} of the requests to carts"
    results.note(8, "carts beside carts-canary, weight 10 of 100", "a tenth goes to the canary, 0 failed", said)
    results.settle_without_failures(8, "meanwhile", ledger)
    assert 0.03 < share < 0.25
    asked = by_header(installation, begin)
    results.note(8, "header `X-Canary: carts`", "all go to the canary", f"{asked:.0%} of the requests to carts")
    assert asked == 1


def canarys_share(installation: Installation, meanwhile: Callable[[], None]) -> float:
    """Of the requests that carts answer meanwhile, how many the canary does: 0 to 1."""
    before, canary = installation.served("carts"), set(canaries(installation))
    meanwhile()
    after = installation.served("carts")
    assert after.keys() == before.keys(), "The replicas have changed."
    answered = {pod: after[pod] - before[pod] for pod in after}
    return sum(answered[pod] for pod in canary) / sum(answered.values())


def by_header(installation: Installation, begin: Begin) -> float:
    """The canary's share of requests that ask for it."""
    addresses = installation.addresses
    named = replace(addresses, headers=addresses.headers | {"X-Canary": "carts"})

    def ask() -> None:
        with begin("header", addresses=named) as ledger:
            ledger.wait(8)
        assert not ledger.report.failed, ledger.report.sample

    return canarys_share(installation, ask)
