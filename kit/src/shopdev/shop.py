"""Users, products and carts as processes of their own, for tests of what stands in front of them."""

import asyncio
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from shopdev.clients import Process

PASSWORD = "correct horse battery staple"
# The most that one batch may hold.
PORTION = 500
# Much less than a token is good for: to sign in costs a hash of a password.
KEEPER_SECONDS = 300
FolderUrl = Callable[[str], str]


class Shop:
    """The three services, by name in `processes`; `add` fills the catalogue."""

    def __init__(self, store_url: FolderUrl, images: Path | None = None) -> None:
        users = Process("users", STORE_URL=store_url("users"))
        pictures = {"IMAGES_DIR": str(images)} if images else {}
        products = Process("products", STORE_URL=store_url("products"), USERS_URL=users.url, **pictures)
        urls = {"USERS_URL": users.url, "PRODUCTS_URL": products.url}
        carts = Process("carts", STORE_URL=store_url("carts"), **urls)
        self.processes = {"users": users, "products": products, "carts": carts}
        self._keeper = ""
        self._keeper_bearer: dict[str, str] = {}
        self._keeper_until = 0.0

    @property
    def urls(self) -> dict[str, str]:
        """Where the services are, as settings of what calls them."""
        return {f"{name}_url": process.url for name, process in self.processes.items()}

    def __getitem__(self, name: str) -> Process:
        return self.processes[name]

    def call(self, name: str, method: str, path: str, **content: Any) -> httpx.Response:
        """Calls a service; AssertionError with its words where it refuses."""
        answer = httpx.request(method, self[name].url + path, timeout=30, **content)
        assert answer.is_success, answer.text
        return answer

    def register(self, email: str = "", password: str = PASSWORD, name: str = "") -> str:
        """A new account; its mail address."""
        email = email or f"{secrets.token_hex(6)}@example.com"
        self.call("users", "POST", "/register", json={"email": email, "password": password, "name": name})
        return email

    def staff(self) -> str:
        """A new account of staff; its mail address."""
        email = self.register()
        command = [sys.executable, "-m", "users", "grant", email, "staff"]
        subprocess.run(command, env=self["users"].environment, check=True, capture_output=True)
        return email

    def bearer(self, email: str, password: str = PASSWORD) -> dict[str, str]:
        """The header of somebody who is signed in."""
        answer = self.call("users", "POST", "/login", json={"email": email, "password": password}).json()
        return {"Authorization": f"Bearer {answer['access_token']}"}

    def staff_bearer(self) -> dict[str, str]:
        """The header of one who may change the catalogue; always the same one, signed in now or a little while ago."""
        self._keeper = self._keeper or self.staff()
        if time.monotonic() > self._keeper_until:
            self._keeper_bearer = self.bearer(self._keeper)
            self._keeper_until = time.monotonic() + KEEPER_SECONDS
        return self._keeper_bearer

    def add(self, items: Sequence[dict[str, Any]]) -> None:
        """Products as POST /products takes them; with a known SKU, changes to them."""
        headers = self.staff_bearer()
        for start in range(0, len(items), PORTION):
            body = {"items": items[start : start + PORTION]}
            results = self.call("products", "POST", "/products/batch", json=body, headers=headers).json()["results"]
            refused = [result["problem"] for result in results if result["status"] >= 400]
            assert not refused, refused[:3]

    @contextmanager
    def running(self) -> Iterator["Shop"]:
        """Started, and stopped at the end; called outside of any event loop."""
        try:
            asyncio.run(self.start())
            yield self
        finally:
            for process in self.processes.values():
                process.resume()
                process.stop()

    async def start(self, *names: str) -> None:
        """Starts the services of these names, or all of them, and waits until they are ready."""
        await asyncio.gather(*(self[name].start() for name in names or self.processes))
