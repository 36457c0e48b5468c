"""The demo staff account: made on the first start, known to nobody but the file in the data folder."""

import asyncio
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from trolley.folder import ONLY_OWNER, BrokenFile, read_json, write_json

EMAIL = "staff@trolley.example"


class StaffRefused(Exception):
    """The users service did not take the account; the text says why."""


@dataclass(frozen=True)
class Staff:
    """How to sign in."""

    email: str
    password: str


class StaffFile:
    """Where the account is kept. A draft comes first, so that a start that was cut short is taken up again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "staff.json"
        self._draft = folder / "staff.draft.json"

    def read(self) -> Staff | None:
        """The account that works, or the one that was being made, None where there is neither; BrokenFile."""
        return self._account(self.path) or self._account(self._draft)

    def _account(self, path: Path) -> Staff | None:
        match read_json(path):
            case None:
                return None
            case {"email": str(email), "password": str(password)}:
                return Staff(email, password)
        raise BrokenFile(f'{path} is broken: it must hold "email" and "password" as texts; mend it or remove it.')

    def draft(self, email: str) -> Staff:
        """A new account with a password of its own, not registered yet."""
        staff = Staff(email, secrets.token_urlsafe(15))
        write_json(self._draft, asdict(staff), ONLY_OWNER)
        return staff

    def keep(self, staff: Staff) -> None:
        """The account works from now on."""
        if read_json(self.path) != asdict(staff):
            write_json(self.path, asdict(staff), ONLY_OWNER)
        self._draft.unlink(missing_ok=True)


async def access_token(users: httpx.AsyncClient, file: StaffFile, environment: Mapping[str, str]) -> str:
    """Signs in as staff, after making the account where this store has none. `environment` is the users service's."""
    staff = file.read()
    signed_in = await sign_in(users, staff) if staff else None
    if staff is None or signed_in is None:
        staff = await make(users, file, staff or file.draft(EMAIL))
    if signed_in is None or "staff" not in signed_in["user"]["roles"]:
        await grant(staff.email, environment)
        signed_in = await sign_in(users, staff)
    if signed_in is None:
        raise StaffRefused(f"Cannot sign in as {staff.email}.")
    file.keep(staff)
    token: str = signed_in["access_token"]
    return token


async def sign_in(users: httpx.AsyncClient, staff: Staff) -> dict[str, Any] | None:
    """The tokens and the user; None where the service does not know this address with this password."""
    answer = await users.post("/login", json=asdict(staff))
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return None
    found: dict[str, Any] = accepted(answer).json()
    return found


async def make(users: httpx.AsyncClient, file: StaffFile, staff: Staff) -> Staff:
    """Registers the account, or another where its address is there with a password that is lost."""
    if not await register(users, staff):
        staff = file.draft(f"staff-{secrets.token_hex(3)}@trolley.example")
        await register(users, staff)
    return staff


async def register(users: httpx.AsyncClient, staff: Staff) -> bool:
    """Whether the address was still free."""
    answer = await users.post("/register", json={**asdict(staff), "name": "Demo staff"})
    return answer.status_code != HTTPStatus.CONFLICT and accepted(answer).is_success


def accepted(answer: httpx.Response) -> httpx.Response:
    """The answer if it is a success, else StaffRefused with the service's own words."""
    if not answer.is_success:
        raise StaffRefused(f"The users service answered {answer.status_code} to {answer.url.path}: {answer.text}")
    return answer


async def grant(email: str, environment: Mapping[str, str]) -> None:
    """Gives the account its role, by the service's own command: there is no way over HTTP."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "users", "grant", email, "staff"),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise StaffRefused(f"python -m users grant {email} staff: {output.decode(errors='replace').strip()}")
