"""A query of ours as one of the index: which products, how well they fit, and what is counted."""

from collections.abc import Sequence
from typing import Any

from tantivy import FieldType, Occur, Query, Schema, Searcher

from products.listing import FACET_VALUES_MAX, Facet
from products.listing import Query as Asked
from products.view.documents import TERM_MAX, head_of
from products.view.index import Reader
from products.words import is_cjk, pairs_of, runs_of

# How much a word counts where it stands (BM25 weighs the rest). A product with all the words in its name comes first.
WEIGHTS = (("name", 8.0), ("labels", 3.0), ("description", 1.0))
ALL_IN_NAME = 1000.0
# What only begins like the word, or is spelled nearly like it, comes after what is the word.
NEARLY = 0.1
PREFIX_LENGTH = 2
FORGIVING_LENGTH = 5
# Most frequent values that are counted in each part of the index, and in all: far above what a page shows of them.
VALUES_IN_PART, VALUES_COUNTED = 10_000, 1_000

Must, Should = Occur.Must, Occur.Should


def products_of(schema: Schema, asked: Asked) -> Query:
    """The active products of a result; scored where words are asked for."""
    parts = [(Must, _silent(Query.term_query(schema, "active", True)))]
    names = {"category": [asked.category] if asked.category is not None else [], "tag": asked.tags}
    parts += [
        (Must, _silent(Query.term_query(schema, field, value))) for field, values in names.items() for value in values
    ]
    if asked.min_price is not None or asked.max_price is not None:
        within = Query.range_query(schema, "price", FieldType.Unsigned, asked.min_price, asked.max_price)
        parts.append((Must, _silent(within)))
    if asked.in_stock is not None:
        parts.append((Must, _silent(Query.term_query(schema, "in_stock", asked.in_stock))))
    if asked.words is not None:
        parts += _wording(schema, asked.words)
    return Query.boolean_query(parts)


def listed(reader: Reader, ids: Sequence[str]) -> set[str]:
    """Those of the ids that lists can show."""
    shown = among(products_of(reader.schema, Asked()), Query.term_set_query(reader.schema, "id", list(ids)))
    hits = reader.searcher.search(shown, max(1, len(ids)), count=False).hits
    return {head_of(reader.json(at)).id for _, at in hits}


def among(query: Query, *others: Query) -> Query:
    """Those of a result that fit the others too."""
    return Query.boolean_query([(Must, query), *((Must, _silent(other)) for other in others)])


def facts(searcher: Searcher, query: Query) -> tuple[list[Facet], list[Facet]]:
    """How many of the result have each category, and each tag: most frequent first, then by value."""
    found = searcher.aggregate(query, {name: {"terms": _terms(name)} for name in ("category", "tag")})
    categories, tags = (_facets(found[name]["buckets"]) for name in ("category", "tag"))
    return categories, tags


def _terms(field: str) -> dict[str, Any]:
    return {"field": field, "size": VALUES_COUNTED, "segment_size": VALUES_IN_PART}


def _facets(buckets: Sequence[dict[str, Any]]) -> list[Facet]:
    counted = sorted((-bucket["doc_count"], bucket["key"]) for bucket in buckets)
    return [Facet(value, -count) for count, value in counted[:FACET_VALUES_MAX]]


def _wording(schema: Schema, words: Sequence[str]) -> list[tuple[Occur, Query]]:
    if not words:
        return [(Must, Query.empty_query())]
    runs = [run[:TERM_MAX] for word in words for run in runs_of(word)]
    in_name = [(Must, Query.term_query(schema, "name", term)) for run in runs for term in _terms_in(run)]
    wanted = [(Must, _holding(schema, run)) for run in runs]
    return [*wanted, (Should, Query.const_score_query(Query.boolean_query(in_name), ALL_IN_NAME))]


def _terms_in(run: str) -> list[str]:
    return pairs_of(run) if is_cjk(run) else [run]


def _holding(schema: Schema, run: str) -> Query:
    """What has a run of letters anywhere: a word, the beginning of one, or with one slip of the pen."""
    if is_cjk(run):
        return Query.boolean_query([(Must, _scored(schema, pair)) for pair in pairs_of(run)])
    ways = [(Should, _scored(schema, run))]
    if len(run) >= PREFIX_LENGTH:
        begun = Query.fuzzy_term_query(schema, "word", run, distance=0, prefix=True)
        ways.append((Should, Query.const_score_query(begun, NEARLY)))
    if len(run) >= FORGIVING_LENGTH and not any(char.isnumeric() for char in run):
        misspelled = Query.fuzzy_term_query(schema, "word", run, distance=1)
        ways.append((Should, Query.const_score_query(misspelled, NEARLY)))
    return Query.boolean_query(ways)


def _scored(schema: Schema, term: str) -> Query:
    fields = [Query.boost_query(Query.term_query(schema, field, term, "freq"), weight) for field, weight in WEIGHTS]
    return Query.boolean_query([(Should, field) for field in fields])


def _silent(query: Query) -> Query:
    return Query.const_score_query(query, 0.0)
