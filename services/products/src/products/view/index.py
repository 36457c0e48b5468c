"""One index on disk: what is written and read there."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import msgspec
import tantivy
from msgspec import DecodeError

from products.product import Product
from products.view.documents import FORM, STATE_ID, Head, head_of, make_schema, to_document
from shopkit.errors import Unavailable

T = TypeVar("T")
# The least that the library takes, and what makes filling it fast enough.
WRITER_BYTES = 32_000_000


class State(msgspec.Struct, frozen=True):
    """How far an index has come: the store's feed up to `position` is in it. Kept by the products' own commit."""

    form: int
    position: str


class Kept(NamedTuple):
    """A product that went into the index, and what was there before."""

    before: Head | None
    after: Product


class Index:
    """One index, with a single writer; a folder of its own. Its methods are for one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Opens it, or makes an empty one. ValueError where it is broken, Unavailable where it is in use."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._schema = make_schema()
        self._index = tantivy.Index(self._schema, path=str(folder))
        self._index.config_reader("manual")
        try:
            self._writer = self._index.writer(WRITER_BYTES, num_threads=1)
        except ValueError as error:
            # One that was killed may take a moment to be gone.
            if "LockBusy" in str(error):
                raise Unavailable(f"Another process still writes {folder}.") from error
            raise
        self.reader = Reader(self._schema, self._index.searcher())
        self.state = self.reader.state()

    def add(self, products: Iterable[Product]) -> None:
        """Puts in products that are not there yet; not seen before `commit`."""
        for product in products:
            self._writer.add_document(tantivy.Document.from_dict(to_document(product), self._schema))

    def keep(self, products: Mapping[str, Product], position: str) -> list[Kept]:
        """Puts in those that are newer than what is there, and commits."""
        kept = []
        for product in products.values():
            json = self.reader.find("id", product.id)
            before = head_of(json) if json is not None else None
            if before is None or before.version < product.version:
                if before is not None:
                    self._writer.delete_documents_by_term("id", product.id)
                self.add([product])
                kept.append(Kept(before, product))
        if kept:
            self.commit(position)
        return kept

    def commit(self, position: str) -> None:
        """Makes durable and visible what was put in, together with how far the feed was read."""
        self.state = State(FORM, position)
        self._writer.delete_documents_by_term("id", STATE_ID)
        state = {"id": STATE_ID, "json": msgspec.json.encode(self.state)}
        self._writer.add_document(tantivy.Document.from_dict(state, self._schema))
        self._writer.commit()
        self._index.reload()
        self.reader = Reader(self._schema, self._index.searcher())

    def close(self) -> None:
        """Lets another process write."""
        self._writer.wait_merging_threads()


class Reader(NamedTuple):
    """One state of the index, which stays as it is for as long as it is held."""

    schema: tantivy.Schema
    searcher: tantivy.Searcher

    @classmethod
    def open(cls, folder: Path) -> Self:
        """What is committed there now; any number of processes may read. ValueError where there is no index."""
        index = tantivy.Index.open(str(folder))
        return cls(index.schema, index.searcher())

    def find(self, field: str, value: str) -> bytes | None:
        """The JSON of the product that has this `id`, `slug` or `sku`."""
        query = tantivy.Query.term_query(self.schema, field, value)
        hits = self.searcher.search(query, 1, count=False).hits
        return self.json(hits[0][1]) if hits else None

    def places(self, field: str, value: str) -> list[tantivy.DocAddress]:
        """Where the products with this `id`, `slug` or `sku` stand: the first two, though there must be but one."""
        query = tantivy.Query.term_query(self.schema, field, value)
        return [at for _, at in self.searcher.search(query, 2, count=False).hits]

    def json(self, at: tantivy.DocAddress) -> bytes:
        """The product that stands there."""
        json: Any = self.searcher.doc(at).get_first("json")
        return bytes(json)

    def count(self, query: tantivy.Query) -> int:
        """How many products fit."""
        return int(self.searcher.search(query, 1).count)  # type: ignore[attr-defined] # missing in its stubs

    def state(self) -> State | None:
        """How far it has come; None where that is not known, or the index is of another form."""
        try:
            state = msgspec.json.decode(self.find("id", STATE_ID) or b"", type=State)
        except (DecodeError, ValueError):
            return None
        return state if state.form == FORM else None

    def all(self) -> Iterable[bytes]:
        """The JSON of every product, in no order."""
        everything = tantivy.Query.range_query(
            self.schema, "price", tantivy.FieldType.Unsigned, lower_bound=0, upper_bound=2**63
        )
        for _, at in self.searcher.search(everything, max(1, self.searcher.num_docs), count=False).hits:
            yield self.json(at)


def guarded(work: Callable[..., T], *arguments: object) -> T:
    """`work(*arguments)`; RuntimeError where the library crashes."""
    try:
        return work(*arguments)
    except Exception:
        raise
    except BaseException as panic:
        # Its own crash is no Exception, and would end the task that waits for it without a word.
        raise RuntimeError(f"The index library gave up: {panic}") from panic
