"""Child processes: each in a session of its own, its lines shown under its name, its end never missed."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

# Within this time a process that was asked to end does, or it is killed.
GRACE_SECONDS = 4.0
LINES_KEPT = 15
READ_SIZE = 64 * 1024


class Died(Exception):
    """A process ended although nobody asked it to; the text says which, how, and its last lines."""


class Processes:
    """Everything that was started, so that all of it ends in time."""

    def __init__(self) -> None:
        self._kills: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, kill: Callable[[], None]) -> None:
        """Counts one in; `kill` ends it at once and may be called at any time."""
        self._kills.append(kill)

    def hurry(self) -> None:
        """From the first call on, what has not ended within GRACE_SECONDS is killed."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GRACE_SECONDS, self.kill)

    def kill(self) -> None:
        """Ends all of it at once."""
        for kill in self._kills:
            kill()


class Child:
    """A service in a process of its own. Its lines go to stdout, after `label`."""

    def __init__(self, name: str, environment: dict[str, str], label: str) -> None:
        self.name = name
        self._environment = environment
        self._label = label
        self._last_lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, processes: Processes) -> None:
        """Runs it until this task is cancelled, and then until it has ended. Died where it ends by itself."""
        # A pipe of our own: asyncio would take the process for alive as long as anything it started holds asyncio's.
        read_end, write_end = os.pipe()
        with os.fdopen(write_end):
            # A session of its own: Ctrl-C reaches the launcher alone, and a kill reaches the server's worker too.
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self.name),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
        processes.add(self.kill)
        relay = asyncio.create_task(self._relay(read_end))
        ended = asyncio.create_task(self._process.wait())
        try:
            await asyncio.wait([ended, relay], return_when=asyncio.FIRST_COMPLETED)
            if relay.done():
                relay.result()  # Our own stdout may be gone: then nobody would empty the service's.
            code = await ended
        finally:
            with suppress(ProcessLookupError):
                self._process.terminate()
            await ended
            # A worker whose server was killed would live on and hold the port and our end of the pipe.
            self.kill()
            await relay
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise Died("\n".join([f"The {self.name} service {how}. Its last lines:", *self._last_lines]))

    def kill(self) -> None:
        """Ends it and all that it started, at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _relay(self, read_end: int) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(read_end, "rb")
        )
        rest = b""
        try:
            while chunk := await stream.read(READ_SIZE):
                *lines, rest = (rest + chunk).split(b"\n")
                self._show(lines)
            self._show([rest] if rest else [])
        finally:
            transport.close()

    def _show(self, lines: Sequence[bytes]) -> None:
        texts = [line.decode(errors="replace") for line in lines]
        self._last_lines.extend(texts)
        sys.stdout.write("".join(f"{self._label}{text}\n" for text in texts))
        sys.stdout.flush()
