"""What a process and all that it started use, as /proc tells it."""

import os
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """MiB. `rss` counts a page that two processes share twice, `pss` once."""

    rss: float
    pss: float


def cpu_seconds(pid: int) -> float:
    """CPU time (user and system) that the process tree has used so far; those that ended are not in it."""
    return sum(map(_cpu_of, _tree(pid, _stats())))


def _cpu_of(pid: int) -> float:
    # The clock of another process, as clock_getcpuclockid(3) makes it: /proc counts only hundredths of a second.
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def memory(pid: int) -> Memory:
    """The resident memory of the process tree."""
    rss = pss = 0
    for process in _tree(pid, _stats()):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            rss += int(value.split()[0]) if name == "Rss" else 0
            pss += int(value.split()[0]) if name == "Pss" else 0
    return Memory(rss / 1024, pss / 1024)


def _stats() -> dict[int, list[str]]:
    """Of every process the fields of /proc/PID/stat from the third on, the state."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The second field is a name in parentheses, which may hold spaces.
            found[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _tree(pid: int, stats: dict[int, list[str]]) -> list[int]:
    children = defaultdict(list)
    for process, fields in stats.items():
        children[int(fields[1])].append(process)
    found, open_ends = [], [pid]
    while open_ends:
        process = open_ends.pop()
        found.append(process)
        open_ends += children[process]
    return found
