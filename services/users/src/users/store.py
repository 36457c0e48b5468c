"""The port: what the service needs of a store, in words. Every store keeps these promises, or raises Unavailable."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from shopkit.idempotency import Replay, ReplayStore
from shopkit.watch import Store
from users.account import User
from users.limits import Bucket
from users.session import Ending, Session


class SigningKey(msgspec.Struct, frozen=True):
    """An Ed25519 key: its number, its id in tokens, its 32 secret bytes."""

    number: int
    id: str
    secret: bytes
    created_at: datetime


class AccountStore(Protocol):
    """Accounts, and the sessions opened for them. What one call changes is changed as a whole."""

    async def add(self, user: User, replay: Replay | None = None) -> None:
        """Keeps a new account, and the answer that tells of it. EmailTaken if its address has an account."""
        ...

    async def find(self, user_id: str) -> User | None:
        """The account of that id."""
        ...

    async def find_by_address(self, email_key: str) -> User | None:
        """The account of that mail address."""
        ...

    async def save(self, user: User) -> None:
        """Keeps a changed account. RecordChanged unless the one kept has the version before."""
        ...

    async def save_password(self, user: User, kept_session: str | None) -> None:
        """As `save`; and closes all open sessions of the account but the one of that id."""
        ...

    async def remove(self, user: User) -> None:
        """Forgets the account and its sessions. RecordChanged unless the one kept has this version."""
        ...

    async def add_session(self, session: Session, user: User) -> None:
        """Keeps a new session. RecordChanged unless its account is kept in this version: a password that was changed,
        or an account that was removed, while somebody signed in opens nothing."""
        ...

    async def find_session(self, session_id: str) -> Session | None:
        """The session of that id, ended or not, if it has not expired."""
        ...

    async def turn_session(self, session: Session, turn_hash: bytes) -> None:
        """Keeps a session after a use of its token. RecordChanged unless the one kept is open and at that turn."""
        ...

    async def end_session(self, session_id: str, ending: Ending) -> None:
        """Ends the session that way, unless it is not there or has ended already."""
        ...

    async def open_sessions(self, user_id: str) -> list[Session]:
        """The sessions of that account that have neither ended nor expired, oldest first."""
        ...


class LimitStore(Protocol):
    """The buckets of limits. Whoever asks at the same time, on whatever replica: no place is taken twice."""

    async def take(self, buckets: Sequence[Bucket], moment: datetime) -> None:
        """Takes a place in each. RateLimited if one of them has none; then none is taken in the others either."""
        ...

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        """Gives a place back to each."""
        ...


class KeyStore(Protocol):
    """The keys that sign access tokens."""

    async def signing_keys(self) -> list[SigningKey]:
        """All of them, in the order of their numbers."""
        ...

    async def add_key(self, key: SigningKey) -> None:
        """Keeps a new key. RecordChanged if there is one of that number."""
        ...

    async def drop_keys(self, before: int) -> None:
        """Forgets the keys with lower numbers."""
        ...


class UserStore(Store, ReplayStore, AccountStore, LimitStore, KeyStore, Protocol):
    """All of it, in one database."""
