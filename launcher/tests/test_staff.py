"""The demo staff account, against a users service that is a few lines long."""

import json
from pathlib import Path

import httpx
import pytest

from trolley import staff
from trolley.staff import EMAIL, Staff, StaffFile


class Users:
    """Accounts in memory, behind the two routes and the one command that matter here."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}
        self.granted: set[str] = set()
        self.client = httpx.AsyncClient(base_url="http://users", transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        email, password = body["email"], body["password"]
        if request.url.path == "/register":
            if email in self.passwords:
                return httpx.Response(409, json={"code": "email_taken"})
            self.passwords[email] = password
            return httpx.Response(201, json={})
        if self.passwords.get(email) != password:
            return httpx.Response(401, json={"code": "invalid_credentials"})
        roles = ["customer", "staff"] if email in self.granted else ["customer"]
        return httpx.Response(200, json={"access_token": f"token of {email}", "user": {"roles": roles}})


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> Users:
    found = Users()

    async def grant(email: str, _: object) -> None:
        found.granted.add(email)

    monkeypatch.setattr(staff, "grant", grant)
    return found


@pytest.fixture
def file(tmp_path: Path) -> StaffFile:
    return StaffFile(tmp_path)


async def test_a_first_start_makes_the_account_and_keeps_it_for_its_owner_alone(users: Users, file: StaffFile) -> None:
    assert await staff.access_token(users.client, file, {}) == f"token of {EMAIL}"
    assert users.granted == {EMAIL}
    assert json.loads(file.path.read_text()) == {"email": EMAIL, "password": users.passwords[EMAIL]}
    assert [path.stat().st_mode & 0o777 for path in file.path.parent.iterdir()] == [0o600]


async def test_the_file_is_not_there_before_the_account_works(users: Users, file: StaffFile) -> None:
    drafted = file.draft(EMAIL)
    assert not file.path.exists()
    assert file.read() == drafted


async def test_a_start_cut_short_before_the_grant_is_finished_with_the_same_password(
    users: Users, file: StaffFile
) -> None:
    drafted = file.draft(EMAIL)
    users.passwords[EMAIL] = drafted.password
    await staff.access_token(users.client, file, {})
    assert users.granted == {EMAIL}
    assert file.read() == drafted


async def test_another_store_gets_the_same_account(users: Users, file: StaffFile) -> None:
    known = Staff(EMAIL, "a password from before")
    file.keep(known)
    await staff.access_token(users.client, file, {})
    assert users.passwords == {EMAIL: known.password}
    assert file.read() == known


async def test_an_account_whose_password_is_lost_is_left_alone(users: Users, file: StaffFile) -> None:
    users.passwords[EMAIL] = "known to somebody else"
    await staff.access_token(users.client, file, {})
    assert users.passwords[EMAIL] == "known to somebody else"
    assert users.granted == set(users.passwords) - {EMAIL}
    found = file.read()
    assert found is not None
    assert users.passwords[found.email] == found.password


async def test_a_service_that_refuses_is_quoted(file: StaffFile) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(503, text="no store"))
    async with httpx.AsyncClient(base_url="http://users", transport=transport) as client:
        with pytest.raises(staff.StaffRefused, match="503 to /register: no store"):
            await staff.access_token(client, file, {})
