"""The session: all that the storefront knows of a visitor, kept by the visitor in encrypted cookies.

Who is signed in stands in a cookie of its own, which only signing in, renewing and signing out send anew: a late answer
to anything else cannot bring back somebody who has signed out meanwhile.
"""

import secrets
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TypeVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

# As long as the longest-lived cart lasts.
LIFE_SECONDS = 90 * 24 * 3600
# What browsers take, less the cookie's name and attributes.
COOKIE_LONGEST = 3900
T = TypeVar("T")


class Person(msgspec.Struct, frozen=True):
    """Who is signed in, and the tokens to act for them. `expires_at`: when the access token ends, in Unix seconds."""

    email: str
    name: str
    is_staff: bool
    access_token: str
    expires_at: int
    refresh_token: str


class Note(msgspec.Struct, frozen=True, array_like=True):
    """Something to be told once, on the next page. With `undo`, a version of the cart that can be taken back."""

    text: str
    kind: str = "good"
    undo: int = 0


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """A visitor. `visitor` names the cart they are going to have, so that two tabs cannot make two."""

    csrf: str
    visitor: str
    language: str = ""
    cart_token: str = ""
    item_count: int = 0
    person: Person | None = None
    notes: tuple[Note, ...] = ()


def new_session() -> Session:
    """Of somebody never seen before."""
    return Session(csrf=secrets.token_urlsafe(16), visitor=secrets.token_urlsafe(16))


class Cookies:
    """Sessions as the text of a cookie and back. `secret_keys`: the first seals, all of them open."""

    def __init__(self, secret_keys: Sequence[str], *, is_secure: bool) -> None:
        keys = [Fernet(urlsafe_b64encode(sha256(secret.encode()).digest())) for secret in secret_keys]
        self._cipher = MultiFernet(keys)
        # A browser takes a cookie of this prefix only from us, over TLS and for the whole host.
        self.name = "__Host-trolley" if is_secure else "trolley"
        self.person_name = f"{self.name}-person"
        self.is_secure = is_secure

    def read(self, cookies: Mapping[str, str]) -> Session | None:
        """The session that a browser's cookies hold; None where there is none."""
        session = self.open(cookies.get(self.name))
        person = self._opened(cookies.get(self.person_name), Person)
        return session and msgspec.structs.replace(session, person=person)

    def changed(self, before: Session | None, now: Session) -> dict[str, str]:
        """The cookies to send after a change, by name; an empty one is to be forgotten."""
        found = {}
        known = msgspec.structs.replace(before, person=None) if before else None
        if (rest := msgspec.structs.replace(now, person=None)) != known:
            found[self.name] = self.seal(rest)
        if now.person != (before.person if before else None):
            found[self.person_name] = self._sealed(now.person) if now.person else ""
        return found

    def open(self, text: str | None) -> Session | None:
        """The session; None for a text that is not ours, that was tampered with or that is too old."""
        return self._opened(text, Session)

    def seal(self, session: Session) -> str:
        """The text that opens as this session. Notes that do not fit into a cookie are dropped, oldest first."""
        while len(text := self._sealed(session)) > COOKIE_LONGEST and session.notes:
            session = msgspec.structs.replace(session, notes=session.notes[1:])
        return text

    def _opened(self, text: str | None, kind: type[T]) -> T | None:
        try:
            # Cookies leave out the padding, whose `=` would have to be quoted.
            padded = (text or "") + "=" * (-len(text or "") % 4)
            plain = zlib.decompress(self._cipher.decrypt(padded.encode(), ttl=LIFE_SECONDS))
            return msgspec.json.decode(plain, type=kind)
        except (InvalidToken, zlib.error, msgspec.DecodeError, UnicodeError):
            return None

    def _sealed(self, record: Session | Person) -> str:
        plain = zlib.compress(msgspec.json.encode(record))
        return self._cipher.encrypt(plain).decode().rstrip("=")
