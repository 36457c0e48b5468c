"""MongoDB databases read at one moment, into the folders that mongodump writes."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from bson import CodecOptions
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure, PyMongoError

PATIENCE_MS = 10_000
# Codes of a moment that is further back than the server's history, and of a collection changed as such since then.
TOO_OLD, UNAVAILABLE = 239, 246
UNAUTHORIZED = 13
ATTEMPTS = 3
# What a restore writes into, beside the collection that it is for; never part of a backup.
DRAFT = ".restoring"
MARK = "restoring"
INT32 = 4

Document = dict[str, Any]


class MongoFailed(Exception):
    """MongoDB did not do what was asked of it; one sentence."""


@contextmanager
def opened(url: str) -> Iterator[MongoClient[Document]]:
    """A client; what the server or the way to it has against the work becomes MongoFailed."""
    try:
        with MongoClient[Document](
            url, appname="trolley", serverSelectionTimeoutMS=PATIENCE_MS, w="majority", journal=True
        ) as client:
            yield client
    except OperationFailure as error:
        # The server's own words for the first repeat the whole command.
        words = (
            "this user may not do that" if error.code == UNAUTHORIZED else (error.details or {}).get("errmsg", error)
        )
        raise MongoFailed(f"MongoDB refuses: {words}.") from error
    except PyMongoError as error:
        raise MongoFailed(f"MongoDB does not answer: {type(error).__name__}.") from error


def dump(url: str, databases: tuple[str, ...], folder: Path, zipped: bool) -> dict[str, int]:
    """Writes the databases as they all are at one moment; how many documents each `database/collection` has."""
    for attempt in range(ATTEMPTS):
        try:
            return _dump(url, databases, folder, zipped)
        except MongoFailed as failed:
            code = getattr(failed.__cause__, "code", None)
            if code == TOO_OLD:
                raise MongoFailed(
                    "Reading took longer than MongoDB keeps the past (5 minutes): raise the server's parameter"
                    " minSnapshotHistoryWindowInSeconds and try again."
                ) from failed
            # A service has just made an index: a moment after that can be read.
            if code != UNAVAILABLE or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _dump(url: str, databases: tuple[str, ...], folder: Path, zipped: bool) -> dict[str, int]:
    counts: dict[str, int] = {}
    with opened(url) as client:
        found = [(name, info) for name in databases for info in _collections(client, name)]
        # The first read fixes the moment for all that follow, of whatever database.
        with client.start_session(snapshot=True) as session:
            for database, info in found:
                place = folder / database
                place.mkdir(mode=0o700, exist_ok=True)
                _write_metadata(client, database, info, place, zipped)
                name = info["name"]
                with _file(place / f"{name}.bson", zipped) as file:
                    counts[f"{database}/{name}"] = _write(client, session, database, name, file)
    return counts


def _collections(client: MongoClient[Document], database: str) -> list[Document]:
    infos = [dict(info) for info in client[database].list_collections() if info["type"] == "collection"]
    if any(info["name"] == MARK for info in infos):
        raise MongoFailed(f"{database} is half restored: repeat that restore first.")
    return [info for info in infos if not info["name"].startswith("system.") and not info["name"].endswith(DRAFT)]


def _write_metadata(client: MongoClient[Document], database: str, info: Document, place: Path, zipped: bool) -> None:
    indexes = [dict(index) for index in client[database][info["name"]].list_indexes()]
    metadata = {
        "options": info["options"],
        "indexes": indexes,
        "uuid": bytes(info["info"]["uuid"]).hex(),
        "collectionName": info["name"],
        "type": "collection",
    }
    with _file(place / f"{info['name']}.metadata.json", zipped) as file:
        file.write(dumps(metadata, json_options=CANONICAL_JSON_OPTIONS).encode())


def _write(client: MongoClient[Document], session: ClientSession, database: str, name: str, file: BinaryIO) -> int:
    """Every document as the server sends it, byte for byte; how many."""
    collection = client[database].get_collection(name, codec_options=CodecOptions())
    # Typed as a cursor of documents; it gives bytes.
    batches: Any = collection.find_raw_batches({}, session=session)
    count = 0
    for batch in batches:
        file.write(batch)
        count += _documents_in(batch)
    return count


def _documents_in(batch: bytes) -> int:
    count = place = 0
    while place < len(batch):
        place += int.from_bytes(batch[place : place + INT32], "little")
        count += 1
    return count


@contextmanager
def _file(path: Path, zipped: bool) -> Iterator[BinaryIO]:
    if not zipped:
        with path.open("wb") as file:
            yield file
        return
    with gzip.open(path.with_name(f"{path.name}.gz"), "wb") as packed:
        yield packed  # type: ignore[misc]
