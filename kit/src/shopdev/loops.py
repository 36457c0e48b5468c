"""The event loop of tests: asyncio's, which mends a fault of a driver."""

import asyncio
from socket import socket
from typing import Any


class Loop(asyncio.SelectorEventLoop):
    """Closes the socket of a connection that is given up while it is being made.

    PyMongo 4.20 leaves it to the garbage collector. Where a client is closed while its MongoDB is down, that is a
    warning in some later test; and here warnings are errors.
    """

    def sock_connect(self, sock: socket, address: Any) -> asyncio.Task[None]:  # type: ignore[override]
        """A task, so that also what is cancelled before it has begun ends here."""
        connecting = self.create_task(super().sock_connect(sock, address))
        connecting.add_done_callback(lambda ended: sock.close() if ended.cancelled() else None)
        return connecting
