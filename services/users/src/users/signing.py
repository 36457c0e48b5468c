"""The keys that sign access tokens: numbered, never changed, kept in the store; the newest signs once all know it."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from shopkit.errors import RecordChanged, Unavailable
from shopkit.tokens import ALGORITHM, AUDIENCE, TYPE, Keys
from shopkit.values import Clock, new_id
from users.account import User
from users.store import KeyStore, SigningKey

TOKEN_SECONDS = 900
# How long a running replica may not have seen a new key; so long a new key is published before it signs.
RELOAD = timedelta(seconds=10)
# A replaced key stays published until the last token it can have signed has expired, on clocks a little apart too.
PUBLISHED_ON = timedelta(seconds=TOKEN_SECONDS + 60)


def new_key(number: int, moment: datetime) -> SigningKey:
    """A fresh Ed25519 key."""
    return SigningKey(number, new_id(), Ed25519PrivateKey.generate().private_bytes_raw(), moment)


def published(keys: Sequence[SigningKey], moment: datetime) -> list[SigningKey]:
    """Those whose tokens are to be believed, the newest last; `keys` are in the order of their numbers."""
    pairs = zip_longest(keys, keys[1:])
    return [key for key, next_key in pairs if next_key is None or next_key.created_at + PUBLISHED_ON > moment]


def signer(keys: Sequence[SigningKey], moment: datetime) -> SigningKey:
    """The newest key that every replica has seen; the oldest if there is none yet."""
    return next((key for key in reversed(keys) if key.created_at + RELOAD <= moment), keys[0])


async def rotate(store: KeyStore, moment: datetime, *, drop_old: bool) -> SigningKey:
    """A new key, which signs once all replicas know it; with `drop_old`, no token signed before is good any more.

    RecordChanged if somebody else rotated at this moment.
    """
    keys = await store.signing_keys()
    key = new_key(keys[-1].number + 1 if keys else 1, moment)
    await store.add_key(key)
    if drop_old:
        await store.drop_keys(before=key.number)
    return key


class Keyring:
    """The store's keys at hand: signs tokens and publishes what others verify them with."""

    def __init__(self, store: KeyStore, issuer: str, clock: Clock) -> None:
        self._store = store
        self._issuer = issuer
        self._clock = clock
        self._keys: list[SigningKey] = []
        self._loaded = datetime.min.replace(tzinfo=UTC)

    async def access_token(self, user: User, session_id: str) -> str:
        """A token that says for 15 minutes who the caller is. Unavailable if no key was ever to be had."""
        moment = self._clock()
        key = signer(await self._known(), moment)
        issued = int(moment.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": user.id,
            "roles": user.roles,
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
            "jti": new_id(),
            "sid": session_id,
        }
        return jwt.encode(claims, _private(key), ALGORITHM, {"typ": TYPE, "kid": key.id})

    async def key_set(self) -> list[dict[str, str]]:
        """The published keys as JWKs (RFC 7517, RFC 8037)."""
        return [_jwk(key) for key in await self._known()]

    async def public_keys(self) -> Keys:
        """The published keys by their id, as the store has them now, or had them when it could last be asked."""
        return {key.id: _private(key).public_key() for key in await self._known(at_most_old=timedelta())}

    async def _known(self, at_most_old: timedelta = RELOAD) -> list[SigningKey]:
        if self._clock() - self._loaded >= at_most_old:
            try:
                await self._load()
            except Unavailable:
                if not self._keys:
                    raise
                # Those at hand serve on; the store is asked again only after a while, as each question takes long.
                self._loaded = self._clock()
        return self._keys

    async def _load(self) -> None:
        moment = self._clock()
        keys = await self._store.signing_keys()
        if not keys:
            # Of several replicas that start on an empty store one is first, and all use its key.
            with suppress(RecordChanged):
                await self._store.add_key(new_key(1, moment))
            keys = await self._store.signing_keys()
        self._keys, self._loaded = published(keys, moment), moment
        if len(self._keys) < len(keys):
            await self._store.drop_keys(before=self._keys[0].number)


def _private(key: SigningKey) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key.secret)


def _jwk(key: SigningKey) -> dict[str, str]:
    public = OKPAlgorithm.to_jwk(_private(key).public_key(), as_dict=True)
    return {**msgspec.convert(public, dict[str, str]), "kid": key.id, "alg": ALGORITHM, "use": "sig"}
