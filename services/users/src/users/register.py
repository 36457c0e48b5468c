"""Making an account: who may, and with what."""

from shopkit.values import Clock
from users.account import User, new_user, parse_address, require_good_password
from users.limits import registration_bucket
from users.passwords import Passwords, common_passwords
from users.settings import Settings
from users.store import LimitStore


class Registration:
    """What stands before a new account."""

    def __init__(self, settings: Settings, store: LimitStore, passwords: Passwords, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._passwords = passwords
        self._clock = clock

    async def draft(self, email: str, password: str, name: str | None, address: str) -> User:
        """An account that is fit to be kept. InvalidRequest; RateLimited after too many from one network."""
        wanted = parse_address(email)
        good = require_good_password(password, wanted, common_passwords(), "#/password")
        moment = self._clock()
        await self._store.take([registration_bucket(self._settings, address)], moment)
        return new_user(wanted, name, await self._passwords.hash(good), moment)
