"""Accounts and sign-in, as the users service has them."""

from typing import Any

import msgspec

from shopkit.client import Hop
from storefront.backends.answers import acting_for, ask, bearer

# A lost answer would cost the sign-in: it is waited for longer than any page waits.
RENEWAL_SECONDS = 5.0


class User(msgspec.Struct):
    """An account."""

    email: str
    name: str
    roles: tuple[str, ...] = ()
    created_at: str = ""


class Tokens(msgspec.Struct):
    """A sign-in. The access token is good for `expires_in` seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    user: User


class Users:
    """The service. `address`: the visitor's, since limits on sign-in count by it."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop

    async def register(self, email: str, password: str, name: str, *, address: str, key: str) -> User:
        """Makes an account."""
        headers = {**acting_for(address), "Idempotency-Key": key}
        content = {"email": email, "password": password, "name": name}
        return await ask(self._hop, "POST", "/register", User, content, headers=headers)

    async def login(self, email: str, password: str, *, address: str, device: str) -> Tokens:
        """Signs in."""
        headers = {**acting_for(address), "User-Agent": device}
        return await ask(self._hop, "POST", "/login", Tokens, {"email": email, "password": password}, headers=headers)

    async def refresh(self, refresh_token: str) -> Tokens:
        """The next tokens of a sign-in; the one given is used up."""
        content = {"refresh_token": refresh_token}
        return await ask(self._hop, "POST", "/token/refresh", Tokens, content, seconds=RENEWAL_SECONDS)

    async def logout(self, refresh_token: str) -> None:
        """Ends a sign-in."""
        await ask(self._hop, "POST", "/logout", type(None), {"refresh_token": refresh_token})

    async def me(self, access_token: str) -> User:
        """The account."""
        return await ask(self._hop, "GET", "/me", User, headers=bearer(access_token))

    async def rename(self, access_token: str, name: str) -> User:
        """Changes the name."""
        return await ask(self._hop, "PATCH", "/me", User, {"name": name}, headers=bearer(access_token))

    async def change_password(self, access_token: str, current: str, new: str, *, address: str) -> None:
        """Changes the password; all other sign-ins end."""
        content = {"current_password": current, "new_password": new}
        headers = {**acting_for(address), **bearer(access_token)}
        await ask(self._hop, "POST", "/me/password", type(None), content, headers=headers)

    async def export(self, access_token: str) -> dict[str, Any]:
        """Everything held about the account."""
        return await ask(self._hop, "GET", "/me/export", dict[str, Any], headers=bearer(access_token))

    async def remove(self, access_token: str, password: str, *, address: str) -> None:
        """Deletes the account."""
        headers = {**acting_for(address), **bearer(access_token)}
        await ask(self._hop, "DELETE", "/me", type(None), {"password": password}, headers=headers)
