"""Brings the storefront's languages up to date with its texts: python tools/words.py [--check].

What is new stands in each .po file without a translation, what is used no more is taken out, and what is translated
stays as it is. With --check nothing is written; what is wrong is told, with exit code 1.
"""

import io
import sys
from pathlib import Path

from babel.messages.pofile import read_po, write_po

from shopdev.words import collect, faults, untold

PACKAGE = Path(__file__).parents[1] / "services" / "storefront" / "src" / "storefront"


def main() -> int:
    """Writes or checks."""
    is_check = sys.argv[1:] == ["--check"]
    wanted, found = collect(PACKAGE), untold(PACKAGE)
    for path in sorted((PACKAGE / "locales").glob("*.po")):
        content = path.read_bytes()
        known = read_po(io.BytesIO(content))
        if not is_check:
            known.update(wanted, no_fuzzy_matching=True)
            text = io.BytesIO()
            write_po(text, known, width=120, ignore_obsolete=True, include_lineno=False, omit_header=True)
            # The head as it is: Babel's own tells the time, so that it would differ each time.
            head = content.strip().partition(b"\n\n")[0]
            path.write_bytes(head + b"\n\n" + text.getvalue().strip() + b"\n")
            known = read_po(io.BytesIO(path.read_bytes()))
        found += [f"{path.name}: {fault}" for fault in faults(known, wanted)]
    print("\n".join([*found, f"{len(list(wanted)) - 1} texts, {len(found)} faults"]))
    return 1 if found and is_check else 0


if __name__ == "__main__":
    sys.exit(main())
