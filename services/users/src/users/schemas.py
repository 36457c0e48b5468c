"""What goes over the wire."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shopkit.values import NO_NUL
from users.account import NAME_LONGEST, User
from users.session import Session
from users.sign_in import SignedIn
from users.signing import TOKEN_SECONDS

# Room for blanks to trim and for accents typed apart; the rules in account.py count after that.
EmailText = Annotated[str, Meta(max_length=1024, pattern=NO_NUL, description="A mail address, at most 254 characters")]
PasswordText = Annotated[str, Meta(max_length=1024, pattern=NO_NUL, description="8 to 256 characters, kept as typed")]
NameText = Annotated[str, Meta(max_length=NAME_LONGEST, pattern=NO_NUL)]
TokenText = Annotated[str, Meta(max_length=256, pattern=NO_NUL)]


class RegisterIn(msgspec.Struct, forbid_unknown_fields=True):
    """A new account. Without a name it has the empty one."""

    email: EmailText
    password: PasswordText
    name: NameText | None = None


class LoginIn(msgspec.Struct, forbid_unknown_fields=True):
    """Who wants to sign in."""

    email: EmailText
    password: PasswordText


class RefreshIn(msgspec.Struct, forbid_unknown_fields=True):
    """The refresh token of a sign-in."""

    refresh_token: TokenText


class UserPatch(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON Merge Patch of the user; null takes the name away."""

    name: NameText | UnsetType | None = UNSET


class PasswordIn(msgspec.Struct, forbid_unknown_fields=True):
    """A change of password."""

    current_password: PasswordText
    new_password: PasswordText


class RemovalIn(msgspec.Struct, forbid_unknown_fields=True):
    """The password, once more, to delete the account."""

    password: PasswordText


class UserOut(msgspec.Struct):
    """A user."""

    id: str
    email: str
    name: str
    roles: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> "UserOut":
        """The public side of a user."""
        return msgspec.convert(user, cls, from_attributes=True)


class TokensOut(msgspec.Struct):
    """The tokens of a sign-in. The access token is good for `expires_in` seconds, the refresh token for one use."""

    access_token: str
    refresh_token: str
    user: UserOut
    token_type: str = "Bearer"  # noqa: S105
    expires_in: int = TOKEN_SECONDS

    @classmethod
    def of(cls, signed_in: SignedIn) -> "TokensOut":
        """What the client is told."""
        return cls(signed_in.access_token, signed_in.refresh_token, UserOut.of(signed_in.user))


class SessionOut(msgspec.Struct):
    """One sign-in that has not ended."""

    id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str
    address: str

    @classmethod
    def of(cls, session: Session) -> "SessionOut":
        """A session without its secrets."""
        return msgspec.convert(session, cls, from_attributes=True)


class ExportOut(msgspec.Struct):
    """Everything this service holds about the caller, but for secrets, of which it holds only hashes."""

    user: UserOut
    sessions: list[SessionOut]
    elsewhere: str


class Jwk(msgspec.Struct):
    """A public key (RFC 7517, RFC 8037)."""

    kid: str
    kty: str
    crv: str
    x: str
    alg: str
    use: str


class KeySetOut(msgspec.Struct):
    """The public keys that access tokens are verified with."""

    keys: list[Jwk]
