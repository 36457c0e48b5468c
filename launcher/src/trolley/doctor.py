"""`trolley doctor`: what is there, what is missing, and how to get it."""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from trolley.services import NAMES, STOREFRONT, Plan, Store

FREE_BYTES = 512 * 1024**2
PYTHON = (3, 11)
LIBRARIES = {"shopkit": "trolley-kit", "shopfiles": "trolley-files"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `remedy` is empty where nothing is wrong; what is not `needed` is only told."""

    what: str
    remedy: str = ""
    needed: bool = True

    def mark(self) -> str:
        """How it went, in four letters."""
        return "ok  " if not self.remedy else "FAIL" if self.needed else "note"


def examine(data: Path, first_port: int, storefront_port: int, console: Console) -> bool:
    """Prints every finding; whether `trolley up` would work."""
    plan = Plan(
        data=data,
        first_port=first_port,
        storefront_port=storefront_port,
        store=Store.SQLITE,
        mongodb_url="",
        empty=False,
    )
    good = True
    for finding in (python(), *packages(), sqlite(), *ports(plan), folder(data), disk(data), mongod(), *tools()):
        line = f"{finding.mark()}  {finding.what}" + (f": {finding.remedy}" if finding.remedy else "")
        console.print(line, style="red" if finding.mark() == "FAIL" else None, markup=False, soft_wrap=True)
        good = good and finding.mark() != "FAIL"
    console.print("trolley up will work." if good else "trolley up will not work yet.", markup=False)
    return good


def python() -> Finding:
    """The interpreter."""
    found = f"Python {sys.version.split()[0]}"
    return Finding(found, "" if sys.version_info >= PYTHON else "install Python 3.11 or newer, then make install")


def packages() -> Iterator[Finding]:
    """What each service is made of. Looked up, not imported: a service's import is its own affair."""
    for name in (*LIBRARIES, *NAMES):
        distribution = LIBRARIES.get(name, f"trolley-{name}")
        try:
            found = f"{distribution} {version(distribution)}"
        except PackageNotFoundError:
            found = distribution
        yield Finding(found, "" if find_spec(name) else "not installed; run make install")


def sqlite() -> Finding:
    """The embedded store, with the full text search that the catalogue needs."""
    found = f"SQLite {sqlite3.sqlite_version} with full text search"
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(words)")
    except sqlite3.OperationalError:
        return Finding(found, "this Python's SQLite lacks FTS5; use the Python of your distribution or python.org")
    finally:
        connection.close()
    return Finding(found)


def ports(plan: Plan) -> Iterator[Finding]:
    """Where the services will listen."""
    taken = plan.taken_ports()
    for name in NAMES:
        port = plan.port(name)
        option = "another with --storefront-port" if name == STOREFRONT else "others with --first-port"
        remedy = f"taken; stop what listens there, or choose {option}" if port in taken else ""
        yield Finding(f"port {port} for {name}", remedy)


def folder(data: Path) -> Finding:
    """Whether the data folder can be written, without making it."""
    place = existing(data)
    try:
        with tempfile.TemporaryFile(dir=place):
            return Finding(f"data folder {data} can be written")
    except OSError as error:
        return Finding(f"data folder {data}", f"cannot be written ({error.strerror}); choose another with --data")


def disk(data: Path) -> Finding:
    """Room for data."""
    free = shutil.disk_usage(existing(data)).free
    enough = free >= FREE_BYTES
    return Finding(
        f"{free // 1024**2} MiB free on disk", "" if enough else "free some: less than 512 MiB is too little"
    )


def mongod() -> Finding:
    """What `trolley up --store mongodb` starts."""
    try:
        from shopdev.mongod import MongodUnavailable, find_mongod
    except ImportError:
        return Finding("mongod for --store mongodb", "not installed; run make install", needed=False)
    try:
        return Finding(f"mongod for --store mongodb ({find_mongod()})")
    except MongodUnavailable as error:
        remedy = f"{error} Install what it lacks (libcurl4 on Debian and Ubuntu), or give --mongodb-url."
        return Finding("mongod for --store mongodb", remedy, needed=False)


def tools() -> Iterator[Finding]:
    """What only images and clusters need."""
    for name in ("docker", "kubectl"):
        where = shutil.which(name)
        remedy = "" if where else "not installed; only images and clusters need it"
        yield Finding(f"{name} ({where})" if where else name, remedy, needed=False)


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path if os.path.isdir(path) else path.parent
