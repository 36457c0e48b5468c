"""The commands that make images, where something they need is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT


def run(command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    variables = {**os.environ, "TAG": "never-built", "REGISTRY": "", **environment}
    script = ["tools/images.sh", command]
    return subprocess.run(script, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.usefixtures("base_image")
@pytest.mark.parametrize(
    ("command", "environment", "sentence"),
    [
        ("push", {}, "Say where to push"),
        ("push", {"REGISTRY": "localhost:1"}, "There is no image trolley/users:never-built yet"),
        ("sbom", {}, "There is no image trolley/users:never-built yet"),
        ("build", {"DOCKER_HOST": "unix:///nowhere/docker.sock"}, "Docker's daemon does not answer"),
        ("shout", {}, "Usage:"),
    ],
)
def test_what_is_missing_gets_one_sentence_and_exit_code_2(
    command: str, environment: dict[str, str], sentence: str
) -> None:
    done = run(command, **environment)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert done.stderr.startswith(sentence)


def test_without_docker_there_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    # All that the script calls before it looks for Docker.
    for name in ("bash", "date", "dirname", "env", "git"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = run("build", PATH=str(tmp_path))
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert done.stderr.startswith("Docker is needed for images")
