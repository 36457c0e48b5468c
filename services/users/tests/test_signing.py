"""Signing keys: which sign, which are published, and what tokens are good."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shopdev.clients import client_of
from shopkit.errors import Unavailable
from shopkit.metrics import Metrics
from shopkit.service import Application
from shopkit.tokens import public_keys
from users.account import User
from users.app import create_app
from users.settings import Settings
from users.signing import Keyring, new_key, published, rotate, signer
from users.store import UserStore
from users.stores import open_store

from .conftest import StoppedClock, Visitor

MOMENT = datetime(2026, 5, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_replaced_key_stays_published_until_its_last_token_has_expired() -> None:
    old, new = new_key(1, MOMENT), new_key(2, MOMENT + 100 * SECOND)
    assert published([old, new], MOMENT + 1059 * SECOND) == [old, new]
    assert published([old, new], MOMENT + 1060 * SECOND) == [new]
    assert published([], MOMENT) == []


def test_a_new_key_signs_once_every_replica_knows_it() -> None:
    old, new = new_key(1, MOMENT), new_key(2, MOMENT + 100 * SECOND)
    assert signer([old, new], MOMENT + 109 * SECOND) == old
    assert signer([old, new], MOMENT + 110 * SECOND) == new
    assert signer([new], MOMENT + 100 * SECOND) == new


async def test_two_replicas_that_start_at_once_use_one_key(store: UserStore, clock: StoppedClock) -> None:
    rings = [Keyring(store, "issuer", clock) for _ in range(2)]
    first, second = [await ring.key_set() for ring in rings]
    assert first == second
    assert len(await store.signing_keys()) == 1


async def test_a_running_replica_sees_a_rotation(
    store: UserStore, clock: StoppedClock, make_user: Callable[[str], User]
) -> None:
    user = make_user("ana@example.test")
    ring = Keyring(store, "issuer", clock)
    old = jwt.get_unverified_header(await ring.access_token(user, "s"))["kid"]
    clock.forward(hours=1)
    new = (await rotate(store, clock(), drop_old=False)).id
    assert [key["kid"] for key in await ring.key_set()] == [old, new]
    assert jwt.get_unverified_header(await ring.access_token(user, "s"))["kid"] == old
    clock.forward(seconds=10)
    assert jwt.get_unverified_header(await ring.access_token(user, "s"))["kid"] == new
    clock.forward(seconds=950)
    assert [key["kid"] for key in await ring.key_set()] == [new]
    assert [key.id for key in await store.signing_keys()] == [new]


async def test_keys_at_hand_serve_on_while_the_store_is_down(
    store: UserStore, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise Unavailable

    ring, empty = Keyring(store, "issuer", clock), Keyring(store, "issuer", clock)
    keys = await ring.key_set()
    monkeypatch.setattr(store, "signing_keys", fail)
    clock.forward(hours=1)
    assert await ring.key_set() == keys
    with pytest.raises(Unavailable):
        await empty.key_set()


async def test_the_published_keys_verify_what_was_signed(ana: Visitor) -> None:
    answer = await ana.client.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    (key,) = answer.json()["keys"]
    assert set(key) == {"kid", "kty", "crv", "x", "alg", "use"}
    public = public_keys(answer.content)[key["kid"]]
    token = ana.tokens["access_token"]
    assert jwt.decode(token, public, algorithms=["EdDSA"], audience="trolley")["sub"] == ana.tokens["user"]["id"]


@pytest.fixture
async def forge(ana: Visitor, sqlite_url: str, clock: StoppedClock) -> Callable[..., str]:
    """Tokens as the service would sign them for ana, with what is named changed."""
    store = open_store(sqlite_url, Metrics("users", "test"), clock)
    await store.prepare()
    (key,) = await store.signing_keys()
    await store.close()
    private = Ed25519PrivateKey.from_private_bytes(key.secret)

    def sign(alg: str = "EdDSA", secret: Any = private, typ: str = "at+jwt", kid: str = key.id, **changed: Any) -> str:
        claims = jwt.decode(ana.tokens["access_token"], options={"verify_signature": False}) | changed
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, secret, alg, {"typ": typ, "kid": kid})

    sign.public = private.public_key()  # type: ignore[attr-defined]
    return sign


async def test_a_forged_or_foreign_token_opens_nothing(
    ana: Visitor, forge: Callable[..., str], clock: StoppedClock
) -> None:
    public = forge.public  # type: ignore[attr-defined]
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    expired = int(clock().timestamp()) - 6
    head, body, signature = forge().split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').decode().rstrip("=")
    tokens = {
        "alg none": f"{unsigned}.{body}.",
        "alg none, signed": f"{unsigned}.{body}.{signature}",
        "HS256 with the public key": forge(alg="HS256", secret=base64.urlsafe_b64encode(raw)),
        "another key": forge(secret=Ed25519PrivateKey.generate()),
        "an unknown key": forge(secret=Ed25519PrivateKey.generate(), kid="other"),
        "another audience": forge(aud="elsewhere"),
        "another issuer": forge(iss="https://elsewhere.example"),
        "expired": forge(exp=expired),
        "wrong type": forge(typ="JWT"),
        "no subject": forge(sub=None),
        "no end": forge(exp=None),
        "cut": forge()[:-10],
        "altered": f"{head}.{body[:-4]}AAAA.{signature}",
        "no token": "x",
    }
    assert (await ana.client.get("/me", headers={"Authorization": f"Bearer {forge()}"})).status_code == 200
    for fault, token in tokens.items():
        answer = await ana.client.get("/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), fault
        assert answer.headers["www-authenticate"] == "Bearer"
    for header in (f"Basic {forge()}", "Bearer", "Bearer ", forge()):
        assert (await ana.client.get("/me", headers={"Authorization": header})).status_code == 401, header


async def test_a_token_is_good_for_15_minutes(ana: Visitor, clock: StoppedClock) -> None:
    clock.forward(seconds=900)
    assert (await ana.call("GET", "/me")).status_code == 200
    # A few seconds' grace for clocks that differ.
    clock.forward(seconds=5)
    assert (await ana.call("GET", "/me")).status_code == 401


@pytest.mark.parametrize(("drop_old", "status"), [(False, 200), (True, 401)])
async def test_a_token_of_a_rotated_key_is_good_unless_dropped(
    ana: Visitor, app: Application, sqlite_url: str, clock: StoppedClock, drop_old: bool, status: int
) -> None:
    store = open_store(sqlite_url, Metrics("users", "test"), clock)
    await store.prepare()
    await rotate(store, clock(), drop_old=drop_old)
    await store.close()
    clock.forward(seconds=60)
    assert (await ana.call("GET", "/me")).status_code == status
    assert (await (await ana.login()).call("GET", "/me")).status_code == 200


async def test_another_issuer_signs_for_another_shop(sqlite_url: str, clock: StoppedClock, ana: Visitor) -> None:
    settings = Settings(store_url=sqlite_url, issuer="https://accounts.other.example", log_level="error")
    async with client_of(create_app(settings, clock=clock)) as client:
        bo = await Visitor(client, "bo@example.test").register()
        assert (await bo.call("GET", "/me")).status_code == 200
        assert (await client.get("/me", headers=ana.bearer)).status_code == 401
        assert (await ana.client.get("/me", headers=bo.bearer)).status_code == 401
