"""The command line: wrong use gets one sentence and exit code 2."""

import socket
import sys
from pathlib import Path

import pytest

from trolley import cli
from trolley.folder import DataFolder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `trolley ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["trolley", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0  # type: ignore[return-value]


def ports(first_port: int) -> list[str]:
    return ["--first-port", str(first_port), "--storefront-port", str(first_port + 3)]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["up", "--colour", "red"], "--colour"),
        (["down"], "down"),
        (["up", "--store", "oracle"], "oracle"),
        (["up", "--first-port", "eighty"], "--first-port"),
        (["up", "--first-port", "65535"], "65533"),
        (["up", "--storefront-port", "3001"], "--storefront-port"),
        (["up", "--store", "sqlite", "--mongodb-url", "mongodb://localhost"], "--store sqlite"),
        (["up", "--store", "mongodb", "--mongodb-url", "http://localhost"], "mongodb://HOST"),
        (["up", "--store", "mongodb", "--mongodb-url", "mongodb://localhost/shop"], "database"),
        (["up", "now"], "now"),
        ([], "command"),
    ],
)
def test_wrong_use_gets_one_sentence_and_exit_code_2(
    arguments: list[str], word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert word in printed.err


def test_a_taken_port_is_named(
    tmp_path: Path, first_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", first_port + 1)):
        assert run(monkeypatch, "up", "--data", str(tmp_path), *ports(first_port)) == 2
    error = capsys.readouterr().err
    assert str(first_port + 1) in error
    assert len(error.splitlines()) == 1


def test_a_data_folder_belongs_to_one_launcher_at_a_time(
    tmp_path: Path, first_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with DataFolder(tmp_path):
        assert run(monkeypatch, "up", "--data", str(tmp_path), *ports(first_port)) == 2
    assert "in use by another trolley" in capsys.readouterr().err


def test_a_data_folder_that_is_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    path.touch()
    assert run(monkeypatch, "up", "--data", str(path)) == 2
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("staff.json", "{"),
        ("staff.json", '{"email": 1}'),
        ("staff.json", "[" * 100_000),
        ("prepared.json", "7"),
        ("session.json", "[]"),
    ],
)
def test_a_broken_file_in_the_data_folder_is_named_before_anything_starts(
    tmp_path: Path,
    first_port: int,
    name: str,
    content: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert run(monkeypatch, "up", "--data", str(tmp_path), *ports(first_port)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert str(path) in printed.err
    assert path.read_text() == content


def test_version_and_help_are_no_faults(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("trolley ")
    assert run(monkeypatch, "up", "--help") == 0
    assert "--mongodb-url" in capsys.readouterr().out


def test_the_doctor_is_content_where_everything_is_there(
    tmp_path: Path, first_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "new" / "folder"
    assert run(monkeypatch, "doctor", "--data", str(data), *ports(first_port)) == 0
    told = capsys.readouterr().out
    assert "FAIL" not in told
    assert "SQLite" in told
    assert not data.exists()


def test_the_doctor_names_a_taken_port_and_what_to_do(
    tmp_path: Path, first_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", first_port + 2)):
        assert run(monkeypatch, "doctor", "--data", str(tmp_path), *ports(first_port)) == 1
    [failed] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert f"port {first_port + 2} for carts" in failed
    assert "--first-port" in failed


def test_the_doctor_looks_at_the_port_of_the_storefront(
    tmp_path: Path, first_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", first_port + 3)):
        assert run(monkeypatch, "doctor", "--data", str(tmp_path), *ports(first_port)) == 1
    [failed] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert f"port {first_port + 3} for storefront" in failed
    assert "--storefront-port" in failed


def test_the_doctor_names_a_service_that_is_not_installed(
    tmp_path: Path, first_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("trolley.doctor.find_spec", lambda name: None if name == "carts" else object())
    assert run(monkeypatch, "doctor", "--data", str(tmp_path), *ports(first_port)) == 1
    assert "make install" in capsys.readouterr().out
