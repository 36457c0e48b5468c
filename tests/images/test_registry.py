"""What is pushed to a registry and pulled again is the shop."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shopdev.fixtures import require
from shopdev.ports import free_port

from .conftest import ROOT, TARGETS
from .containers import docker

CONFIGURATION = """version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
SUITE_SECONDS = 300


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Debian's registry, empty, on a port of its own: HOST:PORT."""
    if shutil.which("docker-registry") is None:
        require("docker", "docker-registry is not installed; tests/images/install.sh does it")
    port = free_port()
    file = tmp_path / "registry.yml"
    file.write_text(CONFIGURATION.format(folder=tmp_path / "registry", port=port))
    with (tmp_path / "registry.log").open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", file], stdout=log, stderr=log)
    try:
        give_up = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/v2/").raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < give_up, (tmp_path / "registry.log").read_text()
                time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def test_images_pushed_removed_and_pulled_pass_the_end_to_end_suite(images: dict[str, str], registry: str) -> None:
    names = {target: f"{registry}/trolley/{target}:pushed" for target in TARGETS}
    ids = {target: docker("image", "inspect", "--format={{.Id}}", name) for target, name in images.items()}
    try:
        for target, name in names.items():
            docker("tag", images[target], name)
            docker("push", "--quiet", name, timeout=300)
        # By name: what others on this machine named stays. These carry a mark of this run, so nobody shares them.
        docker("rmi", *images.values(), *names.values())
        for target, name in names.items():
            missing = subprocess.run(["docker", "image", "inspect", ids[target]], capture_output=True, check=False)
            assert missing.returncode != 0, f"{target} is still here"
            docker("pull", "--quiet", name, timeout=300)
            assert docker("image", "inspect", "--format={{.Id}}", name) == ids[target]
            docker("tag", name, images[target])
        passed = run_suite(f"{registry}/trolley/NAME:pushed")
        assert " passed" in passed
        assert "skipped" not in passed
    finally:
        subprocess.run(["docker", "rmi", *names.values()], capture_output=True, check=False)


def run_suite(images: str) -> str:
    """Runs tests/test_shop.py against services of these images; its last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_shop.py"]
    environment = {**os.environ, "SHOP_IMAGES": images}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SUITE_SECONDS, check=False
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    return run.stdout.strip().splitlines()[-1]
