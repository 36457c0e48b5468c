"""Access tokens: only good ones, checked against keys that may change at any time."""

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm

from shopdev.people import ISSUER, People
from shopkit import tokens
from shopkit.client import Hop
from shopkit.errors import Unauthenticated, Unavailable
from shopkit.metrics import Metrics
from shopkit.tokens import Keys, Verifier, public_keys, published_keys

from .conftest import Tiny


class Ticker:
    """Seconds that tests set; they start in the present, in which the tokens are made."""

    def __init__(self) -> None:
        self.seconds = time.time()

    def __call__(self) -> float:
        return self.seconds


class Issuer(People):
    """Signs tokens, and hands out its keys without a network; `failure` makes that fail."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: Exception | None = None

    async def fetch(self) -> Keys:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        public = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return public_keys(msgspec.json.encode({"keys": [{**public, "kid": self.key_id}]}))


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


@pytest.fixture
async def verifier(issuer: Issuer, ticker: Ticker) -> Verifier:
    return Verifier(issuer.fetch, ISSUER, ticker)


async def test_a_good_token_tells_who_calls(verifier: Verifier, issuer: Issuer, ticker: Ticker) -> None:
    caller = await verifier.caller(issuer.token("ana", "customer", "staff", sid="s-1", exp=int(ticker()) + 900))
    assert (caller.id, caller.roles, caller.session) == ("ana", ("customer", "staff"), "s-1")
    assert caller.expires_at == int(ticker()) + 900


def public_pem(issuer: Issuer) -> bytes:
    return issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def by_hand(issuer: Issuer, header: dict[str, Any], secret: bytes) -> str:
    """A token that PyJWT would rather not make: HMAC keyed with a public key."""
    encoder = jwt.PyJWS()
    claims = jwt.decode(issuer.token("ana"), options={"verify_signature": False})
    encoder.unregister_algorithm("HS256")
    encoder.register_algorithm("HS256", PlainHmac())
    head = {"typ": "at+jwt", "kid": issuer.key_id, **header}
    return encoder.encode(msgspec.json.encode(claims), secret, algorithm="HS256", headers=head)


class PlainHmac(jwt.algorithms.HMACAlgorithm):
    def __init__(self) -> None:
        super().__init__(self.SHA256)

    def prepare_key(self, key: str | bytes) -> bytes:
        return key if isinstance(key, bytes) else key.encode()


FORGED: dict[str, Callable[[Issuer], str]] = {
    "unsigned": lambda issuer: issuer.token("ana", alg="none"),
    "HMAC with the public key as its secret": lambda issuer: by_hand(issuer, {}, public_pem(issuer)),
    "that, said to be EdDSA": lambda issuer: renamed(by_hand(issuer, {}, public_pem(issuer)), "EdDSA"),
    "signed by somebody else": lambda issuer: issuer.token("ana", key=Ed25519PrivateKey.generate()),
    "of another type": lambda issuer: issuer.token("ana", typ="JWT"),
    "of no type": lambda issuer: issuer.token("ana", typ=None),
    "for another audience": lambda issuer: issuer.token("ana", aud="elsewhere"),
    "of another issuer": lambda issuer: issuer.token("ana", iss="https://elsewhere.example"),
    "for nobody": lambda issuer: issuer.token("ana", sub=None),
    "for a number": lambda issuer: issuer.token("ana", sub=7),
    "with roles in one text": lambda issuer: issuer.token("ana", roles="staff"),
    "with an end that is no time": lambda issuer: issuer.token("ana", exp="tomorrow"),
    "with an end in words": lambda issuer: issuer.token("ana", exp=str(2**33)),
    "without an end": lambda issuer: issuer.token("ana", exp=None),
    "changed on the way": lambda issuer: flip(issuer.token("ana")),
    "cut short": lambda issuer: issuer.token("ana").rpartition(".")[0],
    "no token": lambda _: "no token",
    "not even ASCII": lambda _: "é.ü.ñ",
    "of nothing but dots": lambda _: "..",
}


def renamed(token: str, algorithm: str) -> str:
    head = jwt.get_unverified_header(token) | {"alg": algorithm}
    encoded = urlsafe_b64encode(msgspec.json.encode(head)).rstrip(b"=").decode()
    return f"{encoded}.{token.partition('.')[2]}"


def flip(token: str) -> str:
    head, claims, signature = token.split(".")
    return f"{head}.{claims[:-3]}{'A' if claims[-3] != 'A' else 'B'}{claims[-2:]}.{signature}"


@pytest.mark.parametrize("kind", FORGED)
async def test_a_token_that_is_not_good_is_refused(verifier: Verifier, issuer: Issuer, kind: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.caller(FORGED[kind](issuer))


async def test_a_token_ends_five_seconds_after_its_time(verifier: Verifier, issuer: Issuer, ticker: Ticker) -> None:
    expiry = int(ticker()) + 10
    token = issuer.token("ana", exp=expiry)
    for seconds in (expiry - 1, expiry, expiry + 4.9):
        ticker.seconds = seconds
        assert (await verifier.caller(token)).id == "ana"
    for _ in range(2):
        ticker.seconds = expiry + tokens.LEEWAY_SECONDS
        with pytest.raises(Unauthenticated, match="expired"):
            await verifier.caller(token)


async def test_a_token_from_a_machine_whose_clock_is_ahead_is_good(verifier: Verifier, issuer: Issuer) -> None:
    assert await verifier.caller(issuer.token("ana", iat=int(time.time()) + 120))


async def test_keys_are_asked_for_once_by_many_callers(verifier: Verifier, issuer: Issuer) -> None:
    await asyncio.gather(*(verifier.caller(issuer.token(f"user {n}")) for n in range(50)))
    assert issuer.asked == 1


async def test_a_rotation_needs_neither_a_restart_nor_a_wait(verifier: Verifier, issuer: Issuer) -> None:
    old = issuer.token("ana")
    await verifier.caller(old)
    issuer.rotate()
    assert (await verifier.caller(issuer.token("ana"))).id == "ana"
    assert issuer.asked == 2
    with pytest.raises(Unauthenticated):
        await verifier.caller(old)


async def test_a_withdrawn_key_is_forgotten_within_a_minute(verifier: Verifier, issuer: Issuer, ticker: Ticker) -> None:
    old = issuer.token("ana")
    await verifier.caller(old)
    issuer.rotate()
    ticker.seconds += tokens.KEYS_FRESH_SECONDS - 1
    assert (await verifier.caller(old)).id == "ana"
    ticker.seconds += 1
    with pytest.raises(Unauthenticated, match="not in use"):
        await verifier.caller(old)


async def refused(verifier: Verifier, token: str) -> None:
    with pytest.raises(Unauthenticated, match="not in use"):
        await verifier.caller(token)


async def test_made_up_keys_make_nobody_ask_more_than_once_a_second(
    verifier: Verifier, issuer: Issuer, ticker: Ticker
) -> None:
    await verifier.caller(issuer.token("ana"))
    await asyncio.gather(*(refused(verifier, issuer.token("eve", kid=str(uuid4()))) for _ in range(50)))
    assert issuer.asked == 2
    for _ in range(20):
        ticker.seconds += 0.1
        await refused(verifier, issuer.token("eve", kid=str(uuid4())))
    assert issuer.asked <= 4


async def test_made_up_keys_do_not_hide_a_new_one(verifier: Verifier, issuer: Issuer, ticker: Ticker) -> None:
    await verifier.caller(issuer.token("ana"))
    await refused(verifier, issuer.token("eve", kid="made up"))
    issuer.rotate()
    for _ in range(11):
        ticker.seconds += 0.1
        await refused(verifier, issuer.token("eve", kid=str(uuid4())))
    assert (await verifier.caller(issuer.token("ana"))).id == "ana"


async def test_without_any_keys_it_is_unavailable_and_asks_again(
    verifier: Verifier, issuer: Issuer, ticker: Ticker
) -> None:
    issuer.failure = Unavailable()
    token = issuer.token("ana")
    with pytest.raises(Unavailable):
        await verifier.caller(token)
    issuer.failure = None
    ticker.seconds += tokens.KEYS_RETRY_SECONDS
    assert (await verifier.caller(token)).id == "ana"


@pytest.mark.parametrize("failure", [Unavailable(), ValueError("no key set")])
async def test_the_keys_at_hand_serve_on_while_new_ones_cannot_be_had(
    verifier: Verifier, issuer: Issuer, ticker: Ticker, failure: Exception
) -> None:
    token = issuer.token("ana")
    await verifier.caller(token)
    issuer.failure = failure
    for asked in (2, 3):
        ticker.seconds += tokens.KEYS_FRESH_SECONDS
        for _ in range(5):
            assert (await verifier.caller(token)).id == "ana"
        assert issuer.asked == asked


async def test_it_remembers_no_more_than_it_should(
    verifier: Verifier, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED", 3)
    for n in range(8):
        await verifier.caller(issuer.token(f"user {n}"))
        assert len(verifier._remembered) <= 3


def test_keys_of_other_kinds_are_passed_over() -> None:
    known = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key(), as_dict=True)
    other = {"kty": "oct", "k": "c2VjcmV0", "kid": "other", "alg": "HS256"}
    assert set(public_keys(msgspec.json.encode({"keys": [{**known, "kid": "ours"}, other]}))) == {"ours"}


async def test_keys_come_from_the_issuer_over_http(people: People) -> None:
    hop = Hop("users", people.url, Metrics("kit", "1"))
    async with hop:
        assert set(await published_keys(hop)) == {people.key_id}


async def test_guards_let_in_whom_they_should(tiny: Tiny, people: People) -> None:
    async with tiny(people.url) as client:
        assert (await client.get("/me", headers=people.bearer("ana"))).json()["id"] == "ana"
        statuses = {}
        for who, headers in {
            "nobody": {},
            "basic": {"Authorization": "Basic YTpi"},
            "empty": {"Authorization": "Bearer "},
            "customer": people.bearer("ana"),
            "staff": people.bearer("bob", "staff"),
        }.items():
            statuses[who] = (await client.delete("/things/1", headers=headers)).status_code
        assert statuses == {"nobody": 401, "basic": 401, "empty": 401, "customer": 403, "staff": 204}
        # Anyone may add a thing, but a token that is sent must be good.
        assert (await client.post("/things", json={"name": "a"})).status_code == 201
        bad = people.bearer("ana", aud="elsewhere")
        assert (await client.post("/things", json={"name": "b"}, headers=bad)).status_code == 401


async def test_a_service_that_cannot_have_keys_is_unavailable_to_those_who_sign_in(tiny: Tiny) -> None:
    people = People()
    async with tiny() as client:
        answer = await client.get("/me", headers=people.bearer("ana"))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert (await client.get("/ping")).status_code == 200
