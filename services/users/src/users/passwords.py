"""Passwords are kept as argon2id hashes, which take time and memory to make: here that is bounded."""

import asyncio
import base64
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from prometheus_client import Gauge

from shopkit.errors import Unavailable
from shopkit.metrics import Metrics
from users.account import normal_password

T = TypeVar("T")

# OWASP ASVS 5, appendix C. With one lane, a hash is one thread's work.
MEMORY_KIB = 19456
ROUNDS = 2
LANES = 1
# So many may wait for a thread: the last of them about a second.
QUEUE_PER_WORKER = 8


class Passwords:
    """Hashes and verifies in threads of its own; what finds too many waiting is Unavailable."""

    def __init__(self, metrics: Metrics, *, workers: int, queue: int) -> None:
        """`workers`: how many at once, 0: two for each processor; `queue`: how many may wait, 0: eight for each."""
        self._hasher = PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._workers = workers or 2 * (os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._workers, "argon2")
        self._most = self._workers + (queue or QUEUE_PER_WORKER * self._workers)
        self._present = 0
        self._waiting = Gauge("password_hashes_waiting", "Passwords that wait to be hashed", registry=metrics.registry)
        # Well formed, with our parameters, the hash of nothing: to find that out takes as long as with any other.
        salt, digest = _unpadded(os.urandom(16)), _unpadded(os.urandom(32))
        self._nobody = f"$argon2id$v=19$m={MEMORY_KIB},t={ROUNDS},p={LANES}${salt}${digest}"

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among those who hash or wait for it; Unavailable if there is none."""
        if self._present >= self._most:
            raise Unavailable("Too many passwords wait to be checked.", retry_after=1)
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    async def hash(self, password: str) -> str:
        """The hash to keep, with a salt and the parameters in it."""
        with self.place():
            return await self._run(lambda: self._hasher.hash(normal_password(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether this is the password; the caller holds a place.

        None is the hash of an account that is not: False, after the same time.
        """
        return await self._run(lambda: self._matches(password_hash or self._nobody, normal_password(password)))

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Ends the threads, once the hashes at work are done."""
        self._pool.shutdown(cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _count(self, change: int) -> None:
        self._present += change
        self._waiting.set(max(0, self._present - self._workers))


@cache
def common_passwords() -> frozenset[str]:
    """The commonly used passwords, in lower case."""
    text = files("users").joinpath("data/common-passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
