"""Everything in deploy/kubernetes as the objects that a cluster would get."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TREE = Path(__file__).parents[2]
DEPLOY = TREE / "deploy/kubernetes"
NAMESPACE = "trolley"
# What can be applied: the overlays, and the components that go on top of one.
OVERLAYS = ("dev", "production")
ADDITIONS = ("gateway-api", "canary")
NAMES = (*OVERLAYS, *(f"{overlay}+{addition}" for overlay in OVERLAYS for addition in ADDITIONS))
SERVICES = {"users": 3000, "products": 3001, "carts": 3002, "storefront": 8080}

Object = dict[str, Any]


def kustomize() -> list[str] | None:
    """The command that renders a folder: kubectl has kustomize inside. None where neither is."""
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    return ["kustomize", "build"] if shutil.which("kustomize") else None


def folder(name: str, scratch: Path) -> Path:
    """A folder to be rendered for one of NAMES: an overlay, or a copy of it in `scratch` with one component more."""
    overlay, _, addition = name.partition("+")
    if not addition:
        return DEPLOY / "overlays" / overlay
    copy = shutil.copytree(DEPLOY, scratch / name)
    file = copy / "overlays" / overlay / "kustomization.yaml"
    layer = yaml.safe_load(file.read_text())
    layer["components"].append(f"../../components/{addition}")
    file.write_text(yaml.safe_dump(layer))
    return file.parent


def render(path: Path) -> list[Object]:
    """The objects of a folder."""
    command = kustomize()
    assert command is not None
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def label(thing: Object) -> str:
    """As kubectl names it."""
    return f"{thing['kind']}/{thing['metadata']['name']}"


def of_kind(things: list[Object], *kinds: str) -> Iterator[Object]:
    """Those of some kinds."""
    return (thing for thing in things if thing["kind"] in kinds)


def one(things: list[Object], kind: str, name: str) -> Object:
    """The one of that kind and name."""
    (found,) = (thing for thing in of_kind(things, kind) if thing["metadata"]["name"] == name)
    return found


def template(thing: Object) -> Object:
    """The pods that an object makes."""
    spec = thing["spec"]
    pods: Object = (spec["jobTemplate"]["spec"] if thing["kind"] == "CronJob" else spec)["template"]
    return pods


def workloads(things: list[Object]) -> list[Object]:
    """All that make pods."""
    return list(of_kind(things, "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"))


def containers(pods: Object) -> list[Object]:
    """All containers of a pod, those of its start too."""
    spec = pods["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]
