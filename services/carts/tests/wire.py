"""A wire to MongoDB that a test can cut: it passes messages on, loses the answer to one, or holds one up."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

HEADER_BYTES = 4


class Wire:
    """Listens at `url` and passes all on to the server. Each instruction is for the next messages that hold a text."""

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url)
        # How many answers to messages that hold the text are lost, with their connections.
        self.losing: dict[bytes, int] = {}
        # What is done first, once, before a message that holds the text goes on.
        self.before: dict[bytes, Callable[[], Awaitable[None]]] = {}
        self.url = ""

    async def __aenter__(self) -> "Wire":
        self._listening = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._listening.sockets[0].getsockname()[1]
        self.url = f"mongodb://127.0.0.1:{port}{self._server.path}?directConnection=true"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()

    async def _connected(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        server_in, server_out = await asyncio.open_connection(self._server.hostname, self._server.port)
        lost = asyncio.Event()

        async def ask() -> None:
            while message := await _message(client_in):
                await self._look_at(message, lost)
                server_out.write(message)

        async def answer() -> None:
            while message := await _message(server_in):
                if lost.is_set():
                    break
                client_out.write(message)

        pumps = [asyncio.create_task(ask()), asyncio.create_task(answer())]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for end in (client_out, server_out):
            end.close()

    async def _look_at(self, message: bytes, lost: asyncio.Event) -> None:
        for text in [text for text in self.before if text in message]:
            await self.before.pop(text)()
        for text in [text for text, count in self.losing.items() if count and text in message]:
            self.losing[text] -= 1
            lost.set()


async def _message(stream: asyncio.StreamReader) -> bytes:
    """The next message of MongoDB's wire protocol: its length comes first. Nothing at the end."""
    try:
        head = await stream.readexactly(HEADER_BYTES)
        return head + await stream.readexactly(int.from_bytes(head, "little") - HEADER_BYTES)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
