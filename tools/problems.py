"""Writes docs/problems.md, the list of every problem a service can answer: python tools/problems.py [--check]."""

import importlib
import pkgutil
import sys
from pathlib import Path

from shopkit.errors import ShopError
from shopkit.problems import STATUS, TYPE_PREFIX, status_of

PAGE = Path(__file__).parents[1] / "docs" / "problems.md"
PACKAGES = ("shopkit", "users", "products", "carts")
HEAD = f"""# Problems

Every failed call answers `application/problem+json` (RFC 9457). `type` is `{TYPE_PREFIX}` and
the code; branch on `code`, never on the texts. This page is made from the classes by `make contracts`.

| code | status | what it means | from |
|---|---|---|---|
"""


def situations() -> list[type[ShopError]]:
    """Every situation of every package."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    pending, known = [ShopError], set[type[ShopError]]()
    while pending:
        children = pending.pop().__subclasses__()
        pending += children
        known.update(children)
    return sorted(known, key=lambda each: (status_of(each), each.code, each.__module__))


def page() -> str:
    """The page's text."""
    rows = []
    for situation in situations():
        source = "all services" if situation in STATUS else situation.__module__.partition(".")[0]
        source = "all services" if source == "shopkit" else source
        rows.append(f"| `{situation.code}` | {status_of(situation)} | {situation.title()} | {source} |")
    return HEAD + "\n".join(dict.fromkeys(rows)) + "\n"


def main() -> int:
    """The command."""
    if "--check" in sys.argv:
        if PAGE.read_text() != page():
            print("docs/problems.md is out of date: run make contracts", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
