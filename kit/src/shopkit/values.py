"""Small values every service uses: ids, the time, money."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from uuid_utils import uuid7

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
    """A UUIDv7 (RFC 9562), which sorts by the time it was made."""
    return str(uuid7())
