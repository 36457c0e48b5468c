"""Writes src/users/data/common-passwords.txt from the package zxcvbn: `python tools/make_common_passwords.py`.

The list there is sorted by how often a password was seen; of it, only what our rule on length would let through
matters here.
"""

from pathlib import Path

from zxcvbn.frequency_lists import FREQUENCY_LISTS

KEPT = 10_000
SHORTEST = 8
TARGET = Path(__file__).parent.parent / "src/users/data/common-passwords.txt"
HEADER = f"""\
# The {KEPT} most frequent passwords of at least {SHORTEST} characters, most frequent first, in lower case.
# Source: the list "passwords" of the Python package zxcvbn 4.5.0 (MIT licence),
# which draws on passwords that became public in leaks. Made by tools/make_common_passwords.py.
"""

if __name__ == "__main__":
    kept = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= SHORTEST and not word.startswith("#")][:KEPT]
    TARGET.write_text(HEADER + "\n".join(kept) + "\n", encoding="utf-8")
