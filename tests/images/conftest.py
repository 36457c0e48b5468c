"""The images, built from the tree once a run, on a base of Debian's Python."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopdev.fixtures import require

from .containers import docker
from .standins import CannotBuild, base, proxy_arguments

ROOT = Path(__file__).parents[2]
# Which of our own packages the image of each target holds.
OURS = {
    "users": {"server", "kit", "users"},
    "products": {"server", "kit", "products"},
    "carts": {"server", "kit", "carts"},
    "storefront": {"server", "kit", "files", "storefront"},
    "tools": {"server", "kit", "files", "users", "products", "carts", "storefront", "launcher"},
}
TARGETS = tuple(OURS)
# Of this process alone: files of tests run beside each other, and one of them removes its images on the way.
TAG = f"images-test-{os.getpid()}"
BUILD_SECONDS = 600


def image(target: str) -> str:
    """The name of a target's image in these tests."""
    return f"trolley/{target}:{TAG}"


def git(*arguments: str) -> str:
    """What git says of this tree; "" where it is none."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


@pytest.fixture(autouse=True, scope="session")
def one_after_the_other() -> None:
    """Each builds or starts many: beside others they would take the time that all have."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("`make containers` runs them, one after the other.")


@pytest.fixture(scope="session")
def base_image() -> str:
    """The base that images of tests are built on."""
    if shutil.which("docker") is None:
        require("docker", "docker is not installed; tests/images/install.sh does it")
    if subprocess.run(["docker", "info"], capture_output=True, timeout=60, check=False).returncode:
        require("docker", "docker's daemon does not answer; tests/images/install.sh starts it")
    try:
        return base()
    except CannotBuild as error:
        require("docker", str(error))
        raise


@pytest.fixture(scope="session")
def revision() -> str:
    """What the images are built from, asked once: somebody may commit while tests run."""
    return git("rev-parse", "HEAD") or "unknown"


@pytest.fixture(scope="session")
def images(base_image: str, revision: str) -> Iterator[dict[str, str]]:
    """The image of each target, built by Docker's classic builder."""
    moment = git("log", "-1", "--format=%ct") or "315532800"
    pinned = [f"SOURCE_DATE_EPOCH={moment}", f"REVISION={revision}"]
    arguments = [f"--build-arg={text}" for text in (f"BASE={base_image}", *pinned)] + proxy_arguments()
    if index := os.environ.get("PIP_INDEX_URL"):
        arguments.append(f"--build-arg=PIP_INDEX_URL={index}")
    # So that no image of another run is the same one, and removing these removes them.
    arguments.append(f"--label=trolley.run={secrets.token_hex(8)}")
    for target in TARGETS:
        command = ["build", "--quiet", *arguments, f"--target={target}", f"--tag={image(target)}", str(ROOT)]
        docker(*command, timeout=BUILD_SECONDS)
    named = {target: image(target) for target in TARGETS}
    yield named
    # What they were made from stays, for the next run's builds.
    subprocess.run(["docker", "rmi", "--no-prune", *named.values()], capture_output=True, timeout=120, check=False)
