"""Taking the figures: one sample is one kind of work on one server for a few seconds."""

from bench import rate
from bench.figures import Latency, Resident, Sample
from bench.load import run
from bench.machine import OtherWork
from bench.processes import Memory, cpu_seconds, memory
from bench.server import Broken, Server
from bench.work import FEW, ONE, Work

# Below this a second of load is too few requests to tell anything; those under way at its end must be few besides,
# since they have cost something, but are not counted.
SLOW_PER_SECOND, SLOWEST_PER_SECOND = 200, 20
SLOW_SECONDS = 4
WARM_UP_TIMES = 2
# Fewer tell nothing of the slowest of a hundred; but it has to end.
FEWEST_AT_A_RATE, LONGEST_AT_A_RATE = 20, 3.0


class Runner:
    """One kind of work on one server, run again and again."""

    def __init__(self, server: Server, work: Work, catalogue: int, seconds: float) -> None:
        self.server = server
        self.work = work
        self.catalogue = catalogue
        self.seconds = seconds
        self.connections = work.connections
        self.answers: list[int] = []

    def warm_up(self) -> None:
        """Once unmeasured; whether the server is slow at it decides how long and how wide the measured runs are."""
        self._prepare()
        seconds = self.seconds * WARM_UP_TIMES
        outcome = run(self.work.load, self._url, self.connections, seconds)
        self.answers.append(outcome.answers)
        per_second = outcome.answers / (outcome.seconds or seconds)
        if per_second < SLOW_PER_SECOND:
            self.seconds *= SLOW_SECONDS
            self.connections = min(self.connections, FEW if per_second >= SLOWEST_PER_SECOND else ONE)

    def sample(self) -> Sample:
        """One measured run; Broken unless every answer was right."""
        self._prepare()
        watch = OtherWork()
        before = self._used()
        outcome = run(self.work.load, self._url, self.connections, self.seconds)
        if not outcome.answers:
            raise Broken(f"{self.server} has not answered {self.work.name} once in {self.seconds:g} s.")
        used = {name: (now - before[name]) / outcome.answers * 1e6 for name, now in self._used().items()}
        other_work = watch.cores()
        self.answers.append(outcome.answers)
        own, database = used.pop(str(self._pid)), used.pop("database")
        per_second = outcome.answers / outcome.seconds
        return Sample(*self._names(), own, sum(used.values()), database, per_second, other_work)

    def latency(self, per_second: float, seconds: float) -> Latency:
        """How long requests take that come at that rate; Broken unless every answer was right."""
        self._prepare()
        seconds = max(seconds, min(FEWEST_AT_A_RATE / per_second, LONGEST_AT_A_RATE))
        requests = self.work.load.requests
        if self.work.load.once:
            seconds = min(seconds, len(requests) / per_second)
        found = rate.times(rate.attack(requests, self._url, per_second, seconds))
        return Latency(*self._names(), per_second, *found)

    def verify(self) -> None:
        """Broken unless what was answered has also been done."""
        try:
            self.work.verify(self.answers, self.work.connections * len(self.answers))
        except Broken as reason:
            raise Broken(f"{self.work.name} of {self.server}: {reason}") from None

    @property
    def _url(self) -> str:
        return self.server.urls[self.work.service]

    @property
    def _pid(self) -> int:
        return self.server.pids[self.work.service]

    def _names(self) -> tuple[str, str, str, int]:
        return self.work.name, self.server.name, self.server.store, self.catalogue

    def _used(self) -> dict[str, float]:
        """CPU seconds so far of each process tree of the server, by its id, and of its database server."""
        used = {str(pid): cpu_seconds(pid) for pid in self.server.pids.values()}
        database = self.server.database_pid
        return used | {"database": cpu_seconds(database) if database else 0.0}

    def _prepare(self) -> None:
        if self.work.prepare:
            run(self.work.prepare, self._url, self.work.connections, self.seconds * SLOW_SECONDS)


def memories(server: Server) -> dict[str, Memory]:
    """The present memory of each process tree, by the services that it is."""
    names: dict[int, list[str]] = {}
    for service, pid in server.pids.items():
        names.setdefault(pid, []).append(service)
    return {" + ".join(services) if len(names) == 1 else services[0]: memory(pid) for pid, services in names.items()}


def residents(server: Server, catalogue: int, before: dict[str, Memory]) -> list[Resident]:
    """What each has grown to since `before`."""
    return [
        Resident(service, server.name, server.store, catalogue, *before[service], *later)
        for service, later in memories(server).items()
    ]
