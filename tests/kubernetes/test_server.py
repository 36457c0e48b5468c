"""A real API server takes every object: kubectl apply --dry-run=server runs its defaults, checks and admission."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shopdev.fixtures import require

from .objects import NAMES, folder, kustomize, of_kind, one, render

TYPES = Path(__file__).with_name("types")


def kubectl(*arguments: str, objects: list[dict[str, Any]] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs kubectl; `objects` go to its stdin."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}) if objects is not None else None
    return subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, timeout=120)


def must(*arguments: str, objects: list[dict[str, Any]] | None = None) -> str:
    """As above, where it must succeed."""
    done = kubectl(*arguments, objects=objects)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cluster() -> None:
    """Any cluster of KUBECONFIG."""
    if not os.environ.get("KUBECONFIG"):
        require("cluster", "KUBECONFIG names no cluster.")
    if kustomize() is None or kubectl("get", "--raw", "/readyz", "--request-timeout=10s").returncode:
        require("cluster", "The cluster of KUBECONFIG does not answer, or there is no kubectl.")


@pytest.fixture(scope="module")
def types(cluster: None) -> Iterator[None]:
    """The types of Gateway API and of Contour; what is not there comes for the time of these tests."""
    added = []
    for path in sorted(TYPES.glob("*.json")):
        definition = json.loads(path.read_text())
        name = f"crd/{definition['metadata']['name']}"
        if kubectl("get", name).returncode:
            must("create", "-f", "-", objects=[definition])
            added.append(name)
    if added:
        must("wait", "--for=condition=Established", "--timeout=30s", *added)
    yield
    if added:
        must("delete", "--wait=true", *added)


@pytest.fixture
def objects(
    request: pytest.FixtureRequest, types: None, tmp_path: Path
) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """What one of NAMES has, in a namespace of this test's own, which is there and refuses what is not restricted."""
    namespace = f"apply-{secrets.token_hex(4)}"

    def find(name: str) -> list[dict[str, Any]]:
        things = render(folder(name, tmp_path))
        (space,) = of_kind(things, "Namespace")
        space["metadata"]["name"] = namespace
        must("apply", "-f", "-", objects=[space])
        things.remove(space)
        for thing in things:
            thing["metadata"]["namespace"] = namespace
        return things

    yield find
    kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


@pytest.mark.parametrize("name", NAMES)
def test_the_api_server_takes_every_object(objects: Callable[[str], list[dict[str, Any]]], name: str) -> None:
    things = objects(name)
    done = kubectl("apply", "--dry-run=server", "-o", "name", "-f", "-", objects=things)
    assert done.returncode == 0, done.stderr
    # Where the namespace would refuse the pods, kubectl only warns: the objects that make them are taken.
    assert "arning" not in done.stderr
    assert len(done.stdout.split()) == len(things)


def test_a_pod_that_is_not_restricted_is_warned_of(objects: Callable[[str], list[dict[str, Any]]]) -> None:
    deployment = one(objects("dev"), "Deployment", "carts")
    del deployment["spec"]["template"]["spec"]["securityContext"]
    done = kubectl("apply", "--dry-run=server", "-f", "-", objects=[deployment])
    assert "would violate PodSecurity" in done.stderr
