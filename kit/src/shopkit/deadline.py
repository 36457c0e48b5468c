"""The time by which the present request must be answered, passed on to stores and to other services."""

import asyncio
from contextvars import ContextVar

HEADER = "Request-Timeout-Ms"
# Of the time left a call may take so much; the rest is for telling our own caller how it went.
SHARE = 0.8

# The event loop's time at which the caller stops waiting.
_due: ContextVar[float | None] = ContextVar("due", default=None)


def start(seconds: float) -> None:
    """The present request must be answered within `seconds`."""
    _due.set(asyncio.get_running_loop().time() + seconds)


def remaining(at_most: float) -> float:
    """Seconds left for a call that should take `at_most` seconds."""
    due = _due.get()
    return at_most if due is None else max(0.001, min(at_most, (due - asyncio.get_running_loop().time()) * SHARE))
