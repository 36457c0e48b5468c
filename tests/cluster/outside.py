"""Pods of the tests' own, in a namespace beside the shop that no policy covers: some can kill, others only ask."""

import json
from types import TracebackType
from typing import Any, Self

from .kubectl import Kubectl, Pod, run, until

WAITING = ["python3", "-c", "import time; time.sleep(3600)"]
# Runs among the processes of the node; a container's bear the id of their pod in the name of their cgroup.
KILL = """
import os, pathlib, sys, time
pod, name = sys.argv[1:]
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        group, command = (process / "cgroup").read_text(), (process / "cmdline").read_bytes().decode()
    except OSError:
        continue
    if (pod in group or pod.replace("-", "_") in group) and name in command:
        print(time.time(), flush=True)
        os.kill(int(process.name), 9)
"""


class Outside:
    """A namespace that is there inside `with`. `image` has a python3."""

    def __init__(self, namespace: str, image: str) -> None:
        self.kubectl, self.image = Kubectl(namespace), image

    def __enter__(self) -> Self:
        run(["kubectl", "create", "namespace", self.kubectl.namespace])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kubectl.remove()

    def start(self, name: str, namespace: str = "", **spec: Any) -> str:
        """A pod that waits, by default here; its address once it runs."""
        kubectl = Kubectl(namespace) if namespace else self.kubectl
        run_pod(kubectl, name, self.image, {}, WAITING, **spec)
        return str(kubectl.get("pod", name)["status"]["podIP"])

    def kill(self, shop: Kubectl, pod: Pod, process: str) -> float:
        """kill -9 of a pod's process by a part of its command line, from its node; the Unix time when."""
        killer = f"killer-{pod.node}"
        found = self.kubectl("get", "pod", killer, "--ignore-not-found", "-o", "name")
        if not found:
            root = {"privileged": True, "runAsUser": 0}
            run_pod(self.kubectl, killer, self.image, {}, WAITING, root, nodeName=pod.node, hostPID=True)
        uid = shop.get("pod", pod.name)["metadata"]["uid"]
        times = self.kubectl.exec(killer, "python3", "-c", KILL, uid, process).split()
        assert times, f"{pod.name} has no process {process}"
        return float(times[0])


def run_pod(
    kubectl: Kubectl,
    name: str,
    image: str,
    labels: dict[str, str],
    command: list[str],
    rights: dict[str, Any] | None = None,
    **spec: Any,
) -> None:
    """Starts a pod and waits until it runs. Without `rights` it has as few as the shop's own pods."""
    least = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "only", "image": image, "command": command, "securityContext": rights or least}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "containers": [container],
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "restartPolicy": "Never",
            **spec,
        },
    }
    kubectl("apply", "-f", "-", send=json.dumps(pod))
    until(lambda: kubectl.get("pod", name)["status"]["phase"] == "Running", 90, f"{name} runs")
