"""The session: all that the storefront knows of a visitor, kept by the visitor in one encrypted cookie."""

import secrets
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

# As long as the longest-lived cart lasts.
LIFE_SECONDS = 90 * 24 * 3600
# What browsers take, less the cookie's name and attributes.
COOKIE_LONGEST = 3900


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
        self.is_secure = is_secure

    def open(self, text: str | None) -> Session | None:
        """The session; None for a text that is not ours, that was tampered with or that is too old."""
        try:
            # Cookies leave out the padding, whose `=` would have to be quoted.
            padded = (text or "") + "=" * (-len(text or "") % 4)
            plain = zlib.decompress(self._cipher.decrypt(padded.encode(), ttl=LIFE_SECONDS))
            return msgspec.json.decode(plain, type=Session)
        except (InvalidToken, zlib.error, msgspec.DecodeError, UnicodeError):
            return None

    def seal(self, session: Session) -> str:
        """The text that opens as this session. Notes that do not fit into a cookie are dropped, oldest first."""
        while True:
            plain = zlib.compress(msgspec.json.encode(session))
            text = self._cipher.encrypt(plain).decode().rstrip("=")
            if len(text) <= COOKIE_LONGEST or not session.notes:
                return text
            session = msgspec.structs.replace(session, notes=session.notes[1:])
