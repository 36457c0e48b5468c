"""Two builds of one tree give the same layers, by either builder."""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopdev.fixtures import require

from .conftest import ROOT
from .containers import docker
from .standins import proxy_arguments

MOMENT = 1_700_000_000
# The first in the file, so that the classic builder builds no other on the way.
TARGET = "users"
BUILD_SECONDS = 900
# Folders that an image adds to its base.
ADDED = ("app", "needs", "data")


def arguments(base: str) -> list[str]:
    """What both builders are told."""
    index = [f"--build-arg=PIP_INDEX_URL={os.environ['PIP_INDEX_URL']}"] if "PIP_INDEX_URL" in os.environ else []
    given = [f"--build-arg=BASE={base}", f"--build-arg=SOURCE_DATE_EPOCH={MOMENT}", *index]
    return ["--no-cache", "--quiet", f"--target={TARGET}", *given, *proxy_arguments()]


def layers(image: str) -> list[str]:
    """The digests of what an image holds, from its base up."""
    found: list[str] = json.loads(docker("image", "inspect", "--format={{json .RootFS.Layers}}", image))
    return found


def contents(image: str, folder: Path) -> dict[str, tuple[object, ...]]:
    """Every file that an image adds: its kind, mode, owner, time and bytes."""
    container = docker("create", image)
    try:
        docker("export", f"--output={folder / 'all.tar'}", container)
    finally:
        docker("rm", container)
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(folder / "all.tar") as archive:
        for member in archive:
            if member.name.split("/")[0] in ADDED:
                file = archive.extractfile(member)
                about = (member.type, oct(member.mode & 0o7777), member.uid, member.gid, member.mtime)
                found[member.name] = (*about, file.read() if file else b"")
    return found


@pytest.fixture
def names() -> Iterator[list[str]]:
    """Names of two images, gone afterwards."""
    pair = [f"trolley-images-reproduced:{os.getpid()}-{number}" for number in (1, 2)]
    yield pair
    subprocess.run(["docker", "rmi", "--force", *pair], capture_output=True, check=False)


def test_docker_builds_the_same_layers_twice(base_image: str, names: list[str], tmp_path: Path) -> None:
    for name in names:
        docker("build", f"--tag={name}", *arguments(base_image), str(ROOT), timeout=BUILD_SECONDS)
    first, second = (contents(name, tmp_path) for name in names)
    assert first.keys() == second.keys()
    assert [path for path in first if first[path] != second[path]] == []
    assert {owner[2:4] for path, owner in first.items() if path.split("/")[0] != "data"} == {(0, 0)}
    assert first["data"][1:5] == ("0o755", 65532, 65532, 315532800)
    assert {about[4] for path, about in first.items() if path.split("/")[0] == "app"} == {MOMENT}
    assert layers(names[0]) == layers(names[1])
    health = json.loads(docker("image", "inspect", "--format={{json .Config.Healthcheck}}", names[0]))
    assert health["Test"] == ["CMD", "python3", "-m", "shopserver.health"]
    # What the service adds is in three layers; their digests are the whole difference to the base.
    assert layers(names[0])[: len(layers(base_image))] == layers(base_image)


def test_buildah_builds_the_same_image_twice(base_image: str, tmp_path: Path) -> None:
    if shutil.which("buildah") is None:
        require("docker", "buildah is not installed; tests/images/install.sh does it")
    archive = tmp_path / "base.tar"
    docker("save", f"--output={archive}", base_image, timeout=300)
    # A store of its own on the disk: what a test leaves in memory would be missing there.
    store = [f"--root={tmp_path / 'root'}", f"--runroot={tmp_path / 'run'}"]
    ids = []
    try:
        buildah(*store, "pull", "--quiet", f"docker-archive:{archive}")
        for number in (1, 2):
            # Its own format: Docker's writes down the name of the container that built.
            pinned = ["bud", "--isolation=chroot", "--format=oci", f"--timestamp={MOMENT}", f"--tag=users:{number}"]
            buildah(*store, *pinned, *arguments(f"localhost/{base_image}"), str(ROOT))
            # The digest of its whole configuration, which names the layers by theirs.
            ids.append(buildah(*store, "inspect", "--type=image", "--format={{.FromImageID}}", f"users:{number}"))
    finally:
        subprocess.run(["buildah", *store, "rmi", "--all", "--force"], capture_output=True, check=False)
    assert ids[0] == ids[1]


def buildah(*command: str) -> str:
    """What a buildah command prints; AssertionError with its words where it fails."""
    done = subprocess.run(["buildah", *command], capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.strip()
