"""What is done on the command line, with the store alone. Each command tells in a sentence what it did."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from shopkit.errors import NotFound, RecordChanged, ShopError
from shopkit.metrics import Metrics
from shopkit.settings import fail
from shopkit.values import Clock, now
from users.account import User, address_key, granted, revoked
from users.signing import RELOAD, TOKEN_SECONDS, rotate
from users.store import UserStore
from users.stores import open_store

Command = Callable[[UserStore, Clock], Awaitable[str]]
RoleChange = Callable[[User, str, datetime], User]

MINUTES = TOKEN_SECONDS // 60


class UnknownAddress(NotFound):
    """No account has this mail address."""


def grant(email: str, role: str) -> Command:
    """Gives a role."""
    return _change_roles(granted, email, role, f"{email} has the role {role} from the next sign-in or refresh on.")


def revoke(email: str, role: str) -> Command:
    """Takes a role away."""
    sentence = f"{email} has no role {role}; tokens given out before say otherwise for at most {MINUTES} minutes."
    return _change_roles(revoked, email, role, sentence)


def rotate_keys(*, drop_old: bool) -> Command:
    """Makes a new signing key."""

    async def command(store: UserStore, clock: Clock) -> str:
        key = await rotate(store, clock(), drop_old=drop_old)
        if drop_old:
            return f"Key {key.id} is the only one from now on; no token signed before is good any more."
        return f"Key {key.id} signs in {RELOAD.seconds} seconds, when all replicas know it; older tokens stay good."

    return command


def run(command: Command, store_url: str, clock: Clock = now) -> str:
    """Runs a command on the store; what goes wrong ends the program with a sentence and exit code 2."""

    async def with_store() -> str:
        store = open_store(store_url, Metrics("users", "command"), clock)
        try:
            await store.prepare()
            return await command(store, clock)
        finally:
            await store.close()

    try:
        return asyncio.run(with_store())
    except RecordChanged:
        fail("Somebody else made the same change at this moment; look, and try again.")
    except ShopError as error:
        fail(error.detail)


def _change_roles(change: RoleChange, email: str, role: str, sentence: str) -> Command:
    async def command(store: UserStore, clock: Clock) -> str:
        user = await store.find_by_address(address_key(email))
        if user is None:
            raise UnknownAddress
        changed = change(user, role, clock())
        if changed is not user:
            await store.save(changed)
        return sentence

    return command
