"""What was measured, as it is kept between one part of a run and the next."""

from collections.abc import Sequence
from pathlib import Path

import msgspec


class Sample(msgspec.Struct, frozen=True):
    """One run of one kind of work, in µs of CPU a request.

    `own_us` is the process tree that was asked, `others_us` the shop's other services (none in a peer), `database_us`
    the database server, which several share in turn. `other_work` is what else the machine did, in cores.
    """

    work: str
    server: str
    store: str
    catalogue: int
    own_us: float
    others_us: float
    database_us: float
    per_second: float
    other_work: float
    # Of that, what went into hashing passwords.
    hashing_us: float = 0.0

    @property
    def cpu_us(self) -> float:
        """All that the server used."""
        return self.own_us + self.others_us


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds until `count` requests were answered that came at `rate` a second; `failed` of them were not."""

    work: str
    server: str
    store: str
    catalogue: int
    rate: float
    count: int
    p50_ms: float
    p99_ms: float
    failed: int = 0


class Resident(msgspec.Struct, frozen=True):
    """MiB of a process tree once the catalogue was there, and after all work. RSS counts shared pages several times."""

    service: str
    server: str
    store: str
    catalogue: int
    rss: float
    pss: float
    rss_later: float
    pss_later: float


class Start(msgspec.Struct, frozen=True):
    """One `trolley up`: seconds until it is ready, and the MiB of all that then runs."""

    store: str
    is_first: bool
    seconds: float
    rss: float
    pss: float


class Pair(msgspec.Struct, frozen=True):
    """One process of a service and then two, each on a core of its own: µs of CPU a request, requests a second.

    With a core left over for the load, `is_apart`; else the load shares the cores, and requests a second tell little.
    """

    work: str
    store: str
    catalogue: int
    one_us: float
    two_us: float
    one_per_second: float
    two_per_second: float
    is_apart: bool

    @property
    def factor(self) -> float:
        """How many times as much two do as one."""
        return self.two_per_second / self.one_per_second if self.is_apart else 2 * self.one_us / self.two_us


class Part(msgspec.Struct):
    """What one part of a run has found, and how."""

    command: str = ""
    date: str = ""
    machine: list[tuple[str, str]] = []
    method: str = ""
    samples: list[Sample] = []
    latencies: list[Latency] = []
    residents: list[Resident] = []
    starts: list[Start] = []
    pairs: list[Pair] = []


def keep(part: Part, path: Path) -> None:
    """Writes it down."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(part), indent=1))
    unfinished.replace(path)


def kept(paths: Sequence[Path]) -> list[Part]:
    """All that was written down there."""
    return [msgspec.json.decode(path.read_bytes(), type=Part) for path in paths if path.exists()]
