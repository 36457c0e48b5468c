"""`trolley secrets --into`: made once, for each reader alone, and whole again after anything was lost."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

READERS = {
    "mongodb": {"keyfile", *(f"{name}-password" for name in ("root", "users", "products", "carts", "backup"))},
    "users": {"STORE_URL"},
    "products": {"STORE_URL"},
    "carts": {"STORE_URL"},
    "storefront": {"SESSION_SECRET"},
    "backup": {"MONGODB_URL"},
    "restore": {"MONGODB_URL"},
    "grafana": {"admin-password"},
}


def make(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trolley", "secrets", "--into", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def kept(folder: Path) -> dict[str, dict[str, str]]:
    return {place.name: {file.name: file.read_text() for file in place.iterdir()} for place in folder.iterdir()}


def test_all_is_made_once_for_whoever_reads_it(tmp_path: Path) -> None:
    run = make(tmp_path)
    assert (run.returncode, run.stderr, run.stdout) == (0, "", f"13 secrets made in {tmp_path}.\n")
    found = kept(tmp_path)
    assert {name: set(texts) for name, texts in found.items()} == READERS
    keys = found["mongodb"]
    for name in ("users", "products", "carts"):
        place = f"mongodb:27017/trolley_{name}?replicaSet=trolley&authSource=trolley_{name}"
        assert found[name]["STORE_URL"] == f"mongodb://{name}:{keys[f'{name}-password']}@{place}"
    values = [*keys.values(), found["grafana"]["admin-password"], found["storefront"]["SESSION_SECRET"]]
    assert len(set(values)) == len(values) == 8
    assert min(map(len, values)) >= 32
    again = make(tmp_path)
    assert (again.returncode, again.stdout) == (0, f"All secrets are in {tmp_path}.\n")
    assert kept(tmp_path) == found


def test_nobody_writes_and_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert make(tmp_path, "--key-owner", str(os.getuid())).returncode == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*/*")}
    assert modes.pop("keyfile") == 0o400
    assert set(modes.values()) == {0o440}


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a file away")
def test_the_key_is_given_to_the_user_who_runs_mongod(tmp_path: Path) -> None:
    assert make(tmp_path, "--key-owner", "999").returncode == 0
    owners = {path.name: path.stat().st_uid for path in tmp_path.glob("*/*")}
    assert owners.pop("keyfile") == 999
    assert set(owners.values()) == {0}


def test_what_was_lost_is_made_again_and_agrees_with_the_rest(tmp_path: Path) -> None:
    make(tmp_path)
    before = kept(tmp_path)
    (tmp_path / "mongodb" / "carts-password").unlink()
    (tmp_path / "users" / "STORE_URL").unlink()
    # Of a process that was killed while it wrote.
    (tmp_path / "users" / ".STORE_URL.draft").write_text("mongo")
    assert make(tmp_path).stdout == f"3 secrets made in {tmp_path}.\n"
    after = kept(tmp_path)
    password = after["mongodb"]["carts-password"]
    assert password != before["mongodb"]["carts-password"]
    assert f"carts:{password}@" in after["carts"]["STORE_URL"]
    changed = {"mongodb": {"carts-password": password}, "carts": after["carts"]}
    assert after == {name: texts | changed.get(name, {}) for name, texts in before.items()}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--members", "mongodb"), "--members must be HOST:PORT"),
        (("--members", "a:1,a:1"), "--members names a member twice"),
        (("--key-owner", "-1"), "--key-owner"),
    ],
)
def test_wrong_use_is_one_sentence_and_makes_nothing(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    run = make(tmp_path / "secrets", *options)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert said in run.stderr
    assert not (tmp_path / "secrets").exists()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = make(tmp_path / "file")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"Secrets cannot be kept in {tmp_path / 'file'}: Not a directory.\n"
