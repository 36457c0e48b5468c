"""The rules of accounts: what is a mail address, what is a password, what may change. No web, no store."""

import unicodedata
from collections.abc import Container
from datetime import datetime
from typing import NamedTuple

import msgspec
from email_validator import EmailNotValidError, validate_email

from shopkit.errors import Conflict, InvalidRequest, Unauthenticated
from shopkit.values import new_id

PASSWORD_SHORTEST = 8
PASSWORD_LONGEST = 256
NAME_LONGEST = 200

# Every account is a customer's for good; the other roles come and go.
CUSTOMER = "customer"


class EmailTaken(Conflict):
    """There is an account with this mail address already."""


class InvalidCredentials(Unauthenticated):
    """The mail address or the password is wrong."""


class Address(NamedTuple):
    """A mail address as its owner writes it, and the key under which no two accounts may have the same."""

    text: str
    key: str


class User(msgspec.Struct, frozen=True):
    """One account."""

    id: str
    email: str
    email_key: str
    name: str
    roles: tuple[str, ...]
    password_hash: str
    version: int
    created_at: datetime
    updated_at: datetime


def parse_address(typed: str) -> Address:
    """The mail address that was typed, at most 254 characters; InvalidRequest at `#/email` if it is none."""
    text = unicodedata.normalize("NFC", typed.strip())
    try:
        # Whether mail arrives is not known without sending some; a shop on a bare machine has users at example.test.
        found = validate_email(text, check_deliverability=False, globally_deliverable=False, test_environment=True)
    except EmailNotValidError as error:
        raise InvalidRequest.at("#/email", str(error)) from error
    return Address(text, fold(f"{found.local_part}@{found.ascii_domain}"))


def address_key(typed: str) -> str:
    """As `parse_address(typed).key`; for what is no address, a key that no account has."""
    try:
        return parse_address(typed).key
    except InvalidRequest:
        return fold(typed.strip())


def fold(text: str) -> str:
    """The form in which two texts are the same that differ only in case or in how accents are written."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def normal_password(typed: str) -> str:
    """What is hashed: the same characters, however the keyboard composed them. Nothing is trimmed or cut."""
    return unicodedata.normalize("NFC", typed)


def require_good_password(typed: str, address: Address, common: Container[str], pointer: str) -> str:
    """The password to hash; InvalidRequest at `pointer` if it is too short, too long or among the first guesses.

    `common` holds the commonly used passwords in lower case.
    """
    password = normal_password(typed)
    if len(password) < PASSWORD_SHORTEST:
        raise InvalidRequest.at(pointer, f"A password has at least {PASSWORD_SHORTEST} characters.")
    if len(password) > PASSWORD_LONGEST:
        raise InvalidRequest.at(pointer, f"A password has at most {PASSWORD_LONGEST} characters.")
    folded = fold(password)
    if folded in {address.key, fold(address.text)}:
        raise InvalidRequest.at(pointer, "The password must not be the mail address.")
    if folded in common:
        raise InvalidRequest.at(pointer, "This password is one of the commonly used ones.")
    return password


def new_user(address: Address, name: str | None, password_hash: str, moment: datetime) -> User:
    """A customer's account."""
    return User(
        id=new_id(),
        email=address.text,
        email_key=address.key,
        name=normal_name(name),
        roles=(CUSTOMER,),
        password_hash=password_hash,
        version=1,
        created_at=moment,
        updated_at=moment,
    )


def normal_name(typed: str | None) -> str:
    """A name as it is kept; who gives none has the empty one."""
    return unicodedata.normalize("NFC", typed or "").strip()


def renamed(user: User, name: str | None, moment: datetime) -> User:
    """The user under another name; the very same where that changes nothing."""
    wanted = normal_name(name)
    if wanted == user.name:
        return user
    return msgspec.structs.replace(user, name=wanted, version=user.version + 1, updated_at=moment)


def with_password(user: User, password_hash: str, moment: datetime) -> User:
    """The user with another password, or with the same one hashed anew."""
    return msgspec.structs.replace(user, password_hash=password_hash, version=user.version + 1, updated_at=moment)


def granted(user: User, role: str, moment: datetime) -> User:
    """The user with one role more; the very same if it was there."""
    return user if role in user.roles else _with_roles(user, (*user.roles, role), moment)


def revoked(user: User, role: str, moment: datetime) -> User:
    """The user without that role; the very same if it was not there."""
    if role not in user.roles:
        return user
    return _with_roles(user, tuple(held for held in user.roles if held != role), moment)


def _with_roles(user: User, roles: tuple[str, ...], moment: datetime) -> User:
    return msgspec.structs.replace(user, roles=roles, version=user.version + 1, updated_at=moment)
