"""Situations a caller can be told about.

Every error is a class named as a situation; it inherits from one of the kinds below, and only `problems.STATUS` knows
which HTTP status a kind has. A class's name is its code (`LineLimit` → `line_limit`), its docstring is its title.
"""

import re
from typing import Any, ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One fault in a request: where (a JSON Pointer into the request) and what."""

    pointer: str
    detail: str


Faults = tuple[FieldError, ...]
Headers = dict[str, str] | None


def first_line(kind: type) -> str:
    """What a class's docstring begins with."""
    return str(kind.__doc__).splitlines()[0]


class ShopError(Exception):
    """Something went wrong."""

    code: ClassVar[str]

    def __init_subclass__(cls, code: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = code or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(
        self, detail: str = "", *, errors: Faults = (), retry_after: float = -1, headers: Headers = None, **facts: Any
    ) -> None:
        """`detail` is about this occurrence and safe to show; `facts` become members of the problem document."""
        self.detail = detail or first_line(type(self))
        self.errors = errors
        self.retry_after = retry_after
        self.headers = headers or {}
        self.facts = facts
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """The same words for every occurrence of this code: those of the most general situation that has it."""
        return first_line([kind for kind in cls.__mro__ if getattr(kind, "code", None) == cls.code][-1])


class InvalidRequest(ShopError):
    """Something in the request is not allowed."""

    @classmethod
    def at(cls, pointer: str, detail: str) -> "InvalidRequest":
        """The error for a single fault at `pointer`."""
        return cls(detail, errors=(FieldError(pointer, detail),))


class BrokenRequest(InvalidRequest, code="invalid_request"):
    """The request cannot be read."""


class Unauthenticated(ShopError):
    """This needs a valid access token."""


class Forbidden(ShopError):
    """This caller may not do that."""


class NotFound(ShopError):
    """There is nothing here."""


class MethodNotAllowed(ShopError):
    """This path does not take that method."""


class Conflict(ShopError):
    """The request does not fit the present state."""


class VersionConflict(ShopError):
    """The record has changed since the version named in If-Match."""


class TooLarge(ShopError):
    """The body is too large."""


class UnsupportedMediaType(ShopError):
    """The body must be JSON."""


class RateLimited(ShopError):
    """Too many attempts; wait before the next one."""


class Internal(ShopError):
    """The service failed; the request id leads to the reason in its log."""


class Unavailable(ShopError):
    """Something this service needs does not answer just now."""

    def __init__(self, detail: str = "", *, retry_after: float = 2, **rest: Any) -> None:
        super().__init__(detail, retry_after=retry_after, **rest)


class DeadlineExceeded(ShopError):
    """The answer would have come too late."""


class RecordChanged(Exception):
    """A compare-and-set found another version than the one loaded: load again and retry. Never shown to a caller."""
