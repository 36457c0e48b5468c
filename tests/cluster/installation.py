"""The shop on a cluster: installed by the commands of docs/guides/kubernetes.md, asked through its Ingress, removed."""

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .kubectl import Kubectl, run, until
from .people import Addresses

ROOT = Path(__file__).parents[2]
OVERLAY = ROOT / "deploy" / "kubernetes" / "overlays" / "dev"
# Where every service tells its measures.
PROBES_PORT = 9100
SERVICES = {"users": 3000, "products": 3001, "carts": 3002, "storefront": 8080}
# Where the Ingress controller of the cluster listens for this machine.
INGRESS = os.environ.get("SHOP_INGRESS", "http://127.0.0.1:30080")
# What images are called; overlays/dev says "dev".
TAG = os.environ.get("SHOP_TAG", "dev")
NEXT = f"{TAG}-next"
REGISTRY = os.environ.get("SHOP_REGISTRY", "localhost:5000")
READY_SECONDS = 300

# Another namespace and another host; all else is the overlay as it stands.
BESIDE = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}
resources: [{overlay}]
patches:
  - target: {{kind: Ingress, name: shop}}
    patch: |
      - {{op: replace, path: /spec/rules/0/host, value: {host}}}
      - {{op: replace, path: /spec/tls/0/hosts/0, value: {host}}}
  - target: {{kind: Ingress, name: grafana}}
    patch: |
      - {{op: replace, path: /spec/rules/0/host, value: grafana.{host}}}
      - {{op: replace, path: /spec/tls/0/hosts/0, value: grafana.{host}}}
