"""Calls to the shop as a member of staff, which outlast a service that is down for a while and a token that ends."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from trolley.staff import Staff, StaffFile

TIMEOUT_SECONDS = 60
# A token is replaced so long before its end, or when half its life is over where that is less.
RENEW_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0


class NoShop(Exception):
    """There is no shop to talk to, or nobody to talk to it as; one sentence for the person at the keyboard."""


class Stopped(Exception):
    """It could not go on to the end; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where the shop is, and who asks: a token, or an account to sign in with."""

    products_url: str
    users_url: str
    token: str = ""
    staff: Staff | None = None
    # How long a service may be away before it is given up.
    patience_seconds: float = 60.0


def access(products_url: str, users_url: str, data: Path, environment: Mapping[str, str]) -> Access:
    """Whoever the environment names, else the demo staff account of the data folder.

    NoShop if there is neither, or if it is nothing that could be sent; BrokenFile.
    """
    token = environment.get("TROLLEY_TOKEN", "")
    email, password = environment.get("TROLLEY_EMAIL", ""), environment.get("TROLLEY_PASSWORD", "")
    if bool(email) != bool(password):
        raise NoShop("TROLLEY_EMAIL and TROLLEY_PASSWORD go together.")
    if not re.fullmatch("[!-~]*", token):
        raise NoShop("TROLLEY_TOKEN is no token: it holds a character that none has.")
    for name in ("TROLLEY_EMAIL", "TROLLEY_PASSWORD"):
        # Bytes that are not UTF-8 come as halves of characters.
        if re.search("[\ud800-\udfff]", environment.get(name, "")):
            raise NoShop(f"{name} is not in UTF-8.")
    if token:
        return Access(products_url=products_url.rstrip("/"), users_url=users_url.rstrip("/"), token=token)
    staff = Staff(email, password) if email else StaffFile(data).read()
    if staff is None:
        raise NoShop(f"Nobody to sign in as: {data} has no staff.json; set TROLLEY_EMAIL and TROLLEY_PASSWORD.")
    return Access(products_url=products_url.rstrip("/"), users_url=users_url.rstrip("/"), staff=staff)


class Shop:
    """`async with Shop(access) as shop:` NoShop where nothing answers, or nobody may sign in. Stopped, later on."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
        self._token = access.token
        self._renew_at = float("inf") if access.token else 0.0
        # Until it was there once, a service is not waited for.
        self._patience = 0.0

    async def __aenter__(self) -> "Shop":
        try:
            await self._look()
            if self._access.staff or self._token:
                await self._bearer()
        except BaseException:
            await self._client.aclose()
            raise
        self._patience = self._access.patience_seconds
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def _look(self) -> None:
        url = self._access.products_url
        try:
            answer = await self._client.get(f"{url}/products", params={"limit": 1})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoShop(f"No shop answers at {url}: start it with trolley up, or give its --url.") from error
        if not answer.is_server_error and "items" not in _json(answer):
            raise NoShop(f"What answers at {url} is not the products service; give its --url.")

    async def get(self, params: Any) -> dict[str, Any]:
        """A list of products; Stopped where it cannot be had."""
        answer = await self._patiently(
            "products", lambda: self._client.get(f"{self._access.products_url}/products", params=params)
        )
        return _accepted(answer)

    async def place(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The results of POST /products/batch. Safe to repeat, so it is, until there is an answer."""

        async def post() -> httpx.Response:
            url = f"{self._access.products_url}/products/batch"
            try:
                headers = await self._bearer()
            except NoShop as error:
                # It knew us when the import began.
                raise Stopped(str(error)) from error
            return await self._client.post(url, json={"items": items}, headers=headers)

        answer = await self._patiently("products", post)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and self._access.staff:
            self._renew_at = 0.0
            answer = await self._patiently("products", post)
        results: list[dict[str, Any]] = _accepted(answer)["results"]
        return results

    async def look_up(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What `place` would answer as far as the SKUs decide; changes nothing."""
        skus_of = [[part["sku"] for part in item.get("variants", [item])] for item in items]
        skus = [sku for skus in skus_of for sku in skus]
        holders: dict[str, str] = {}
        for start in range(0, len(skus), 100):
            found = await self.get([("sku", sku) for sku in skus[start : start + 100]])
            holders |= {variant["sku"]: product["id"] for product in found["items"] for variant in product["variants"]}
        results = []
        for skus in skus_of:
            known = {holders[sku] for sku in skus if sku in holders}
            problem = {"problem": {"detail": "Several products of the shop have SKUs of this one."}}
            results.append({"status": 409} | problem if len(known) > 1 else {"status": 200 if known else 201})
        return results

    async def _bearer(self) -> dict[str, str]:
        """Signs in anew when the token nears its end: unlike refreshing, that can be repeated after a lost answer."""
        staff = self._access.staff
        if staff is not None and time.monotonic() >= self._renew_at:
            content = {"email": staff.email, "password": staff.password}
            url = f"{self._access.users_url}/login"
            try:
                answer = await self._patiently("users", lambda: self._client.post(url, json=content))
            except (Stopped, httpx.InvalidURL) as error:
                if self._patience:
                    raise
                raise NoShop(f"No users service answers at {self._access.users_url}; give its --users-url.") from error
            if answer.status_code == HTTPStatus.UNAUTHORIZED:
                raise NoShop(f"The shop does not know {staff.email} with this password.")
            if not _is_of_users(answer):
                url = self._access.users_url
                raise NoShop(f"What answers at {url} is not the users service; give its --users-url.")
            signed_in = _accepted(answer)
            if "staff" not in signed_in["user"]["roles"]:
                raise NoShop(f"{staff.email} may not change the catalogue: the account is no staff.")
            self._token = signed_in["access_token"]
            lifetime = signed_in["expires_in"]
            self._renew_at = time.monotonic() + lifetime - min(RENEW_SECONDS, lifetime / 2)
        return {"Authorization": f"Bearer {self._token}"}

    async def _patiently(self, name: str, call: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """The answer, asked for again while the service is away or too busy; Stopped when that takes too long."""
        give_up = time.monotonic() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = await call()
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            else:
                if not answer.is_server_error and answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                    return answer
                reason = f"it answers {answer.status_code}"
                pause = max(pause, _retry_after(answer))
            if time.monotonic() + pause > give_up:
                raise Stopped(f"The {name} service is away: {reason}.")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), LONGEST_PAUSE_SECONDS) if text.isdigit() else 0.0


def _is_of_users(answer: httpx.Response) -> bool:
    """Whether it can be an answer to a sign-in: tokens, or a problem of a service that has this route."""
    content = _json(answer)
    if answer.is_success:
        return {"access_token", "expires_in", "user"} <= content.keys()
    return "code" in content and answer.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


def _accepted(answer: httpx.Response) -> dict[str, Any]:
    content = _json(answer)
    if answer.is_success:
        return content
    detail = content.get("detail") or answer.text[:200]
    raise Stopped(f"The shop answered {answer.status_code} to {answer.url.path}: {detail}")


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {}
