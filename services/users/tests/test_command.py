"""The command line: roles, keys, the document, and what a wrong command is told."""

import subprocess
import sys

import jwt
import pytest

from users import admin
from users.__main__ import main

from .conftest import StoppedClock, Visitor


def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str, **environment: str
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `python -m users WORDS`."""
    monkeypatch.setattr(sys, "argv", ["users", *words])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capsys.readouterr()


async def test_a_role_is_granted_and_revoked(ana: Visitor, sqlite_url: str) -> None:
    run = f"import os; os.environ['STORE_URL'] = {sqlite_url!r}; from users.__main__ import main; main()"
    for change, roles in (("grant", ["customer", "staff"]), ("grant", ["customer", "staff"]), ("revoke", ["customer"])):
        done = subprocess.run(
            [sys.executable, "-c", run, change, " ANA@example.test", "staff"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.count("\n") == 1
        ana.tokens = (await ana.refresh()).json()
        assert ana.tokens["user"]["roles"] == roles
        claims = jwt.decode(ana.tokens["access_token"], options={"verify_signature": False})
        assert claims["roles"] == roles
    assert ana.tokens["user"]["version"] == 3


@pytest.mark.parametrize("change", ["grant", "revoke"])
def test_an_address_without_account_is_told_in_a_sentence(
    change: str, store_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = command(monkeypatch, capsys, change, "nobody@example.test", "staff", STORE_URL=store_url)
    assert found == (2, "", "No account has this mail address.\n")


@pytest.mark.parametrize(
    "words",
    [["grant"], ["grant", "ana@example.test"], ["revoke", "ana@example.test", "customer"], ["dance"], ["--never"]],
)
def test_a_wrong_command_is_told_in_a_sentence(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = command(monkeypatch, capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("STORE_URL", "mysql://x", "STORE_URL must start with"),
        ("PORT", "many", "PORT: "),
        ("LOGIN_BURST", "0", "LOGIN_BURST must be at least 1"),
        ("HASH_WORKERS", "-1", "HASH_WORKERS must be at least 0"),
        ("SHOP_ENV", "production", "STORE_URL must be a mongodb://"),
    ],
)
def test_bad_settings_are_told_in_a_sentence(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = command(monkeypatch, capsys, **{name: value})
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


def test_a_store_that_cannot_be_had_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = command(monkeypatch, capsys, "rotate-keys", STORE_URL="sqlite:////dev/null/users.db")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_keys_are_rotated(store_url: str, clock: StoppedClock) -> None:
    told = [admin.run(admin.rotate_keys(drop_old=drop), store_url, clock) for drop in (False, False, True)]
    assert len({sentence.split()[1] for sentence in told}) == 3
    assert "older tokens stay good" in told[1]
    assert "no token signed before is good any more" in told[2]


def test_help_lists_commands_and_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = command(monkeypatch, capsys, "--help")
    assert code == 0
    for word in ("grant", "revoke", "rotate-keys", "STORE_URL", "LOGIN_BURST", "TRUSTED_PROXIES"):
        assert word in out
