"""From the word to stop until the end. States, times and why so: docs/decisions/0016-draining.md."""

import asyncio
import logging
import socket
from collections.abc import Callable
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from types import FrameType

from uvicorn import Config, Server

from shopserver.answers import Application
from shopserver.connection import Connection, Shared

# Counted from the word to stop: when what is still at work is given up. What comes after may take the rest of 20 s:
# half a second for tasks to end, one at least for the application, one for the log.
GIVE_UP_SECONDS = 17.0
CANCELLED_SECONDS, CLOSING_SECONDS = 0.5, 1.0
# Once nobody is accepted any more, who is amid the head of a request has so long to send the rest.
HALF_SENT_SECONDS = 0.5
LOOK_SECONDS = 0.05

log = logging.getLogger("shopserver")


class DrainingServer(Server):
    """uvicorn's server, which after the word to stop serves all for `linger` seconds more, and then what has begun."""

    def __init__(self, config: Config, app: Application, linger: float, spread: Callable[[], float]) -> None:
        super().__init__(config)
        self._app, self._linger, self._shared = app, linger, Shared(spread)
        self.server_state = self._shared
        self._told_at = self._closed_at = 0.0

    def stop(self) -> None:
        """The first time it drains, the second time it waits no longer. A signal's handler may call it."""
        if self._shared.is_draining:
            self.force_exit = True
            return
        self._told_at = monotonic()
        self.should_exit = self._shared.is_draining = self._app.is_draining = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """See uvicorn, which would raise the signal again at the end; but that it ends so is no failure."""
        self.stop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        if not self._shared.is_draining:
            self.stop()
        log.info("stopping", extra={**self._counts(), "linger_seconds": self._linger})
        await self._wait(lambda: False, self._linger)
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        self._closed_at = monotonic()
        await self._wait(self._has_finished, GIVE_UP_SECONDS)
        faults = await self._give_up() if self._shared.connections or self._shared.tasks else {}
        try:
            left = GIVE_UP_SECONDS + CANCELLED_SECONDS - self._seconds()
            await asyncio.wait_for(self.lifespan.shutdown(), left + CLOSING_SECONDS)
        except TimeoutError:
            faults["not_closed"] = "the application took too long to let go of what it holds"
        facts = {"seconds": round(self._seconds(), 2), **faults}
        log.log(logging.WARNING if faults else logging.INFO, "stopped", extra=facts)

    async def _wait(self, is_done: Callable[[], bool], seconds: float) -> None:
        while not (self.force_exit or self._seconds() >= seconds or is_done()):
            # Keeps the date in answers right.
            await self.on_tick(0)
            await asyncio.sleep(LOOK_SECONDS)

    def _seconds(self) -> float:
        return monotonic() - self._told_at

    def _connections(self) -> list[Connection]:
        return [each for each in self._shared.connections if isinstance(each, Connection)]

    def _counts(self) -> dict[str, object]:
        connections = self._connections()
        return {"in_flight": sum(not each.is_idle() for each in connections), "connections": len(connections)}

    def _has_finished(self) -> bool:
        """Closes what is idle; whether nothing is left."""
        is_patient = monotonic() < self._closed_at + HALF_SENT_SECONDS
        idle = {each for each in self._connections() if each.is_idle() and not each.transport.is_closing()}
        if is_patient:
            idle = {each for each in idle if not each.is_amid_a_request()}
            with DefaultSelector() as selector:
                for each in idle:
                    selector.register(each.transport.get_extra_info("socket").fileno(), EVENT_READ, each)
                # What has come already is read in the next turn of the loop, and answered.
                idle.difference_update(key.data for key, _ in selector.select(0))
        for each in idle:
            each.transport.close()
        return not self._shared.connections and not self._shared.tasks

    async def _give_up(self) -> dict[str, object]:
        reason = "told to stop again" if self.force_exit else f"not finished {GIVE_UP_SECONDS:.0f} s after the word"
        counts = self._counts()
        for each in self._connections():
            each.transport.abort()
        # Who waits for his client hears that it has left, and ends by himself.
        await asyncio.sleep(LOOK_SECONDS)
        tasks = list(self._shared.tasks)
        for task in tasks:
            task.cancel("The process ends.")
        uvicorns = logging.getLogger("uvicorn.error")
        level = uvicorns.level
        # It is told once, below, and not with a traceback for each.
        uvicorns.setLevel(logging.CRITICAL)
        if tasks:
            await asyncio.wait(tasks, timeout=CANCELLED_SECONDS)
        uvicorns.setLevel(level)
        return {"abandoned": counts["in_flight"], "reason": reason}
