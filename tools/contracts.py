"""Writes what clients build on, from the code: python tools/contracts.py [--check].

That is the OpenAPI document of each service, and docs/problems.md, the list of every problem one can answer.
"""

import importlib
import pkgutil
import sys
from pathlib import Path

from shopdev.contract import written
from shopkit.errors import ShopError
from shopkit.problems import STATUS, TYPE_PREFIX, status_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "problems.md"
SERVICES = ("users", "products", "carts")
PACKAGES = ("shopkit", *SERVICES)
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
        package = situation.__module__.partition(".")[0]
        is_general = package == "shopkit" or situation.code in {kind.code for kind in STATUS}
        source = "all services" if is_general else package
        rows.append(f"| `{situation.code}` | {status_of(situation)} | {situation.title()} | {source} |")
    return HEAD + "\n".join(dict.fromkeys(rows)) + "\n"


def documents() -> dict[Path, str]:
    """Every file, with the text it should have."""
    found = {PAGE: page()}
    for name in SERVICES:
        settings = importlib.import_module(f"{name}.settings").Settings()
        app = importlib.import_module(f"{name}.app").create_app(settings)
        found[ROOT / "services" / name / "src" / name / "openapi.json"] = written(app)
    return found


def main() -> int:
    """The command."""
    outdated = {path: text for path, text in documents().items() if path.read_text() != text}
    if "--check" in sys.argv:
        for path in outdated:
            print(f"{path.relative_to(ROOT)} is out of date: run make contracts", file=sys.stderr)
        return 1 if outdated else 0
    for path, text in outdated.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
