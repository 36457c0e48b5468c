# mypy: disable-error-code="import-not-found, untyped-decorator"
"""Signing in, with the accounts that the shop's users service has written."""

import secrets
import time
import unicodedata
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt
from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Response
from uuid_utils import uuid7

from . import schemas
from .database import Document, Opened
from .problems import Problem

TOKEN_SECONDS = 900
SESSION = timedelta(days=30)
HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
# To find out that it is not this password takes as long as with any account's.
NOBODYS = HASHER.hash(secrets.token_urlsafe())
# A hash takes 19 MiB; more at once than this would only wait for processors. As many as Node hashes at once.
HASHES_AT_ONCE = 4
KEY = Ed25519PrivateKey.generate()
KEY_ID = str(uuid7())

router = APIRouter(prefix="/login")
hashing = CapacityLimiter(HASHES_AT_ONCE)


@router.post("", response_model=schemas.Tokens)
async def login(database: Opened, content: schemas.LoginIn, response: Response) -> dict[str, Any]:
    """Opens a session."""
    key = unicodedata.normalize("NFC", content.email.strip()).casefold()
    user = await database.users.find_one({"email_key": key})
    password = unicodedata.normalize("NFC", content.password)
    # In a thread: it takes tens of milliseconds, and lets others run meanwhile.
    password_hash = user["password_hash"] if user else NOBODYS
    right = await to_thread.run_sync(_matches, password_hash, password, limiter=hashing)
    if user is None or not right:
        raise Problem("invalid_credentials")
    session = str(uuid7())
    refresh_token = f"{session}.{secrets.token_urlsafe(24)}"
    await database.sessions.insert_one(_session(session, user, refresh_token))
    response.headers["Cache-Control"] = "no-store"
    return {
        "access_token": _access_token(user, session),
        "refresh_token": refresh_token,
        "user": {**user, "id": user["_id"]},
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
    }


def _matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _access_token(user: Document, session: str) -> str:
    issued = int(time.time())
    claims = {
        "iss": "https://users.trolley.example",
        "aud": "trolley",
        "sub": user["_id"],
        "roles": user["roles"],
        "iat": issued,
        "exp": issued + TOKEN_SECONDS,
        "jti": str(uuid7()),
        "sid": session,
    }
    return jwt.encode(claims, KEY, "EdDSA", {"typ": "at+jwt", "kid": KEY_ID})


def _session(session: str, user: Document, token: str) -> Document:
    now = datetime.now(UTC)
    return {
        "_id": session,
        "user_id": user["_id"],
        "token_hash": sha256(token.encode()).hexdigest(),
        "created_at": now,
        "expires_at": now + SESSION,
    }
