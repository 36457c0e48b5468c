"""What an application can tell the server without being called."""

import asyncio
from typing import Any, NamedTuple, Protocol

RawHeaders = list[tuple[bytes, bytes]]


class Whole(NamedTuple):
    """A whole answer, due in so many `seconds`. Its headers tell its length."""

    status: int
    headers: RawHeaders
    body: bytes
    seconds: float = 0.0

    async def send(self, send: Any, *, with_body: bool) -> None:
        """Sends it when it is due, as ASGI 3 has it: for servers that only call."""
        await asyncio.sleep(self.seconds)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body if with_body else b""})


class Application(Protocol):
    """An ASGI application that is asked first."""

    # Set by the server once it is told to stop: from then on it is not ready for more, though it still answers.
    is_draining: bool

    def at_once(self, scope: Any) -> Whole | None:
        """The answer to a request (an ASGI scope), if nothing has to be waited for; None where it must be called.

        Must not block, raise, or keep `scope` once it has answered.
        """

    def unreadable(self, status: int, detail: str) -> Whole:
        """What is told to a client of whose request nothing can be made: 400 or 413."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI 3."""
