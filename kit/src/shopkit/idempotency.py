"""Idempotency-Key: a repeated POST gets the first answer again, and its effect happens once.

The answer is kept by the same transaction that has the effect, so there is nothing in between to be killed in, and no
half-done key that could get stuck. What is kept can be read only with the key itself: the record is found by a hash of
it, the payload's fingerprint is keyed with it, and the answer (which may hold a secret) is encrypted under it.
Only successes are kept: a refused request changed nothing, so its repetition is tried afresh.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol, TypeVar

import msgspec
from cryptography.fernet import Fernet
from litestar import Response

from shopkit.errors import Conflict, InvalidRequest, ShopError
from shopkit.requests import JSON, ShopRequest
from shopkit.values import Clock

KEPT = timedelta(hours=24)
VISIBLE_ASCII = re.compile(r"[!-~]{1,255}")
T = TypeVar("T")


class IdempotencyKeyReused(InvalidRequest):
    """This Idempotency-Key was used for another request."""


class IdempotencyInFlight(Conflict):
    """The first request with this Idempotency-Key is still at work."""


class Replay(msgspec.Struct, frozen=True):
    """A kept answer. `id` and `fingerprint` are hashes, `answer` is encrypted; it was `kept` before it expires."""

    id: str
    fingerprint: str
    answer: bytes
    expires_at: datetime
    kept: timedelta = KEPT


class ReplayExists(Exception):
    """Another request with the same key was faster; its effect stands and ours does not."""


class ReplayStore(Protocol):
    """Every store keeps replays beside its records; the method that has the effect takes a Replay to keep with it."""

    async def find_replay(self, replay_id: str) -> Replay | None:
        """The kept answer of that id."""


Remember = Callable[[Response[Any]], Replay | None]
Work = Callable[[Remember], Awaitable[Response[T]]]
Kept = tuple[int, dict[str, str], bytes]


class Key:
    """One request's Idempotency-Key, scoped to its caller."""

    def __init__(self, secret: str, scope: str, payload: bytes, clock: Clock, kept: timedelta = KEPT) -> None:
        material = f"{scope}\n{secret}".encode()
        self.id = sha256(b"id\n" + material).hexdigest()
        self._fingerprint = hmac.digest(material, payload, "sha256").hex()
        self._cipher = Fernet(urlsafe_b64encode(sha256(b"answer\n" + material).digest()))
        self._clock, self._kept = clock, kept

    def remember(self, answer: Response[Any]) -> Replay:
        """The answer, sealed, to be kept with the effect it tells of."""
        kept: Kept = (answer.status_code or 200, {k: str(v) for k, v in answer.headers.items()}, answer.content or b"")
        sealed = self._cipher.encrypt(msgspec.json.encode(kept))
        return Replay(self.id, self._fingerprint, sealed, self._clock() + self._kept, self._kept)

    def replay(self, found: Replay) -> Response[Any]:
        """The first answer again; IdempotencyKeyReused if the request is another one."""
        if not hmac.compare_digest(found.fingerprint, self._fingerprint):
            raise IdempotencyKeyReused
        status, headers, body = msgspec.json.decode(self._cipher.decrypt(found.answer), type=Kept)
        return Response(body, status_code=status, headers={**headers, "Idempotency-Replayed": "true"}, media_type=JSON)


async def once(request: ShopRequest, store: ReplayStore, clock: Clock, scope: str, work: Work[T]) -> Response[T]:
    """Does `work`, or answers as it was answered when the same caller (`scope`) sent the same key before.

    `work` is given a function that makes its answer into a Replay, to be handed to the store together with the change.
    """
    secret = request.headers.get("idempotency-key")
    if secret is None or request.method != "POST":
        return await work(lambda _: None)
    if not VISIBLE_ASCII.fullmatch(secret):
        raise InvalidRequest.at("#/header/Idempotency-Key", "Must be 1 to 255 visible ASCII characters.")
    body = msgspec.json.encode(await request.json(), order="deterministic")
    key = Key(secret, scope, f"{request.method} {request.scope['path']}\n".encode() + body, clock)
    running: set[str] = request.app.state.running_keys
    if key.id in running:
        raise IdempotencyInFlight(retry_after=1)
    running.add(key.id)
    try:
        found = await store.find_replay(key.id)
        if found is None:
            try:
                return await work(key.remember)
            except (ReplayExists, ShopError) as refused:
                # What stands in the way may be the effect of this very request, sent to another replica.
                found = await store.find_replay(key.id)
                if found is None:
                    raise refused if isinstance(refused, ShopError) else IdempotencyInFlight(retry_after=1) from refused
        return key.replay(found)
    finally:
        running.discard(key.id)
