"""Signing in, staying signed in, signing out."""

import asyncio
from datetime import timedelta
from typing import NamedTuple
from weakref import WeakValueDictionary

from shopkit.errors import Unauthenticated
from shopkit.values import Clock
from users.account import InvalidCredentials, User, address_key, with_password
from users.counts import Counts, counted
from users.limits import sign_in_buckets
from users.passwords import Passwords
from users.races import until_kept
from users.session import (
    Device,
    RefreshToken,
    Session,
    TokenReused,
    new_session,
    parse_token,
    require_owner,
    turned,
)
from users.settings import Settings
from users.signing import Keyring
from users.store import UserStore

AT_ONCE = 4


class SignedIn(NamedTuple):
    """What a client is given to act for a user."""

    access_token: str
    refresh_token: str
    user: User


class SignIn:
    """The use cases around passwords and refresh tokens."""

    def __init__(
        self,
        settings: Settings,
        store: UserStore,
        passwords: Passwords,
        keyring: Keyring,
        counts: Counts,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._passwords = passwords
        self._keyring = keyring
        self._counts = counts
        self._clock = clock
        self._lifetime = timedelta(days=settings.session_days)
        # Those under way for an account hold places; so few at once that right passwords alone never run out of them.
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def login(self, email: str, password: str, device: Device) -> SignedIn:
        """Opens a session. InvalidCredentials, RateLimited after too many of those."""
        key = address_key(email)

        async def attempt() -> SignedIn:
            user = await self._store.find_by_address(key)
            user = await self.confirm(user, key, password, device.address)
            if self._passwords.is_outdated(user.password_hash):
                user = with_password(user, await self._passwords.hash(password), self._clock())
                await self._store.save(user)
            session, token = new_session(user.id, device, self._clock(), self._lifetime)
            await self._store.add_session(session, user)
            return await self._signed_in(user, token)

        return await until_kept(attempt, self._counts)

    async def confirm(self, user: User | None, email_key: str, password: str, address: str) -> User:
        """The user, whose password this is. InvalidCredentials if not, also for an address that has no account.

        A place is taken in the limits before looking, so that no number of guesses at the same time slips through, and
        given back unless the guess was wrong. Who finds no room to have a password hashed has not touched the store.
        """
        turns = self._turns.setdefault(email_key, asyncio.Semaphore(AT_ONCE))
        with counted(self._counts.sign_ins):
            async with turns:
                with self._passwords.place():
                    places = sign_in_buckets(self._settings, email_key, address)
                    await self._store.take(places, self._clock())
                    right = await self._passwords.verify(user.password_hash if user else None, password)
                if user is None or not right:
                    raise InvalidCredentials
                await self._store.give_back(places)
            return user

    async def refresh(self, text: str) -> SignedIn:
        """The next tokens of a session. TokenReused, which ends the session; Unauthenticated."""
        with counted(self._counts.refreshes):
            token = parse_token(text)
            return await until_kept(lambda: self._turn(token), self._counts)

    async def logout(self, text: str) -> None:
        """Ends the session that the token belongs to, now or before. Unauthenticated if there is none."""
        session = await self._session_of(parse_token(text))
        await self._store.end_session(session.id, "closed")

    async def _turn(self, token: RefreshToken) -> SignedIn:
        session = await self._session_of(token)
        try:
            used, following = turned(session, token, self._clock(), self._lifetime)
        except TokenReused:
            await self._store.end_session(session.id, "reused")
            raise
        user = await self._store.find(session.user_id)
        if user is None:
            raise Unauthenticated("The refresh token is not valid.")
        await self._store.turn_session(used, session.turn_hash)
        return await self._signed_in(user, following)

    async def _session_of(self, token: RefreshToken) -> Session:
        return require_owner(await self._store.find_session(token.session_id), token, self._clock())

    async def _signed_in(self, user: User, token: RefreshToken) -> SignedIn:
        return SignedIn(await self._keyring.access_token(user, token.session_id), str(token), user)
