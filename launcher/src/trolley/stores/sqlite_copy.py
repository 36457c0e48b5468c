"""SQLite databases copied while services write into them."""

import sqlite3
from contextlib import closing
from pathlib import Path


class CannotCopy(Exception):
    """A database could not be read or the copy is not sound; the text says why."""


def copy(source: Path, target: Path) -> dict[str, int]:
    """Copies the database as it is at one moment, by SQLite's online backup; how many rows each table has.

    In one step, so that no writer makes it begin again; with a write-ahead log none waits for it either.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as original,
            closing(sqlite3.connect(target)) as copied,
        ):
            original.backup(copied, pages=-1)
            # One file, with no log beside it; a service goes back to a log when it opens it.
            copied.execute("PRAGMA journal_mode = DELETE")
            if copied.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise CannotCopy(f"{source} is damaged: SQLite finds faults in a copy of it.")
            return _counts(copied)
    except sqlite3.Error as error:
        raise CannotCopy(f"{source} cannot be copied: {error}.") from error


def holds_data(path: Path) -> bool:
    """Whether there is a database file that holds something."""
    return path.exists() and path.stat().st_size > 0


def is_in_use(path: Path) -> bool:
    """Whether any process has the database open. What a killed one left in a log beside it comes into the file."""
    if not holds_data(path):
        return False
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            # Only one who has it alone may leave the write-ahead log.
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode == sqlite3.SQLITE_BUSY
    except sqlite3.DatabaseError:
        # Broken, which may be why a backup is to take its place.
        return False
    return False


def begin_history(path: Path) -> None:
    """Products' feed of changes gets another id: numbers that a read view knows from before mean nothing here."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE feed SET id = lower(hex(randomblob(16)))")


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    names = [name for (name,) in connection.execute(sql)]
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608
