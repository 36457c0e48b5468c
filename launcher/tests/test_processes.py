"""Child processes: labelled lines, told deaths, ends in time."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trolley import processes
from trolley.processes import Child, Died, Processes

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
)
WITH_WORKER = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.exit(7)"
MakeChild = Callable[[str], Child]


@pytest.fixture
def child(tmp_path: Path) -> MakeChild:
    """Makes a child that runs the given program."""

    def make(program: str) -> Child:
        (tmp_path / "odd_service.py").write_text(program)
        return Child("odd_service", {**os.environ, "PYTHONPATH": str(tmp_path)}, "odd | ")

    return make


async def until_it_says(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Returns when the words were printed."""
    printed = ""
    while words not in printed:
        await asyncio.sleep(0.02)
        printed += capsys.readouterr().out


async def test_its_lines_come_after_its_label(child: MakeChild, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Died):
        await child("import sys; print('one'); print('two', file=sys.stderr); sys.stdout.write('three')").run(
            Processes()
        )
    assert sorted(capsys.readouterr().out.splitlines()) == ["odd | one", "odd | three", "odd | two"]


async def test_a_death_is_told_with_name_code_and_last_words(child: MakeChild) -> None:
    with pytest.raises(Died, match="odd_service service ended with exit code 3") as death:
        await child("print('farewell'); raise SystemExit(3)").run(Processes())
    assert str(death.value).endswith("farewell")


async def test_a_death_by_signal_is_told(child: MakeChild) -> None:
    with pytest.raises(Died, match="ended by signal 9"):
        await child("import os; os.kill(os.getpid(), 9)").run(Processes())


async def test_a_line_of_a_megabyte_does_not_stop_the_next(
    child: MakeChild, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Died):
        await child("print('x' * 1_000_000); print('next')").run(Processes())
    assert capsys.readouterr().out.endswith("odd | next\n")


async def test_what_does_not_end_in_time_is_killed(
    child: MakeChild, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    everything = Processes()
    task = asyncio.create_task(child(STUBBORN).run(everything))
    await until_it_says("here", capsys)
    task.cancel()
    everything.hurry()
    began = time.monotonic()
    await asyncio.wait([task])
    assert task.cancelled()
    assert 0.15 < time.monotonic() - began < 5


async def test_what_a_service_started_ends_with_it(child: MakeChild, running: Any) -> None:
    with pytest.raises(Died, match="exit code 7") as death:
        await asyncio.wait_for(child(WITH_WORKER).run(Processes()), 10)
    worker = int(str(death.value).splitlines()[-1])
    for _ in range(100):
        if worker not in {process.pid for process in running()}:
            return
        await asyncio.sleep(0.02)
    pytest.fail("the worker lives on")
