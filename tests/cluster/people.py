"""Those in whose name the ledger asks: accounts that sign in again and again, one of them staff."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .books import CartBook
from .caller import Caller, Outcome, Request

PASSWORD = "correct horse battery staple"
CUSTOMERS = 4


@dataclass(frozen=True)
class Addresses:
    """Where the shop is: the storefront, and what stands before `/carts`, `/products` and `/login` of the services.

    `headers` go with each request, e.g. the Host that an Ingress looks at.
    """

    storefront: str
    users: str
    products: str
    carts: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Account:
    """Somebody who is signed in; a customer has one cart."""

    email: str
    token: str = ""
    cart: CartBook | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Entrance:
    """Registers and signs in."""

    def __init__(self, addresses: Addresses, caller: Caller) -> None:
        self._addresses, self._caller = addresses, caller

    async def register(self) -> Account:
        """A new account, signed in."""
        account = Account(f"ledger-{secrets.token_hex(8)}@example.com")
        body = {"email": account.email, "password": PASSWORD}
        await self._post("POST /register", "/register", body, (201,), lambda user: same(user["email"], account.email))
        return await self.sign_in(account)

    async def sign_in(self, account: Account) -> Account:
        """Gives it a new token. A session more does no harm, so it may be repeated."""
        body = {"email": account.email, "password": PASSWORD}
        answer = await self._post(
            "POST /login", "/login", body, (200,), lambda made: same(made["user"]["email"], account.email)
        )
        if answer.is_good and answer.body:
            account.token = answer.body["access_token"]
        return account

    async def _post(
        self, route: str, path: str, body: Any, statuses: tuple[int, ...], check: Callable[[Any], str]
    ) -> Outcome:
        url, headers = self._addresses.users + path, dict(self._addresses.headers)
        if path == "/register":
            headers |= key()
        return await self._caller.ask(Request(route, "POST", url, check, statuses, headers, body))


def key() -> dict[str, str]:
    """A header that makes a request safe to repeat."""
    return {"Idempotency-Key": secrets.token_hex(16)}


def same(found: object, wanted: object) -> str:
    """What is wrong; empty if nothing is."""
    return "" if found == wanted else f"{found!r} instead of {wanted!r}"
