"""kubectl, bounded in time, with what the tests need of it in words."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = dict[str, Any]
CALL_SECONDS = 60
# What each service's pods are found by; a canary has the same name and another instance.
NAME, INSTANCE = "app.kubernetes.io/name", "app.kubernetes.io/instance"


class Refused(Exception):
    """kubectl ended with a fault; the text is its own."""


def run(command: Sequence[str], seconds: float = CALL_SECONDS, send: str | None = None, cwd: Path | None = None) -> str:
    """What a command says; Refused where it fails or takes longer."""
    try:
        done = subprocess.run(
            command, input=send, capture_output=True, text=True, timeout=seconds, check=False, cwd=cwd
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"{' '.join(command)} took longer than {seconds:.0f} s") from error
    if done.returncode:
        raise Refused(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def until(ask: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first answer that is not empty; fails after so many seconds. What cannot be asked just now is asked again."""
    give_up, said = time.monotonic() + seconds, ""
    while time.monotonic() < give_up:
        try:
            if found := ask():
                return found
        except Refused as error:
            said = str(error)
        time.sleep(0.5)
    raise AssertionError(f"Not within {seconds:.0f} s: {what}. {said}")


@dataclass(frozen=True)
class Pod:
    """A pod as it was when it was asked for."""

    name: str
    node: str
    ip: str
    images: tuple[str, ...]
    restarts: int
    is_ready: bool
    is_leaving: bool

    @classmethod
    def of(cls, found: Object) -> "Pod":
        status, metadata = found["status"], found["metadata"]
        conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
        containers = status.get("containerStatuses", [])
        return cls(
            metadata["name"],
            found["spec"].get("nodeName", ""),
            status.get("podIP", ""),
            tuple(one["imageID"] for one in containers),
            sum(one["restartCount"] for one in containers),
            conditions.get("Ready") == "True",
            "deletionTimestamp" in metadata,
        )


class Kubectl:
    """One namespace of the cluster that KUBECONFIG names."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def __call__(self, *arguments: str, seconds: float = CALL_SECONDS, send: str | None = None) -> str:
        """kubectl in this namespace."""
        return run(["kubectl", "--namespace", self.namespace, *arguments], seconds, send)

    def get(self, *arguments: str) -> Object:
        """What `kubectl get ... -o json` says."""
        found: Object = json.loads(self("get", *arguments, "-o", "json"))
        return found

    def pods(self, name: str) -> list[Pod]:
        """Those of one name that are not on their way out, oldest first."""
        return [pod for pod in self.all_pods(name) if not pod.is_leaving]

    def all_pods(self, name: str) -> list[Pod]:
        """Those that are on their way out too."""
        found = self.get("pods", "-l", f"{NAME}={name}", "--sort-by=.metadata.creationTimestamp")["items"]
        return [*map(Pod.of, found)]

    def ready(self, name: str) -> list[Pod]:
        """Those that are ready."""
        return [pod for pod in self.pods(name) if pod.is_ready]

    def exec(self, target: str, *command: str, seconds: float = CALL_SECONDS, container: str = "") -> str:
        """What a command in a pod says."""
        chosen = ["-c", container] if container else []
        return self("exec", target, *chosen, "--", *command, seconds=seconds)

    def metrics(self, pod: str, port: int) -> dict[str, float]:
        """The samples that a pod's own /metrics shows, by name and labels."""
        url = f"http://127.0.0.1:{port}/metrics"
        ask = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"
        lines = [line for line in self.exec(pod, "python3", "-c", ask, url).splitlines() if line and line[0] != "#"]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def roll(self, names: Sequence[str], seconds: float) -> None:
        """Waits until the updates of these Deployments are through; Refused if one is not in time."""
        give_up = time.monotonic() + seconds
        for name in names:
            left = max(1.0, give_up - time.monotonic())
            self("rollout", "status", f"deployment/{name}", f"--timeout={left:.0f}s", seconds=left + 10)

    def exists(self) -> bool:
        """Whether the namespace is there."""
        return bool(run(["kubectl", "get", "namespace", self.namespace, "--ignore-not-found", "-o", "name"]).strip())

    def remove(self, seconds: float = 180) -> None:
        """Deletes the namespace and all that is in it, and waits until nothing is left."""
        run(["kubectl", "delete", "namespace", self.namespace, "--ignore-not-found", "--wait=true"], seconds)

    def what_happened(self) -> str:
        """For the report of a failure: pods, events, and the last lines of those that are not well."""
        parts = []
        for arguments in (
            ["get", "pods", "-o", "wide"],
            ["get", "deployments,statefulsets,jobs,hpa,endpointslices"],
            ["get", "events", "--sort-by=.lastTimestamp"],
        ):
            parts.append(self._try(*arguments, lines=60))
        ill = [pod for pod in map(Pod.of, self.get("pods")["items"]) if not pod.is_ready or pod.restarts]
        for pod in ill[:6]:
            parts.append(f"--- {pod.name}\n{self._try('logs', pod.name, '--all-containers', '--tail=15', lines=15)}")
            if pod.restarts:
                parts.append(
                    f"--- {pod.name} before\n{self._try('logs', pod.name, '--previous', '--tail=15', lines=15)}"
                )
        return "\n".join(parts)

    def _try(self, *arguments: str, lines: int) -> str:
        try:
            return "\n".join(self(*arguments, seconds=20).splitlines()[-lines:])
        except Refused as error:
            return str(error)


def is_cluster_there() -> str:
    """Why no cluster can be used; empty where one can."""
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster"
    try:
        run(["kubectl", "version"], 20)
    except (Refused, OSError) as error:
        return f"The cluster of KUBECONFIG does not answer: {error}"
    return ""
