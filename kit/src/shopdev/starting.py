"""Modules run as `python -m NAME` runs them, in processes of their own that start fast.

Each is forked from a process that has read the libraries, for reading them takes longer than most tests. What is ours
each process reads by itself.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping
from multiprocessing.reduction import DupFd
from typing import Any

LIBRARIES = [
    "aiohttp",
    "argon2",
    "babel",
    "jinja2",
    "jwt.algorithms",
    "litestar.static_files",
    "prometheus_client",
    "pymongo",
    "swagger_ui",
    "tantivy",
    "uuid_utils",
    "uvicorn.protocols.http.httptools_impl",
]


class Started:
    """A process; told to stop at the latest when this one ends. As "spawn" it reads all by itself."""

    def __init__(self, module: str, environment: Mapping[str, str], way: str = "forkserver") -> None:
        multiprocessing.set_forkserver_preload(LIBRARIES)
        arguments = (module, dict(environment), os.getcwd(), Output(1), Output(2))
        self._process: Any = multiprocessing.get_context(way).Process(  # type: ignore[attr-defined]
            target=run, args=arguments, daemon=True
        )
        self._process.start()
        self.pid: int = self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it has."""
        return self._process.exitcode is not None

    def wait(self, seconds: float) -> None:
        """Until it has ended; AssertionError where that takes longer."""
        self._process.join(seconds)
        assert self.has_ended, f"{self.pid} did not end."


class Output:
    """A file descriptor that is to be the same file in a process that is being started."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (DupFd(self._descriptor),)


def _received(sent: Any) -> int:
    descriptor: int = sent.detach()
    return descriptor


def run(module: str, environment: dict[str, str], folder: str, out: int, errors: int) -> None:
    """What the new process does. It has a session of its own, so that a signal can reach all that it starts."""
    os.setsid()
    os.dup2(out, 1)
    os.dup2(errors, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
