"""`python -m shopserver.told FOLDER MODULE [ARGUMENTS]`: runs a module with settings that lie in a folder, a file each.

A file's name is the variable, its text the value, as Docker and Kubernetes mount secrets: a container's environment is
shown to whoever may inspect it. The module takes this process's place, so that it is the one that is told to stop.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

VARIABLE = re.compile("[A-Z][A-Z0-9_]*")


def main(arguments: Sequence[str]) -> NoReturn:
    """The command; one sentence and exit code 2 where the folder cannot be used."""
    if len(arguments) < 2:
        _fail("Usage: python -m shopserver.told FOLDER MODULE [ARGUMENTS]")
    try:
        found = settings(Path(arguments[0]))
    except OSError as error:
        _fail(f"{error.filename} cannot be read: {error.strerror}.")
    except ValueError:
        _fail(f"What lies in {arguments[0]} is no text.")
    # Passed on, not read: a service reads its settings by its kit.
    os.execve(sys.executable, [sys.executable, "-m", *arguments[1:]], os.environ | found)  # noqa: TID251, S606


def settings(folder: Path) -> dict[str, str]:
    """The value of each variable, without the end of its last line. OSError, ValueError."""
    return {path.name: path.read_text().rstrip("\n") for path in folder.iterdir() if VARIABLE.fullmatch(path.name)}


def _fail(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
