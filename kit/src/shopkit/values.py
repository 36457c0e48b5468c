"""Small values every service uses: ids, the time, money."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec

Clock = Callable[[], datetime]

# A text of the wire: no NUL, which neither BSON keys nor C libraries below us take.
NO_NUL = r"^[^\x00]*\Z"
Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217")]
MinorUnits = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount in integer minor units of one currency. Sums and products of integers need no rounding rule."""

    amount: MinorUnits
    currency: Currency


def now() -> datetime:
    """The time in UTC, cut to milliseconds: all that BSON keeps, so that every store gives back what it took."""
    return datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)


def new_id() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits; sorts by the time it was made."""
    milliseconds = time.time_ns() // 1_000_000
    number = int.from_bytes(milliseconds.to_bytes(6) + os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=number))
