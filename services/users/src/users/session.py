"""The rules of sessions: a family of refresh tokens, each of which works once. No web, no store.

A refresh token is `<session>.<secret>.<turn>`. The secret shows that it was us who gave the token out; the turn changes
with every use. A right secret with another turn can only be a token that was used before: it is in two hands.
"""

import hmac
import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec

from shopkit.errors import Unauthenticated
from shopkit.values import new_id

SECRET_BYTES = 24
USER_AGENT_LONGEST = 200

Ending = Literal["reused", "closed"]


class TokenReused(Unauthenticated):
    """This refresh token was used before; all tokens of that sign-in have been ended."""


class Device(NamedTuple):
    """Where a sign-in came from."""

    user_agent: str
    address: str


class RefreshToken(NamedTuple):
    """What only its holder knows in full; of the secret and the turn we keep hashes."""

    session_id: str
    secret: str
    turn: str

    def __str__(self) -> str:
        return ".".join(self)


class Session(msgspec.Struct, frozen=True):
    """One sign-in: all refresh tokens that follow from it."""

    id: str
    user_id: str
    secret_hash: bytes
    turn_hash: bytes
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str
    address: str
    ended: Ending | None = None


def parse_token(text: str) -> RefreshToken:
    """The parts of a refresh token; Unauthenticated if it cannot be one."""
    parts = text.split(".")
    if len(parts) != 3:
        raise Unauthenticated("This is not a refresh token of this shop.")
    return RefreshToken(*parts)


def new_session(user_id: str, device: Device, moment: datetime, lifetime: timedelta) -> tuple[Session, RefreshToken]:
    """A session and its first token."""
    token = RefreshToken(new_id(), secrets.token_urlsafe(SECRET_BYTES), secrets.token_urlsafe(SECRET_BYTES))
    session = Session(
        id=token.session_id,
        user_id=user_id,
        secret_hash=_hash(token.secret),
        turn_hash=_hash(token.turn),
        created_at=moment,
        last_used_at=moment,
        expires_at=moment + lifetime,
        user_agent=device.user_agent[:USER_AGENT_LONGEST],
        address=device.address,
    )
    return session, token


def require_owner(session: Session | None, token: RefreshToken, moment: datetime) -> Session:
    """The session, if the token is or was one of its own and its time has not run out; else Unauthenticated."""
    known = session is not None and hmac.compare_digest(session.secret_hash, _hash(token.secret))
    if session is None or not known or session.expires_at <= moment:
        raise Unauthenticated("The refresh token is not valid.")
    return session


def turned(
    session: Session, token: RefreshToken, moment: datetime, lifetime: timedelta
) -> tuple[Session, RefreshToken]:
    """The session after this use of its token, and the next token.

    TokenReused if the token had its turn before, or its session ended that way; Unauthenticated if it ended otherwise.
    """
    if session.ended == "closed":
        raise Unauthenticated("This sign-in has been ended.")
    if session.ended == "reused" or not hmac.compare_digest(session.turn_hash, _hash(token.turn)):
        raise TokenReused
    following = token._replace(turn=secrets.token_urlsafe(SECRET_BYTES))
    used = msgspec.structs.replace(
        session, turn_hash=_hash(following.turn), last_used_at=moment, expires_at=moment + lifetime
    )
    return used, following


def _hash(secret: str) -> bytes:
    # Secrets of 192 random bits cannot be guessed from a fast hash, unlike passwords.
    return sha256(secret.encode()).digest()
