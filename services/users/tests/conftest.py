"""The store, the service and its visitors, for all tests here."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from shopdev.clients import client_of
from shopkit.metrics import Metrics
from shopkit.service import Application
from shopkit.values import now
from users.account import User, new_user, parse_address
from users.app import create_app
from users.settings import Settings
from users.store import UserStore
from users.stores import open_store

PASSWORD = "correct horse battery"


class StoppedClock:
    """A clock that moves only when told to. It starts in the present: MongoDB expires records by its own clock."""

    def __init__(self) -> None:
        self.moment = now()

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **amount: float) -> None:
        self.moment += timedelta(**amount)


class Visitor:
    """Somebody with an account, as a client sees it."""

    def __init__(self, client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> None:
        self.client = client
        self.email = email
        self.password = password
        self.tokens: dict[str, Any] = {}

    async def register(self) -> "Visitor":
        answer = await self.client.post("/register", json={"email": self.email, "password": self.password})
        assert answer.status_code == 201, answer.text
        return await self.login()

    async def login(self) -> "Visitor":
        answer = await self.try_password(self.password)
        assert answer.status_code == 200, answer.text
        self.tokens = answer.json()
        return self

    async def try_password(self, password: str) -> httpx.Response:
        return await self.client.post("/login", json={"email": self.email, "password": password})

    async def refresh(self, token: str | None = None) -> httpx.Response:
        token = token or self.tokens["refresh_token"]
        return await self.client.post("/token/refresh", json={"refresh_token": token})

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, path, json=body, headers=self.bearer | named)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
async def store(store_url: str, clock: StoppedClock) -> AsyncIterator[UserStore]:
    opened = open_store(store_url, Metrics("users", "test"), clock)
    await opened.prepare()
    yield opened
    await opened.close()


@pytest.fixture
def make_user(clock: StoppedClock) -> Callable[[str], User]:
    return lambda email: new_user(parse_address(email), "", "no hash", clock())


@pytest.fixture
def app(sqlite_url: str, clock: StoppedClock) -> Application:
    return create_app(Settings(store_url=sqlite_url, log_level="error"), clock=clock)


@pytest.fixture
async def client(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as opened:
        yield opened


@pytest.fixture
async def ana(client: httpx.AsyncClient) -> Visitor:
    return await Visitor(client, "ana@example.test").register()


@pytest.fixture
def visitor(client: httpx.AsyncClient) -> Callable[[str], Visitor]:
    return lambda email: Visitor(client, email)
