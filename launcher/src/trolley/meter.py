"""How far long work is: a bar on a terminal, a line now and then elsewhere; on stderr, for stdout may be the work."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

LINE_SECONDS = 5.0


class Meter:
    """`with Meter("Importing", "lines") as meter:` and `meter.show(done, total)` from time to time."""

    def __init__(self, what: str, unit: str) -> None:
        self._what = what
        self._unit = unit
        self._console = Console(stderr=True)
        rate = TextColumn("{task.fields[rate]}")
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), rate, TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._began = self._told = time.monotonic()
        self._start: int | None = None

    def __enter__(self) -> "Meter":
        if self._console.is_terminal:
            self._bar = self._progress.add_task(self._what, total=None, rate="")
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def show(self, done: int, total: int) -> None:
        """So much of so much is done; the first call tells where it begins."""
        now = time.monotonic()
        if self._start is None:
            self._start, self._began = done, now
        rate = (done - self._start) / (now - self._began) if now > self._began else 0.0
        words = f"{rate:,.0f} {self._unit}/s"
        if self._console.is_terminal:
            self._progress.update(self._bar, completed=done, total=total, rate=words)
        elif now >= self._told + LINE_SECONDS:
            self._told = now
            left = f", {(total - done) / rate:.0f} s left" if rate else ""
            self._console.print(f"{self._what}: {done:,} of {total:,} {self._unit}, {words}{left}", soft_wrap=True)
