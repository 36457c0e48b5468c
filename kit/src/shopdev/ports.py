"""Ports for what is started here."""

import secrets
import socket

# Below those that Linux gives to callers: what calls a port where nobody listens yet could be given that very port, and
# so could anybody between our looking and the service's listening.
FIRST, LAST = 20_000, 32_000


def free_port() -> int:
    """A port nobody listens on, and that is given to nobody else on this machine as long as this process lives."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many in a row."""
    start = FIRST + secrets.randbelow(LAST - FIRST - count)
    first: int
    for first in [*range(start, LAST - count), *range(FIRST, start)]:
        marks = [mark for port in range(first, first + count) if (mark := _mark(port))]
        if len(marks) == count:
            for mark in marks:
                # Open until this process ends.
                mark.detach()
            return first
        for mark in marks:
            mark.close()
    raise AssertionError("no port is free")


def _mark(port: int) -> socket.socket | None:
    """What marks the port as given away: nobody here uses UDP, where one can have it and yet leave it free."""
    mark = socket.socket(type=socket.SOCK_DGRAM)
    try:
        mark.bind(("127.0.0.1", port))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return None
    return mark
