"""`trolley products verify-view` on the folder of a shop, as a person runs it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def verify(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trolley", "products", "verify-view", "--data", str(data), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.parametrize("options", [(), ("--store", "mongodb")])
def test_the_view_is_compared_with_the_store(start: Callable, options: tuple[str, ...]) -> None:
    launcher = start(*options).wait_ready()
    data = launcher.data
    assert (data / "products-view" / "current").is_file()
    if not options:
        run = verify(data)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.endswith(" products compared: the view and the store are the same.\n")
    launcher.stop()
    run = verify(data, *options)
    assert (run.returncode, run.stderr) == (0, ""), run
    assert run.stdout.endswith(" products compared: the view and the store are the same.\n")
    assert not run.stdout.startswith("0 ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "There is no database file"),
        (("--store", "mongodb"), "--mongodb-url"),
        (("--store", "sqlite", "--mongodb-url", "mongodb://localhost"), "--store sqlite"),
        (("--store", "oracle"), "oracle"),
    ],
)
def test_wrong_use_gets_one_sentence_and_exit_code_2(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    run = verify(tmp_path, *options)
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1), run
    assert said in run.stderr


def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    run = verify(tmp_path / "nowhere")
    assert (run.returncode, run.stderr) == (2, f"There is no folder {tmp_path}/nowhere.\n")
    assert not (tmp_path / "nowhere").exists()
