"""Requests are spread over all ready replicas, also where clients keep their connections."""

import time

from .conftest import Begin
from .installation import SERVICES, Installation
from .results import Results

PAGES = ("see_page",)


def shares(before: dict[str, float], after: dict[str, float]) -> list[int]:
    """How many requests each replica has answered meanwhile."""
    assert before.keys() == after.keys(), "The replicas have changed."
    return sorted(round(after[pod] - before[pod]) for pod in before)


def test_every_replica_answers_and_none_more_than_twice_another(
    installation: Installation, begin: Begin, results: Results
) -> None:
    with begin() as ledger:
        before = {name: installation.served(name) for name in SERVICES}
        ledger.wait(30)
        after = {name: installation.served(name) for name in SERVICES}
    found = {name: shares(before[name], after[name]) for name in SERVICES}
    said = ", ".join(f"{name} {'/'.join(map(str, counts))}" for name, counts in found.items())
    results.note(2, "30 s of mixed requests", "each replica answers, none more than twice another's share", said)
    results.settle_without_failures(2, "meanwhile", ledger)
    for name, counts in found.items():
        assert len(counts) >= 3
        assert counts[0] > 0, f"{name}: {counts}"
        assert counts[-1] <= 2 * counts[0], f"{name}: {counts}"


def test_kept_connections_between_services_are_spread_too(
    installation: Installation, begin: Begin, results: Results
) -> None:
    # Nobody but the storefront asks products now, over connections that it keeps.
    with begin(acts=PAGES) as ledger:
        time.sleep(5)
        before = installation.served("products")
        ledger.wait(45)
        counts = shares(before, installation.served("products"))
    said = f"products {'/'.join(map(str, counts))}"
    results.note(2, "45 s of pages alone: the storefront's kept connections", "the same", said)
    assert not ledger.report.failed, ledger.report.sample
    assert counts[0] > 0
    assert counts[-1] <= 2 * counts[0], counts
