"""What `mongo_dump` wrote, back into MongoDB: beside what is there, then in its place."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from bson import decode_file_iter
from bson.codec_options import CodecOptions
from bson.json_util import CANONICAL_JSON_OPTIONS, loads
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from trolley.stores.mongo_dump import DRAFT, MARK, UNAUTHORIZED, Document, MongoFailed, opened

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
AT_ONCE = 500
ID_INDEX = "_id_"


def holds_data(url: str, databases: Sequence[str]) -> bool:
    """Whether any of the databases has a document, or a restore that was cut short."""
    with opened(url) as client:
        return any(
            client[database][info["name"]].find_one({}, {"_id": 1}) is not None
            for database in databases
            for info in client[database].list_collections(filter={"type": "collection"})
            if not info["name"].startswith("system.")
        )


def connected(url: str, names: Sequence[str]) -> list[str]:
    """Which of these services hold connections to the primary; none where the user may not ask."""
    with opened(url) as client:
        stage = {"$currentOp": {"allUsers": True, "idleConnections": True}}
        try:
            found = {each.get("appName") for each in client.admin.aggregate([stage])}
        except OperationFailure as error:
            if error.code != UNAUTHORIZED:
                raise
            return []
    return [name for name in names if name in found]


def load(url: str, source: Path, counts: Mapping[str, int]) -> None:
    """Puts every `database/collection` in place of what its database holds, indexes and options too.

    MongoFailed where one has not so many documents as `counts` says.

    All is loaded beside the old first; a mark stands in each database from before its first collection is changed
    until all are done, so one that was cut short is found out and can be repeated.
    """
    with opened(url) as client:
        databases = sorted({name.partition("/")[0] for name in counts})
        kept = [(name.partition("/")[0], name.partition("/")[2]) for name in counts]
        for (database, name), count in zip(kept, counts.values(), strict=True):
            if _load_beside(client, source / database, database, name) != count:
                raise MongoFailed(f"{database}/{name} has not the {count} documents that its backup tells of.")
        for database in databases:
            client[database][MARK].replace_one({"_id": 1}, {"_id": 1}, upsert=True)
        for database, name in kept:
            client[database][name + DRAFT].rename(name, dropTarget=True)
        for database in databases:
            wanted = {name for of, name in kept if of == database}
            for other in client[database].list_collection_names(filter={"type": "collection"}):
                if other not in wanted and other != MARK and not other.startswith("system."):
                    client[database].drop_collection(other)
        for database in databases:
            client[database].drop_collection(MARK)


def _load_beside(client: MongoClient[Document], folder: Path, database: str, name: str) -> int:
    """How many documents were put into the draft of a collection."""
    draft = name + DRAFT
    count = 0
    with _opened_file(folder / f"{name}.metadata.json") as file:
        metadata: dict[str, Any] = loads(file.read(), json_options=CANONICAL_JSON_OPTIONS)
    client[database].drop_collection(draft)
    client[database].command({"create": draft, **metadata["options"]})
    collection = client[database].get_collection(draft, codec_options=RAW)
    with _opened_file(folder / f"{name}.bson") as file:
        for portion in _portions(file):
            # What a validator refuses today was taken once.
            collection.insert_many(portion, ordered=True, bypass_document_validation=True)
            count += len(portion)
    indexes = [index for index in metadata["indexes"] if index["name"] != ID_INDEX]
    if indexes:
        client[database].command({"createIndexes": draft, "indexes": indexes})
    return count


def _portions(file: BinaryIO) -> Iterator[list[RawBSONDocument]]:
    portion: list[RawBSONDocument] = []
    for document in decode_file_iter(file, RAW):
        portion.append(document)
        if len(portion) == AT_ONCE:
            yield portion
            portion = []
    if portion:
        yield portion


def _opened_file(path: Path) -> BinaryIO:
    packed = path.with_name(f"{path.name}.gz")
    return gzip.open(packed, "rb") if packed.exists() else path.open("rb")  # type: ignore[return-value]
