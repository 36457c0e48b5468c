"""What Prometheus may ask. One registry an application."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

HTTP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STORE_BUCKETS = (0.00005, 0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"})


class Metrics:
    """The metrics every service has, and the registry for its own."""

    def __init__(self, service: str, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("method", "route", "status")
        self._requests = self.counter("http_requests", "Requests answered", *labels)
        self._seconds = self.histogram("http_request_duration_seconds", "Time to answer", HTTP_BUCKETS, *labels)
        store = self.histogram("store_call_duration_seconds", "Calls", STORE_BUCKETS, "operation", "outcome")
        self.in_flight = Gauge("http_requests_in_flight", "Requests at work now", registry=self.registry)
        Gauge("build_info", "What runs", ("service", "version"), registry=self.registry).labels(service, version).set(1)
        # Label children are bound once, not at each request.
        self._store = cache(store.labels)
        self._bind = cache(lambda *values: (self._requests.labels(*values), self._seconds.labels(*values)))

    def counter(self, name: str, help_text: str, *labels: str) -> Counter:
        """A counter, of the service's own too."""
        return Counter(name, help_text, labels, registry=self.registry)

    def histogram(self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """A histogram; `buckets` are the upper bounds that are counted apart."""
        return Histogram(name, help_text, labels, buckets=buckets, registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        requests, durations = self._bind(method if method in METHODS else "other", route, str(status))
        requests.inc()
        durations.observe(seconds)

    @contextmanager
    def store_call(self, operation: str) -> Iterator[None]:
        """Times one call to the store; an exception that leaves it counts as an error, a lost race does too."""
        started, outcome = perf_counter(), "error"
        try:
            yield
            outcome = "ok"
        finally:
            self._store(operation, outcome).observe(perf_counter() - started)
