"""Who is calling: access tokens (RFC 9068, Ed25519) checked locally against published keys."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import jwt
import msgspec

from shopkit.client import Hop
from shopkit.errors import Unauthenticated, Unavailable

AUDIENCE, TYPE, ALGORITHM = "trolley", "at+jwt", "EdDSA"
# `exp` is checked at each use, below; `iat` not at all: the clock of another machine may be ahead.
OPTIONS: Any = {"require": ["exp", "iat", "sub", "aud", "iss", "jti"], "verify_exp": False, "verify_iat": False}
LEEWAY_SECONDS, KEYS_FRESH_SECONDS = 5, 60
REMEMBERED = 10_000
# An unknown key id makes us ask for the keys again at once, but made-up ones cannot make us ask more often than this.
KEYS_RETRY_SECONDS = 1

Keys = Mapping[str, Any]
FetchKeys = Callable[[], Awaitable[Keys]]


class Caller(msgspec.Struct, frozen=True):
    """The person behind a request, as a valid access token says."""

    id: str = msgspec.field(name="sub")
    expires_at: int = msgspec.field(name="exp")
    roles: tuple[str, ...] = ()
    session: str | None = msgspec.field(name="sid", default=None)


def public_keys(key_set: bytes) -> Keys:
    """The Ed25519 keys of a JWK set (RFC 7517) by their id; others are passed over."""
    return {str(key.key_id): key for key in jwt.PyJWKSet.from_json(key_set.decode()).keys if key.key_type == "OKP"}


class Verifier:
    """Checks access tokens; remembers the good ones until they expire or the keys change."""

    def __init__(self, fetch_keys: FetchKeys, issuer: str, clock: Callable[[], float] = time.time) -> None:
        self._fetch, self._issuer, self._clock = fetch_keys, issuer, clock
        self._keys: Keys = {}
        self._fetched = self._tried = self._asked_in_vain = float("-inf")
        self._lock = asyncio.Lock()
        self._remembered: dict[str, Caller] = {}

    async def caller(self, token: str) -> Caller:
        """Whom `token` belongs to. Unauthenticated if it is not good; Unavailable if no keys were ever to be had."""
        if self._is_outdated():
            await self._refresh(self._is_outdated)
        caller = self._remembered.get(token)
        if caller is None:
            caller = await self._verify(token)
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[token] = caller
        if caller.expires_at + LEEWAY_SECONDS <= self._clock():
            self._remembered.pop(token, None)
            raise Unauthenticated("The access token has expired.")
        return caller

    def _is_outdated(self) -> bool:
        moment = self._clock()
        return moment - self._fetched >= KEYS_FRESH_SECONDS and moment - self._tried >= KEYS_RETRY_SECONDS

    async def _verify(self, token: str) -> Caller:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != ALGORITHM or str(header.get("typ", "")).lower() != TYPE:
                raise Unauthenticated("This is not an access token of this shop.")
            key = await self._key(str(header.get("kid", "")))
            claims = jwt.decode(token, key, [ALGORITHM], OPTIONS, audience=AUDIENCE, issuer=self._issuer)
            return msgspec.convert(claims, Caller)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
            raise Unauthenticated("The access token is not valid.") from error

    async def _key(self, key_id: str) -> Any:
        def is_new() -> bool:
            return key_id not in self._keys and self._clock() - self._asked_in_vain >= KEYS_RETRY_SECONDS

        if is_new():
            await self._refresh(is_new)
        if key_id not in self._keys:
            if self._fetched == float("-inf"):
                raise Unavailable("The keys that sign access tokens cannot be had just now.")
            # The time of the question, not of this answer: made-up ids in a row must not put off the next question.
            self._asked_in_vain = self._tried
            raise Unauthenticated("The access token is signed by a key that is not in use.")
        return self._keys[key_id]

    async def _refresh(self, is_needed: Callable[[], bool]) -> None:
        """Asks for the keys again; while that fails, the keys we have serve on. Those who wait share one answer."""
        async with self._lock:
            if not is_needed():
                return
            self._tried = self._clock()
            try:
                keys = await self._fetch()
            except Exception as error:
                # Whatever is wrong with the issuer or its answer.
                logging.getLogger(__name__).warning("signing keys not refreshed", extra={"reason": str(error)})
                return
            if keys.keys() != self._keys.keys():
                self._remembered.clear()
            self._keys, self._fetched = keys, self._tried


async def published_keys(issuer: Hop) -> Keys:
    """The keys that the issuer publishes."""
    return public_keys(await issuer.get("/.well-known/jwks.json"))
