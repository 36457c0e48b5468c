"""From nothing to the end-to-end suite, with images that the nodes have pulled from the registry."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from tests import test_shop
from tests.conftest import Shop
from tests.test_shop import *  # noqa: F403

from . import kubectl as cluster
from .conftest import Begin
from .images import digest
from .installation import SERVICES, TAG, Installation
from .results import Results

# A change on one replica is read on the others within a second, and `rotate-keys --now` reaches them within a minute.
ONE_SECOND, ONE_MINUTE = 1, 60


@dataclass
class Workload:
    """A service as the end-to-end suite knows it: what can be killed, started again and given a command."""

    name: str
    installation: Installation

    def kill(self) -> None:
        """kill -9 of all its pods, and none comes back: the autoscaler leaves alone what has no replicas."""
        kubectl = self.installation.kubectl
        kubectl("scale", f"deployment/{self.name}", "--replicas=0")
        kubectl("delete", "pods", "-l", f"{cluster.NAME}={self.name}", "--grace-period=0", "--force")

    async def start(self) -> None:
        """Three again, and ready."""
        self.installation.kubectl("scale", f"deployment/{self.name}", "--replicas=3")
        ready = self.installation.kubectl.ready
        await asyncio.to_thread(
            cluster.until, lambda: len(ready(self.name)) == 3, 90, f"three of {self.name} are ready"
        )

    def command(self, *arguments: str) -> None:
        """A command of the service, in one of its pods."""
        self.installation.kubectl.exec(f"deployment/{self.name}", "python3", "-m", self.name, *arguments)


class ThroughTheIngress(httpx.HTTPTransport):
    """Where the controller says that nobody answers, a client without one would have lost its connection."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if answer.status_code in (502, 503, 504) and "json" not in answer.headers.get("content-type", ""):
            raise httpx.RemoteProtocolError(f"The Ingress controller answered {answer.status_code}.")
        return answer


def wait_for_the_other_replicas(answer: httpx.Response) -> None:
    """Who has made a product and asks another replica at once may not find it there."""
    if answer.request.method == "POST" and answer.is_success:
        time.sleep(ONE_SECOND)


@pytest.fixture(scope="module")
def shop(installation: Installation) -> Iterator[Shop]:
    """The whole shop on the cluster, asked through its Ingress."""
    addresses = installation.addresses
    processes = {name: Workload(name, installation) for name in ("users", "products", "carts")}
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(
                httpx.Client(
                    base_url=addresses.products, headers=addresses.headers, timeout=20, transport=ThroughTheIngress()
                )
            )
            for name in processes
        }
        clients["products"].event_hooks = {"response": [wait_for_the_other_replicas]}
        yield Shop(**clients, processes=processes, transport=ThroughTheIngress, replicas=3, follows_seconds=ONE_MINUTE)


@pytest.fixture(scope="module", autouse=True)
def duration(installation: Installation, results: Results) -> Iterator[None]:
    """How long it all took, from nothing."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    count = sum(name.startswith("test_") for name in vars(test_shop))
    said = f"ready after {installation.seconds:.0f} s; {count} tests and the load took {took:.0f} s more"
    results.note(1, "`trolley secrets`, `kubectl apply -k`, tests/test_shop.py", "passes; images pulled", said)


def test_the_images_were_pulled_from_the_registry(installation: Installation, begin: Begin, results: Results) -> None:
    for name in SERVICES:
        for pod in installation.kubectl.pods(name):
            assert pod.images == (digest(name, TAG),), pod
    with begin() as ledger:
        ledger.wait(5)
    results.settle_without_failures(1, "the first 5 s of load", ledger)
