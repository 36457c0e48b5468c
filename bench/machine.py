"""The machine that is measured on: what it must have, what it is, and how busy it is with other things."""

import importlib.metadata
import os
import platform
import resource
import shutil
import signal
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.processes import TICKS, cpu_seconds

VEGETA = Path(__file__).parent / "bin/vegeta"
PROGRAMS = ("wrk", "taskset", str(VEGETA))
PACKAGES = ("uvicorn", "litestar", "msgspec", "pymongo", "aiohttp")


class CannotMeasure(Exception):
    """This machine lacks something; the text says what, and how to get it."""


class Cores(NamedTuple):
    """The server has a core to itself; the load, and the database where it is a server of its own, have the rest."""

    server: int
    load: tuple[int, ...]


def cores() -> Cores:
    """Which cores do what here; CannotMeasure where something is missing."""
    if platform.system() != "Linux":
        raise CannotMeasure("The benchmark reads /proc and pins processes to cores, so it needs Linux.")
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise CannotMeasure(f"{program} is missing; bench/install.sh, or `make bench`, installs what is.")
    server, *load = sorted(os.sched_getaffinity(0))
    if not load:
        raise CannotMeasure("The benchmark needs two cores: one for the server, one for the load.")
    return Cores(server, tuple(load))


def stop_as_ctrl_c_does() -> None:
    """From now on SIGTERM stops what we have started too, as Ctrl-C does; by itself it would leave it running."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def pinned(to: Collection[int]) -> Iterator[None]:
    """Runs us, and whatever we start meanwhile, on those cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def facts(folder: Path) -> list[tuple[str, str]]:
    """What a reader must know to compare the figures; `folder` is where the stores keep their files."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    model = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "").partition(": ")[2]
    filesystem = _output(["df", "--output=fstype", str(folder)]).split()[-1]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split("[")[0].strip()
    load = f"{wrk}; vegeta {_vegeta()}"
    peers = f"Node {_output(['node', '--version']).removeprefix('v')}; versions in bench/peers"
    return [
        ("CPU", f"{os.cpu_count()} x {model or platform.machine()}"),
        ("Memory", f"{memory:.0f} GiB"),
        ("System", f"{_output(['uname', '-sr'])}, data on {filesystem}"),
        ("Python", f"{platform.python_version()}; {', '.join(versions)}"),
        ("Peers", peers),
        ("Load generators", load),
    ]


class OtherWork:
    """How much of the machine goes to what is not ours, as cores: 0.5 is half of one."""

    def __init__(self) -> None:
        self._before = _busy_and_ours()
        self._began = os.times().elapsed

    def cores(self) -> float:
        """Since it was made, on average; time that the hypervisor took counts too."""
        busy, ours = (now - before for now, before in zip(_busy_and_ours(), self._before, strict=True))
        return max(0.0, (busy - ours) / (os.times().elapsed - self._began))


def _busy_and_ours() -> Sequence[float]:
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, _lines("/proc/stat")[0].split()[1:9])
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = cpu_seconds(os.getpid()) + ended.ru_utime + ended.ru_stime
    return (user + nice + system + irq + softirq + steal) / TICKS, ours


def _vegeta() -> str:
    go_mod = (Path(__file__).parent / "vegeta/go.mod").read_text()
    return next(
        line.split()[1] for line in go_mod.splitlines() if line.strip().startswith("github.com/tsenart/vegeta/")
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
