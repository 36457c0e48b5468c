"""One page of a result, in the order asked for.

The index sorts by one number at a time, and says nothing about products that have the same. So those are asked for
again, sorted by the next number: price, then the two halves of the id. A place needs no counting through what comes
before it: whatever sorts behind it is asked for as such.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from tantivy import DocAddress, FieldType, Order, Query

from products.listing import Place, Sort
from products.view.asking import among
from products.view.documents import IDS, ORDERS, Head, head_of, id_numbers, milliseconds, name_numbers
from products.view.index import Reader
from products.words import name_key

# Of a result by relevance so many are looked at first, and more each time that the page is not among them; what comes
# behind the last is found by other orders, or by more words. With so many a look takes tens of milliseconds.
FIRST_LOOK, LAST_LOOK, MORE = 128, 8192, 8
NUMBER_MAX = 2**64 - 1


Hit = tuple[float, int, DocAddress]


class Result(NamedTuple):
    """Products of one state of the index."""

    reader: Reader
    query: Query

    def sorted_by(self, field: str, count: int, *, descending: bool) -> list[tuple[int, DocAddress]]:
        """The first so many, with their numbers."""
        order = Order.Desc if descending else Order.Asc
        return self.reader.searcher.search(self.query, count, count=False, order_by_field=field, order=order).hits

    def hits(self, count: int | None = None) -> list[tuple[float, DocAddress]]:
        """The best so many, with their scores; or all, in no order."""
        if count is None:
            count = max(1, self.reader.count(self.query))
        return self.reader.searcher.search(self.query, count, count=False).hits

    def within(self, field: str, lowest: int, highest: int) -> "Result":
        """Those whose number is between the two, both included."""
        part = Query.range_query(self.reader.schema, field, FieldType.Unsigned, lowest, highest)
        return self._replace(query=among(self.query, part))


def page_of(result: Result, sort: Sort, after: Place | None, count: int) -> tuple[list[bytes], Place | None]:
    """The first `count` products behind the place, or of all, as JSON; and the place they end at, if there are more."""
    if sort == "relevance":
        return _ranked(result, after, count)
    walk = _Walk(sort, sort.startswith("-"), after)
    numbers = _numbers(sort, after) if after is not None else None
    found = walk.first(result, ORDERS[sort], numbers, count + 1)
    items = [result.reader.json(at) for at in found[:count]]
    return items, _place(sort, head_of(items[-1])) if len(found) > count else None


def _place(sort: Sort, head: Head) -> Place:
    if sort == "name":
        return name_key(head.name), head.id
    return (milliseconds(head.created_at) if sort == "-created_at" else head.price_from.amount), head.id


def _numbers(sort: Sort, place: Place) -> tuple[int, ...]:
    key, product_id = place
    return tuple(name_numbers(str(key))) if sort == "name" else (int(key), *id_numbers(product_id))


class _Walk(NamedTuple):
    """Through one order, from one place."""

    sort: Sort
    descending: bool
    after: Place | None

    def first(self, result: Result, fields: Sequence[str], place: Sequence[int] | None, count: int) -> list[DocAddress]:
        """The first `count` of those whose numbers before `fields` are the same; `place`: the place's, if they are."""
        if not fields:
            return self._rest(result, is_place=place is not None)[:count]
        field, *rest = fields
        found: list[DocAddress] = []
        if place is not None:
            found = self.first(result.within(field, place[0], place[0]), rest, place[1:], count)
            end = 0 if self.descending else NUMBER_MAX
            if place[0] == end:
                return found
            beyond = (end, place[0] - 1) if self.descending else (place[0] + 1, end)
            result = result.within(field, *beyond)
        # One more than are missing tells whether the last of them stands alone.
        missing = count - len(found)
        hits = result.sorted_by(field, missing + 1, descending=self.descending) if missing > 0 else []
        for number, group in groupby(hits, key=lambda hit: hit[0]):
            same = [at for _, at in group]
            if len(found) < count and len(same) > 1:
                same = self.first(result.within(field, number, number), rest, None, count - len(found))
            found += same
        return found[:count]

    def _rest(self, result: Result, *, is_place: bool) -> list[DocAddress]:
        """All of those that no number tells apart, sorted by their whole key."""
        read = [(_place(self.sort, head_of(result.reader.json(at))), at) for _, at in result.hits()]
        if is_place and self.after is not None:
            read = [(key, at) for key, at in read if (key < self.after if self.descending else key > self.after)]
        return [at for _, at in sorted(read, key=lambda one: one[0], reverse=self.descending)]


def _ranked(result: Result, after: Place | None, count: int) -> tuple[list[bytes], Place | None]:
    """By score. Scores change a little with whatever is written, so a page goes on behind the product it ended with."""
    looked = max(FIRST_LOOK, count + 1)
    while True:
        hits = result.hits(looked)
        is_all = len(hits) < looked or looked >= LAST_LOOK
        # Of those with the last score some may be left out.
        certain = [hit for hit in hits if is_all or hit[0] != hits[-1][0]]
        start = _start(ranked := _by_score_and_id(result, certain), after)
        if is_all or (start is not None and start + count < len(ranked)):
            break
        looked *= MORE
    ranked = ranked[start if start is not None else len(ranked) :]
    items = [result.reader.json(at) for _, _, at in ranked[:count]]
    return items, (ranked[count - 1][0], head_of(items[-1]).id) if len(ranked) > count else None


def _by_score_and_id(result: Result, hits: Sequence[tuple[float, DocAddress]]) -> list[Hit]:
    places = [at for _, at in hits]
    halves = [result.reader.searcher.fast_field_values(field, places) for field in IDS]
    scored = [(score, high << 64 | low, at) for (score, at), high, low in zip(hits, *halves, strict=True)]
    return sorted(scored, key=lambda hit: hit[:2], reverse=True)


def _start(ranked: Sequence[Hit], after: Place | None) -> int | None:
    """Where the page begins; None if that is not among these."""
    if after is None:
        return 0
    high, low = id_numbers(after[1])
    place = (after[0], high << 64 | low)
    behind = (at for at, hit in enumerate(ranked, start=1) if hit[1] == place[1])
    gone = (at for at, hit in enumerate(ranked) if hit[:2] < place)
    return next(behind, next(gone, None))
