"""Clients for tests: of an application in this process, and of a service in a process of its own."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from shopdev.ports import free_port
from shopdev.starting import Started
from shopkit.service import Application


@asynccontextmanager
async def client_of(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application, with its lifespan, in this process."""
    ready, done = asyncio.Event(), asyncio.Event()

    # As under a server, the lifespan is a task of its own: fixtures are set up and torn down in different ones.
    async def live() -> None:
        async with app.routes.lifespan():
            ready.set()
            await done.wait()

    life = asyncio.create_task(live())
    await asyncio.wait([life, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    transport = httpx.ASGITransport(app=app.edge, raise_app_exceptions=True)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client
    finally:
        done.set()
        await life


class Process:
    """A service as it runs in earnest: `python -m NAME` with settings in the environment."""

    # See `shopdev.starting`: "spawn" where it counts what the process costs.
    way = "forkserver"

    def __init__(self, name: str, **environment: str) -> None:
        self.name = name
        self.port = int(environment.get("PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**os.environ, "LOG_LEVEL": "warning", **environment, "PORT": str(self.port)}
        self._process: Started | None = None

    async def start(self, ready_seconds: float = 30) -> "Process":
        """Starts it and waits until it is ready."""
        self._process = Started(self.name, self.environment, self.way)
        last_words = "it does not answer"
        async with httpx.AsyncClient(base_url=self.url) as client:
            for _ in range(int(ready_seconds / 0.05)):
                try:
                    answer = await client.get("/readyz")
                    if answer.status_code == 200:
                        return self
                    last_words = answer.text
                except httpx.TransportError:
                    pass
                if self._process.has_ended:
                    break
                await asyncio.sleep(0.05)
        self.kill()
        raise AssertionError(f"{self.name} did not become ready: {last_words}")

    def kill(self) -> None:
        """kill -9, all of its processes."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and waits for the end."""
        self._signal(signal.SIGTERM)

    def pause(self) -> None:
        """It hangs: connections are taken, and nothing is answered."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on where it was."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        # It may have ended by itself.
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _signal(self, number: int) -> None:
        if self._process is None:
            return
        if number == signal.SIGKILL:
            self._signal_all(number)
        else:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
        self._process.wait(30)

    async def __aenter__(self) -> "Process":
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and not self._process.has_ended:
            self.stop()