images:
"""
IMAGE = "  - {{name: {registry}/trolley/{name}, newTag: {tag}}}\n"


@dataclass
class Installation:
    """One shop. `folder` is for what only this run needs."""

    namespace: str
    folder: Path
    # What the installation took.
    seconds: float = 0.0
    kubectl: Kubectl = field(init=False)

    def __post_init__(self) -> None:
        self.kubectl = Kubectl(self.namespace)

    @property
    def host(self) -> str:
        """The name that its Ingress answers to."""
        return "shop.localhost" if self.namespace == "trolley" else f"{self.namespace}.localhost"

    @property
    def addresses(self) -> Addresses:
        """As seen from this machine, through the Ingress."""
        api = f"{INGRESS}/api/v1"
        return Addresses(INGRESS, api, api, api, {"Host": self.host})

    @property
    def overlay(self) -> Path:
        """What is applied: the overlay, or one upon it that says where else it is to be."""
        if self.namespace == "trolley":
            return OVERLAY
        folder = self.folder / self.namespace
        folder.mkdir(parents=True, exist_ok=True)
        beside = BESIDE.format(namespace=self.namespace, overlay=os.path.relpath(OVERLAY, folder), host=self.host)
        beside += "".join(IMAGE.format(registry=REGISTRY, name=name, tag=TAG) for name in (*SERVICES, "tools"))
        (folder / "kustomization.yaml").write_text(beside)
        return folder

    def install(self) -> float:
        """Secrets, everything else, and the wait until all is ready; how many seconds it took."""
        began = time.monotonic()
        secrets = run(
            [sys.executable, "-m", "trolley", "secrets", "--namespace", self.namespace, "--host", self.host], cwd=ROOT
        )
        self.kubectl("create", "-f", "-", send=secrets)
        self.kubectl("apply", "-k", str(self.overlay))
        # Its image can't be had everywhere, and nothing depends on it.
        self.kubectl("scale", "deployment/grafana", "--replicas=0")
        self.wait(READY_SECONDS)
        return time.monotonic() - began

    def wait(self, seconds: float) -> None:
        """Until every pod that should be there is ready, and the Ingress leads to the shop."""
        give_up = time.monotonic() + seconds
        for name in ("statefulset/mongodb", *(f"deployment/{name}" for name in (*SERVICES, "prometheus"))):
            left = max(1.0, give_up - time.monotonic())
            self.kubectl("rollout", "status", name, f"--timeout={left:.0f}s", seconds=left + 10)
        # An autoscaler makes three of one, a moment after there is one.
        until(lambda: all(len(self.kubectl.ready(name)) >= 3 for name in SERVICES), 90, "three of each are ready")
        until(self._answers, 30, f"{INGRESS} leads to the shop")
        # One that has just come back is ready before it has caught up; until then the set bears no other loss.
        until(lambda: self._members() == "3", 120, "MongoDB has all its members")

    def _answers(self) -> bool:
        said = run(["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "-H", f"Host: {self.host}", INGRESS], 10)
        return said == "200"

    def grant(self, email: str) -> None:
        """Makes somebody staff."""
        self.kubectl.exec("deployment/users", "python3", "-m", "users", "grant", email, "staff")

    def served(self, name: str) -> dict[str, float]:
        """How many requests each ready pod of a service has answered, probes and scrapes left out."""
        counts = {}
        for pod in self.kubectl.ready(name):
            samples = self.kubectl.metrics(pod.name, PROBES_PORT)
            counts[pod.name] = sum(
                value
                for sample, value in samples.items()
                if sample.startswith("http_requests_total{") and not any(path in sample for path in QUIET)
            )
        return counts

    def set_image(self, name: str, tag: str) -> None:
        """Another version of a service."""
        self.kubectl("set", "image", f"deployment/{name}", f"{name}={REGISTRY}/trolley/{name}:{tag}")

    def primary(self) -> str:
        """The pod that is MongoDB's primary."""
        return self._of_mongodb("c.primary[0]").partition(".")[0]

    def _members(self) -> str:
        """How many members of MongoDB answer as primary or secondary."""
        return self._of_mongodb("len(c.secondaries) + 1")

    def _of_mongodb(self, what: str) -> str:
        """What the driver of a service says of its client `c`, once it has looked at all members."""
        ask = (
            "import os, pymongo, time; c = pymongo.MongoClient(os.environ['STORE_URL'], serverSelectionTimeoutMS=9000);"
            f" c.admin.command('ping'); time.sleep(1); print({what})"
        )
        return self.kubectl.exec("deployment/carts", "python3", "-c", ask).strip()

    def left_over(self) -> list[str]:
        """What the cluster still holds of it: nothing once it is removed."""
        kinds = run(["kubectl", "api-resources", "--verbs=list", "-o", "name"]).split()
        found = run(
            ["kubectl", "get", ",".join(kinds), "-A", "--ignore-not-found", "-o", "json", "-l", PART], seconds=120
        )
        volumes = json.loads(run(["kubectl", "get", "persistentvolumes", "-o", "json"]))["items"]
        items: list[dict[str, Any]] = [*(json.loads(found)["items"] if found.strip() else []), *volumes]
        return [
            f"{item['kind']}/{item['metadata']['name']}"
            for item in items
            if self.namespace
            in (
                item["metadata"].get("namespace"),
                item["metadata"]["name"],
                item.get("spec", {}).get("claimRef", {}).get("namespace"),
            )
        ]


PART = "app.kubernetes.io/part-of=trolley"
QUIET = ('route="/healthz"', 'route="/readyz"', 'route="/metrics"', "/changes")


@dataclass(frozen=True)
class Machine:
    """A command that knows the machines under the cluster: `load IMAGE...`, `node stop NAME`, `node start NAME`."""

    command: str

    @classmethod
    def given(cls) -> "Machine | None":
        """As CLUSTER names it; None where nobody can switch a node off."""
        command = os.environ.get("CLUSTER", "")
        return cls(command) if command and shutil.which(command) else None

    def load(self, *images: str) -> None:
        run([self.command, "load", *images], 300)

    def stop(self, node: str) -> None:
        run([self.command, "node", "stop", node], 60)

    def start(self, node: str) -> None:
        run([self.command, "node", "start", node], 120)
