"""Renewing access tokens. A refresh token works once, so those who need its successor at the same time share it."""

import asyncio
from contextvars import Context
from hashlib import sha256

from shopkit import deadline
from shopkit.errors import Unavailable
from shopkit.values import Clock
from storefront.backends.users import RENEWAL_SECONDS, Tokens, Users
from storefront.session import Person

# An access token that ends sooner than this is renewed before it is used.
MARGIN_SECONDS = 30
# A browser may come with the old cookie this long after the token in it was used up: a second tab, or one that left
# before the answer with the new cookie came. Shorter than an access token lives, so what is remembered is good.
REMEMBERED_SECONDS = 600
REMEMBERED = 10_000


def person_of(tokens: Tokens, moment: float) -> Person:
    """The session's side of a sign-in."""
    user = tokens.user
    return Person(
        email=user.email,
        name=user.name,
        is_staff="staff" in user.roles,
        access_token=tokens.access_token,
        expires_at=int(moment + tokens.expires_in),
        refresh_token=tokens.refresh_token,
    )


class Renewal:
    """Renews for one replica; remembers each outcome for a moment."""

    def __init__(self, users: Users, clock: Clock) -> None:
        self._users = users
        self._clock = clock
        self._under_way: dict[bytes, tuple[float, asyncio.Task[Person]]] = {}

    def is_due(self, person: Person, seconds: int = MARGIN_SECONDS) -> bool:
        """Whether the access token has ended or will within so many seconds."""
        return person.expires_at - seconds <= self._clock().timestamp()

    async def renew(self, person: Person) -> Person:
        """The same person with new tokens. Refused where the sign-in has ended, Unavailable where users is down."""
        moment = self._clock().timestamp()
        key = sha256(person.refresh_token.encode()).digest()
        began, task = self._under_way.get(key, (0.0, None))
        has_failed = task is not None and task.done() and (task.cancelled() or task.exception() is not None)
        if task is None or has_failed or moment - began > REMEMBERED_SECONDS:
            self._forget(moment)
            # In a context of its own: a page that has no time left must not cut off the answer that uses the token up.
            task = asyncio.create_task(self._ask(person.refresh_token), context=Context())
            self._under_way[key] = (moment, task)
        try:
            async with asyncio.timeout(deadline.remaining(RENEWAL_SECONDS)):
                # Others wait for it too: one who leaves must not take the tokens from them.
                return await asyncio.shield(task)
        except TimeoutError as error:
            raise Unavailable from error

    async def _ask(self, refresh_token: str) -> Person:
        return person_of(await self._users.refresh(refresh_token), self._clock().timestamp())

    def _forget(self, moment: float) -> None:
        # In the order of their beginning: the oldest stand first.
        for key, (began, task) in list(self._under_way.items()):
            if moment - began <= REMEMBERED_SECONDS and len(self._under_way) < REMEMBERED:
                break
            if task.done():
                del self._under_way[key]
