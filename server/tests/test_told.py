"""Settings from files: a module sees them and stays the same process; what cannot be used is told in a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = "import json, os, sys\nprint(json.dumps([sys.argv[1:], os.getpid(), dict(os.environ)]))\n"


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "shopserver.told", *arguments]
    environment = {"PYTHONPATH": str(folder), "STORE_URL": "outside", "PORT": "3000"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_each_file_is_a_variable_of_the_module_that_takes_the_process_over(tmp_path: Path) -> None:
    (tmp_path / "shown.py").write_text(SHOW)
    secrets = tmp_path / "secrets"
    # As Kubernetes mounts a Secret: names are links to what lies in a folder that a dot hides.
    (secrets / "..data").mkdir(parents=True)
    (secrets / "..data" / "STORE_URL").write_text("mongodb://inside\n")
    (secrets / "STORE_URL").symlink_to("..data/STORE_URL")
    (secrets / "admin-password").write_text("not a variable")
    with start(tmp_path, str(secrets), "shown", "grant", "--all") as process:
        output, errors = process.communicate(timeout=30)
    arguments, pid, environment = json.loads(output)
    assert (process.returncode, errors, arguments, pid) == (0, "", ["grant", "--all"], process.pid)
    assert (environment["STORE_URL"], environment["PORT"]) == ("mongodb://inside", "3000")
    assert "admin-password" not in environment


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("secrets",), "Usage: "),
        (("nowhere", "shown"), "nowhere cannot be read: No such file or directory."),
        (("broken", "shown"), "What lies in broken is no text."),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "STORE_URL").write_bytes(b"\xff\xfe")
    with start(tmp_path, *arguments) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(words)
