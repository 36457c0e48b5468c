"""The shop on the cluster that KUBECONFIG names: installed once, used by the tests in their order, removed.

Settings, all from the environment:

    KUBECONFIG       the cluster; without one these tests are skipped
    REQUIRE=cluster  without one they fail
    CLUSTER          a command that knows `load IMAGE...`, `node stop NAME` and `node start NAME`; without it the
                     nodes must be able to pull everybody's images, and no node is killed
    SHOP_INGRESS     where the Ingress controller listens (http://127.0.0.1:30080)
    SHOP_REGISTRY    where images are pushed to and pulled from (localhost:5000, as overlays/dev says)
    SHOP_TAG         what images are called (dev)
    SHOP_NAMESPACE   trolley; with any other name the shop's host is NAME.localhost
    SHOP_RATE        requests a second (15)
    SHOP_KEEP        1: uses images and a shop that are there already, and leaves the shop; for work on these tests
"""

import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from shopdev.fixtures import require

from .images import publish
from .installation import REGISTRY, ROOT, TAG, Installation, Machine
from .kubectl import is_cluster_there
from .ledger import Ledger
from .outside import Outside
from .people import Addresses
from .results import Results

Begin = Callable[..., Ledger]
KEEPS = os.environ.get("SHOP_KEEP") == "1"
NAMESPACE = os.environ.get("SHOP_NAMESPACE", "trolley")
RATE = float(os.environ.get("SHOP_RATE", "15"))
BEGAN = time.monotonic()
RESULTS = Results()


@pytest.fixture(scope="session")
def results() -> Results:
    """The rows of docs/cluster.md."""
    return RESULTS


@pytest.fixture(scope="session")
def machine() -> Machine:
    """What switches nodes off and on."""
    found = Machine.given()
    if found is None:
        require("cluster", "CLUSTER names no command that can switch a node off")
        raise AssertionError
    return found


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, results: Results) -> Iterator[Installation]:
    """The shop, made from nothing; `seconds` that took are in the first row."""
    if reason := is_cluster_there():
        require("cluster", reason)
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("`make cluster` runs them, one after the other")
    made = Installation(NAMESPACE, artefacts("overlays"))
    if KEEPS and made.kubectl.exists():
        made.wait(120)
        yield made
        return
    if not KEEPS:
        publish()
    made.kubectl.remove()
    made.seconds = made.install()
    yield made
    if not KEEPS:
        made.kubectl.remove()


@pytest.fixture(scope="session")
def outside(installation: Installation) -> Iterator[Outside]:
    """A namespace beside the shop."""
    with Outside(f"{NAMESPACE}-outside", f"{REGISTRY}/trolley/tools:{TAG}") as found:
        yield found


@pytest.fixture
def begin(installation: Installation, request: pytest.FixtureRequest) -> Begin:
    """A new ledger of this shop."""
    folder = artefacts(request.node.name)

    def begin(name: str = "ledger", addresses: Addresses | None = None, **options: Any) -> Ledger:
        options = {"rate": RATE, **options}
        return Ledger(addresses or installation.addresses, folder / name, installation.grant, **options)

    return begin


def artefacts(name: str) -> Path:
    """An empty folder that outlives the run."""
    folder = ROOT / ".artefacts" / "cluster" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test has failed on the cluster, its report tells what happened there."""
    report = yield
    installation = getattr(item, "funcargs", {}).get("installation")
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception) and installation:
        report.sections.append(("cluster", installation.kubectl.what_happened()))
    return report


def pytest_sessionfinish(exitstatus: int) -> None:
    """The table, if all of it was seen in this run and nothing failed."""
    for row in RESULTS.rows:
        print("\n" + " | ".join(map(str, row)), end="")
    if exitstatus == 0 and RESULTS.is_whole:
        RESULTS.write(time.monotonic() - BEGAN)
