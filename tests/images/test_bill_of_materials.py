"""The bill of materials of an image: what its lock names, our own packages, and nothing else."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .conftest import OURS, ROOT, TAG, TARGETS
from .containers import docker

WRITING_SECONDS = 600


@pytest.fixture(scope="module")
def bills(images: dict[str, str]) -> Path:
    """The folder of the bills of these tests' images."""
    command = ["make", "--no-print-directory", "sbom", f"TAG={TAG}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WRITING_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return ROOT / ".artefacts" / "sbom"


def locked(target: str, image: str) -> dict[str, str]:
    """The versions that a target's lock names for the image's Python, by name."""
    code = "import json, platform, sys; print(json.dumps({'python_full_version': platform.python_version()}))"
    environment = json.loads(docker("run", "--rm", "--network=none", "--entrypoint=python3", image, "-c", code))
    environment["python_version"] = environment["python_full_version"].rpartition(".")[0]
    lock = ROOT / "requirements" / f"{'launcher' if target == 'tools' else target}.txt"
    lines = re.findall(r"^[a-z0-9].*==[^\\\n]*", lock.read_text(), re.MULTILINE)
    needs = [Requirement(line.strip()) for line in lines]
    assert needs
    wanted = [need for need in needs if need.marker is None or need.marker.evaluate(environment)]
    return {canonicalize_name(need.name): str(need.specifier).removeprefix("==") for need in wanted}


@pytest.mark.parametrize("target", TARGETS)
def test_a_bill_names_each_locked_package_with_its_version_and_nothing_else(
    images: dict[str, str], bills: Path, target: str
) -> None:
    bill = json.loads((bills / f"{target}.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = [bill["metadata"]["component"], *bill["components"]]
    found = {canonicalize_name(component["name"]): component["version"] for component in listed}
    assert len(found) == len(listed)
    own = {name for name in found if name.startswith("trolley-")}
    assert own == {f"trolley-{name}" for name in OURS[target]}
    assert {name: version for name, version in found.items() if name not in own} == locked(target, images[target])
