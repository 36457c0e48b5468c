"""What the service counts of its business, beside what every service counts."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter

from shopkit.errors import ShopError
from shopkit.metrics import Metrics


class Counts:
    """Counters by outcome: `ok`, or the code of the problem that was answered."""

    def __init__(self, metrics: Metrics) -> None:
        self.registrations = metrics.counter("registrations", "Registrations", "outcome")
        self.sign_ins = metrics.counter("sign_ins", "Sign-ins, and passwords asked for again", "outcome")
        self.refreshes = metrics.counter("tokens_refreshed", "Refresh tokens used", "outcome")
        self.conflicts = metrics.counter("conflicts_retried", "Changes made again because another was faster")


@contextmanager
def counted(counter: Counter) -> Iterator[None]:
    """Counts how the block ends."""
    try:
        yield
    except ShopError as error:
        counter.labels(error.code).inc()
        raise
    counter.labels("ok").inc()
