"""What the tests saw, as the table of docs/cluster.md: written when all nine have passed in one run."""

import os
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from .books import Findings
from .installation import ROOT
from .kubectl import Refused, run
from .ledger import Ledger, Report

PAGE = ROOT / "docs" / "cluster.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
TITLES = {
    1: "Deployed from nothing",
    2: "Load balancing",
    3: "Scaling",
    4: "Rolling update, rollback, an update that fails, keys rotated",
    5: "Pods and nodes lost",
    6: "MongoDB's primary lost; backup and restore",
    7: "NetworkPolicy",
    8: "Two versions side by side",
    9: "Uninstalled, and installed beside",
}


@dataclass
class Results:
    """Rows of the table, in the order in which they were seen."""

    rows: list[tuple[int, str, str, str]] = field(default_factory=list)

    def note(self, test: int, what: str, must: str, seen: str) -> None:
        """One row: what was done, what must be, what was seen."""
        self.rows.append((test, what, must, seen))

    def settle(self, test: int, what: str, ledger: Ledger, must: str = "0 failed, nothing missing") -> Report:
        """Reads everything back, notes the row and fails where an acknowledged write is missing or came twice."""
        report, findings = ledger.report, ledger.reconcile()
        self.note(test, what, must, f"{report}; {said(findings)}")
        assert findings.checked, "No write was acknowledged: nothing was proved."
        assert not findings.faults, "\n".join(findings.faults[:20])
        return report

    def settle_without_failures(self, test: int, what: str, ledger: Ledger) -> None:
        """The same, where no request may fail."""
        report = self.settle(test, what, ledger)
        assert not report.failed, f"{report}\n{report.sample}"

    @property
    def is_whole(self) -> bool:
        """Whether every test has left a row."""
        return {test for test, *_ in self.rows} >= set(TITLES)

    def write(self, seconds: float) -> None:
        """Puts the table into the page."""
        lines = ["", f"{datetime.now(UTC):%d %B %Y}, `make cluster`, {seconds / 60:.1f} minutes, {machine()}.", ""]
        lines += ["| test | what was done | what must be | what was seen |", "|---|---|---|---|"]
        for test, what, must, seen in sorted(self.rows, key=lambda row: row[0]):
            lines.append(f"| {test}. {TITLES[test]} | {what} | {must} | {seen} |")
        page = PAGE.read_text(encoding="utf-8")
        table = "\n".join([BEGIN, *lines, "", END])
        PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: table, page, flags=re.DOTALL), encoding="utf-8")


def said(findings: Findings) -> str:
    """In words."""
    return f"{findings.checked} acknowledged writes, {len(findings.faults)} missing or twice"


def machine() -> str:
    """Where this was: processor, memory, Kubernetes."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    try:
        nodes = run(["kubectl", "get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}"]).split()
    except Refused:
        nodes = []
    where = f"Kubernetes {nodes[0]} of {len(nodes)} nodes, all" if nodes else "all"
    processor = model.group(1) if model else platform.machine()
    return f"{where} on one machine of {os.cpu_count()} processors ({processor}) and {memory:.0f} GiB"
