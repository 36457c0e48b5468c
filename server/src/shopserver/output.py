"""A log that nobody reads stops nobody."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from threading import Thread

# As much is read at once, and how long the end of the process may take to write what is left.
CHUNK_BYTES, LAST_SECONDS = 64 * 1024, 1.0


@contextmanager
def unblocked_stdout() -> Iterator[None]:
    """Inside, what is written to stdout waits in a pipe, and a thread brings it to where it should go.

    Where that takes nothing, a full pipe nobody reads, the event loop would stand still and no signal reach it. Now
    such writes are BlockingIOError once our pipe is full too, and what was to be written is lost.
    """
    # None where the process was started with stdout closed; then that number may be anything's.
    if not isinstance(sys.stdout, TextIOWrapper):
        yield
        return
    # Where PYTHONUNBUFFERED is set, each line of a log were a write.
    sys.stdout.reconfigure(write_through=False)
    number = sys.stdout.fileno()
    target = os.dup(number)
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    os.dup2(sink, number)
    os.close(sink)
    bringing = Thread(target=_bring, args=(source, target), daemon=True)
    bringing.start()
    try:
        yield
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        # The end of the pipe, and a place for what the flush has left over.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
        bringing.join(LAST_SECONDS)


def _bring(source: int, target: int) -> None:
    while chunk := os.read(source, CHUNK_BYTES):
        # Where nobody reads any more, it is still taken out of the pipe.
        with suppress(OSError):
            while chunk:
                chunk = chunk[os.write(target, chunk) :]
