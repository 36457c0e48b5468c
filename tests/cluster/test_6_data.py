"""MongoDB's primary killed under load; a backup by the CronJob's Job, and a restore."""

from .conftest import Begin
from .installation import Installation
from .kubectl import until
from .outside import Outside
from .results import Results

RESUME_SECONDS = 15


def test_the_primary_killed_with_9(
    installation: Installation, begin: Begin, outside: Outside, results: Results
) -> None:
    kubectl = installation.kubectl
    primary = installation.primary()
    victim = next(pod for pod in kubectl.ready("mongodb") if pod.name == primary)
    with begin() as ledger:
        ledger.wait(2)
        killed = outside.kill(kubectl, victim, "mongod")
        ledger.wait(25)
    report = ledger.report
    reads = [entry for entry in report.failed if entry.route.startswith("GET /products")]
    resumed = max((entry.at for entry in report.failed), default=killed) - killed
    must = f"writes resume in under {RESUME_SECONDS} s, 0 acknowledged writes lost, reads of products never fail"
    said = f"writes resumed after {resumed:.1f} s, {len(reads)} reads of products failed"
    results.note(6, f"kill -9 of {primary}, the primary", must, said)
    results.settle(6, "meanwhile", ledger, "nothing missing")
    assert installation.primary() != primary
    assert not reads, reads[:5]
    assert resumed < RESUME_SECONDS
    until(lambda: len(kubectl.ready("mongodb")) == 3, 60, "three members are there")
