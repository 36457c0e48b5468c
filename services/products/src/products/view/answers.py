"""What reads are answered with: one state of the index, and ready-made JSON kept for as long as it is true."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from products.listing import Facet, Listing, Query
from products.product import Product, is_id
from products.schemas import encode_product
from products.view.asking import facts, products_of
from products.view.documents import Head, head_of
from products.view.index import Kept, Reader
from products.view.paging import Result, page_of

# Names, of which a product has two: what a shop of ten thousand products is asked for stands ready.
FOUND_MAX = 25_000
FOUND_BYTES_MAX = 32 * 2**20
FACTS_MAX = 200
LISTS_BYTES_MAX = 16 * 2**20

_encode = msgspec.json.Encoder().encode
Facts = tuple[int, list[Facet], list[Facet]]


class Found(NamedTuple):
    """A product as callers see it, encoded, and what is asked for it by."""

    head: Head
    json: bytes


def encoded(product: Product) -> Found:
    """The same of a product that comes from the store."""
    json = encode_product(product)
    return Found(head_of(json), json)


class _Facets(msgspec.Struct):
    category: list[Facet]
    tag: list[Facet]


class _Products(msgspec.Struct):
    """products.schemas.ProductsOut, of products that are encoded already."""

    items: list[msgspec.Raw]
    next_cursor: str | None
    total: int
    facets: _Facets
    missing: list[str] | UnsetType = UNSET


def encode_listing(listing: Listing, next_cursor: str | None) -> bytes:
    """A page as callers see it."""
    items = [msgspec.Raw(item) for item in listing.items]
    return _encode(_Products(items, next_cursor, listing.total, _Facets(listing.categories, listing.tags)))


def encode_named(found: Sequence[Found], missing: list[str]) -> bytes:
    """Products asked for by name; facets of them would say nothing."""
    items = [msgspec.Raw(one.json) for one in found]
    return _encode(_Products(items, None, len(items), _Facets([], []), missing))


class Answers:
    """Answers from the newest state; `renew` moves on to the next one."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._found: dict[str, Found] = {}
        self._bytes = 0
        self._facts: dict[Query, Facts] = {}
        self._lists: dict[bytes, bytes] = {}
        self._lists_bytes = 0

    def renew(self, reader: Reader, changed: Iterable[Kept]) -> None:
        """From now on the index is in another state, which differs from the one before by `changed`."""
        self._reader = reader
        self._facts.clear()
        self._forget_lists()
        for before, after in changed:
            names = {after.id, after.slug, before.slug if before is not None else after.slug}
            for found in {self._found.pop(name) for name in names if name in self._found}:
                self._bytes -= len(found.json)

    def find(self, id_or_slug: str) -> Found | None:
        """The product of that id or slug, archived or not."""
        found = self._found.get(id_or_slug)
        if found is None:
            found = self._read("id" if is_id(id_or_slug) else "slug", id_or_slug)
            if found is not None:
                self._keep(found)
        return found

    def find_all(self, field: str, values: Sequence[str]) -> list[Found]:
        """The products with any of those values in the field "id" or "sku", each once, in the order of the values."""
        find = self.find if field == "id" else lambda sku: self._read("sku", sku)
        read = (find(value) for value in values if field == "sku" or is_id(value))
        return list({found.head.id: found for found in read if found is not None}.values())

    def page(self, query: Query) -> Listing:
        """One page of the active products that `query` describes."""
        wanted = products_of(self._reader.schema, query)
        total, categories, tags = self._count(query)
        items, place = page_of(Result(self._reader, wanted), query.sort, query.after, query.limit)
        return Listing(items, place, total, categories, tags)

    def list(self, asked: bytes) -> bytes | None:
        """The list that was kept under the text of the request, if nothing has changed since."""
        return self._lists.get(asked)

    def keep_list(self, asked: bytes, json: bytes) -> None:
        """Keeps an encoded list for whoever asks in the same words."""
        if asked in self._lists:
            return
        if self._lists_bytes + len(asked) + len(json) > LISTS_BYTES_MAX:
            self._forget_lists()
        self._lists[asked] = json
        self._lists_bytes += len(asked) + len(json)

    def _forget_lists(self) -> None:
        self._lists.clear()
        self._lists_bytes = 0

    def _count(self, query: Query) -> Facts:
        """Once for all pages and orders of a result."""
        known = self._facts.get(query.result)
        if known is None:
            wanted = products_of(self._reader.schema, query.result)
            known = self._reader.count(wanted), *facts(self._reader.searcher, wanted)
            if len(self._facts) >= FACTS_MAX:
                self._facts.clear()
            self._facts[query.result] = known
        return known

    def _read(self, field: str, value: str) -> Found | None:
        json = self._reader.find(field, value)
        return Found(head_of(json), json) if json is not None else None

    def _keep(self, found: Found) -> None:
        if len(self._found) >= FOUND_MAX or self._bytes + len(found.json) > FOUND_BYTES_MAX:
            self._found.clear()
            self._bytes = 0
        self._found[found.head.id] = self._found[found.head.slug] = found
        self._bytes += len(found.json)
