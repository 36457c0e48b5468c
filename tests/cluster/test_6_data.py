"""MongoDB's primary killed under load; a backup by the CronJob's Job, and a restore."""

import json
import re

from .conftest import Begin
from .installation import SERVICES, Installation
from .kubectl import Kubectl, until
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


def test_a_backup_and_a_restore(installation: Installation, begin: Begin, results: Results) -> None:
    kubectl = installation.kubectl
    with begin("before") as before:
        before.wait(4)
    jobs = ("backup-now", "restore")
    kubectl("delete", "job", *jobs, "--ignore-not-found")
    with begin("meanwhile") as meanwhile:
        kubectl("create", "job", "backup-now", "--from=cronjob/backup")
        kubectl("wait", "--for=condition=complete", "job/backup-now", "--timeout=120s", seconds=130)
    with begin("after") as after:
        after.wait(4)
    folder = re.search(r"/backups/[0-9TZ:-]+", kubectl("logs", "job/backup-now"))
    assert folder
    restore(kubectl, folder.group())
    installation.wait(120)
    results.settle_without_failures(6, "a backup by the CronJob's Job, and a restore: what was there before", before)
    assert not meanwhile.report.failed, meanwhile.report.sample
    # What came after the backup is not in it: had nothing been put back, it would be there still.
    lost, checked = after.reconcile().missing, after.reconcile().checked
    results.note(6, "the same: what came after the backup", "is gone", f"{len(lost)} of {checked} writes are gone")
    assert checked
    assert len(lost) >= checked / 2
    kubectl("delete", "job", *jobs)


HOSTS = ",".join(f"mongodb-{number}.mongodb:27017" for number in range(3))
ROOT_URL = f"mongodb://root:$(ROOT_PASSWORD)@{HOSTS}/?replicaSet=trolley&authSource=admin"


def restore(kubectl: Kubectl, folder: str) -> None:
    """As docs/guides/backup.md says: the services end, a Job of the CronJob's image puts all back, they come again."""
    kubectl("scale", "deployment", *SERVICES, "--replicas=0")
    try:
        # It is refused while a service is there, also one that is on its way out.
        until(lambda: not any(kubectl.all_pods(name) for name in SERVICES), 60, "the services have ended")
        job = json.loads(kubectl("create", "job", "restore", "--from=cronjob/backup", "--dry-run=client", "-o", "json"))
        container = job["spec"]["template"]["spec"]["containers"][0]
        container["args"] = ["restore", folder, "--replace"]
        container["env"] = [
            {"name": "ROOT_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "mongodb", "key": "root-password"}}},
            {"name": "MONGODB_URL", "value": ROOT_URL},
        ]
        kubectl("create", "-f", "-", send=json.dumps(job))
        kubectl("wait", "--for=condition=complete", "job/restore", "--timeout=120s", seconds=130)
    finally:
        kubectl("scale", "deployment", *SERVICES, "--replicas=3")
