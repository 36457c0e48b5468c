"""What could not be taken, as CSV: line, name, problem."""

import csv
import io
from collections.abc import Iterable

from shopfiles.columns import guarded
from shopfiles.reading import Fault

HEADING = "line,name,problem\r\n"


def report_lines(faults: Iterable[Fault]) -> str:
    """A line for each fault; the whole report is HEADING and then these."""
    text = io.StringIO()
    csv.writer(text).writerows((fault.line, guarded(fault.name), guarded(fault.detail)) for fault in faults)
    return text.getvalue()
