"""A folder with one backup: it appears as a whole or not at all, and its manifest tells whether it still is."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trolley.folder import ONLY_OWNER
from trolley.services import CannotStart

MANIFEST = "backup.json"
FORMAT = 1
PARTIAL = ".partial"
# It holds hashes of passwords and the keys that tokens are signed with.
OWNERS_FOLDER = 0o700


class Unusable(CannotStart):
    """The folder is no backup, or not the one that was written; nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup holds. `moment` in ISO 8601; `counts` of records by `database/collection`; `files` by path,
    with SHA-256 in hexadecimal digits."""

    version: str
    store: str
    moment: str
    counts: dict[str, int]
    files: dict[str, str]
    format: int = FORMAT


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A draft to write into, which becomes `target` when all went well. CannotStart where something is there."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CannotStart(f"{target} is there already: a backup goes into a new folder.")
    draft = target.with_name(f".{target.name}.{os.getpid()}{PARTIAL}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(OWNERS_FOLDER)
    except OSError as error:
        raise CannotStart(f"{target} cannot be made: {error.strerror}.") from error
    try:
        yield draft
        for folder, _, _ in os.walk(draft):
            flush(Path(folder))
        draft.rename(target)
        flush(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def seal(draft: Path, version: str, store: str, moment: str, counts: dict[str, int]) -> Manifest:
    """Writes the manifest of all that is in the draft, after every file has reached the disk."""
    files = {}
    for path in sorted(path for path in draft.rglob("*") if path.is_file()):
        path.chmod(ONLY_OWNER)
        flush(path)
        files[str(path.relative_to(draft))] = digest(path)
    manifest = Manifest(version=version, store=store, moment=moment, counts=counts, files=files)
    path = draft / MANIFEST
    path.write_text(json.dumps(asdict(manifest), indent=2))
    path.chmod(ONLY_OWNER)
    flush(path)
    return manifest


def read(source: Path) -> Manifest:
    """The manifest, once every file was found to be what it says; Unusable."""
    try:
        found: Any = json.loads((source / MANIFEST).read_text())
        format = found.get("format") if isinstance(found, dict) else None
        if format != FORMAT:
            raise Unusable(f"{source} is no backup that this version of trolley reads.")
        manifest = Manifest(**found)
        if not isinstance(manifest.files, dict) or not isinstance(manifest.counts, dict):
            raise TypeError
        there = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()} - {MANIFEST}
        if there != set(manifest.files):
            wrong = sorted(there.symmetric_difference(manifest.files))[0]
            raise Unusable(f"{source} is damaged: {wrong} is {'foreign' if wrong in there else 'missing'}.")
        for name, expected in manifest.files.items():
            if digest(source / name) != expected:
                raise Unusable(f"{source} is damaged: {name} is not what was written.")
    except FileNotFoundError as error:
        raise Unusable(f"{source} is no backup: there is no {MANIFEST} in it.") from error
    except OSError as error:
        raise Unusable(f"{source} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise Unusable(f"{source} is damaged: its {MANIFEST} cannot be read.") from error
    return manifest


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Returns when the file, or what a folder lists, is on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
