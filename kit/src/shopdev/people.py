"""Callers for the tests of services that check tokens: signs as the users service would, and publishes the keys."""

import time
from types import TracebackType
from typing import Any
from uuid import uuid4

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

ISSUER = "https://users.trolley.example"


class People:
    """`async with People() as people:` serves the key set at `people.url`; `people.token(...)` signs."""

    def __init__(self) -> None:
        self.key_id = str(uuid4())
        self.key = Ed25519PrivateKey.generate()
        self.url = ""
        self.asked = 0

    def rotate(self) -> None:
        """A new key; the old one is no longer published."""
        self.key_id, self.key = str(uuid4()), Ed25519PrivateKey.generate()

    def token(self, user_id: str, *roles: str, **changes: Any) -> str:
        """An access token; `changes` replace claims, or the header's `alg`, `typ` and `kid`, or the `key`."""
        moment = int(time.time())
        claims: dict[str, Any] = {"iss": ISSUER, "aud": "trolley", "sub": user_id, "roles": roles or ("customer",)}
        claims |= {"iat": moment, "exp": moment + 900, "jti": str(uuid4()), "sid": str(uuid4())}
        key = changes.pop("key", self.key)
        algorithm = changes.pop("alg", "EdDSA")
        headers = {"typ": changes.pop("typ", "at+jwt"), "kid": changes.pop("kid", self.key_id)}
        claims |= changes
        return jwt.encode(claims, key if algorithm != "none" else "", algorithm=algorithm, headers=headers)

    def bearer(self, user_id: str, *roles: str, **changes: Any) -> dict[str, str]:
        """The header that carries such a token."""
        return {"Authorization": f"Bearer {self.token(user_id, *roles, **changes)}"}

    async def _keys(self, _: web.Request) -> web.Response:
        self.asked += 1
        public: dict[str, Any] = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return web.json_response({"keys": [public | {"kid": self.key_id, "alg": "EdDSA", "use": "sig"}]})

    async def __aenter__(self) -> "People":
        app = web.Application()
        app.router.add_get("/.well-known/jwks.json", self._keys)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
