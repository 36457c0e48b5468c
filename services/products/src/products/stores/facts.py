"""Facts about whole results, counted once for as long as nothing is written.

Counting goes over all of a result, a page only over its own products: who walks through a large catalogue would spend
nearly all of the time on counting the same again at each page.
"""

from typing import NamedTuple

from products.listing import Facet, Query

KEPT_MAX = 100


class Facts(NamedTuple):
    """How many products, and how many have each category and tag, most frequent first."""

    total: int
    categories: list[Facet]
    tags: list[Facet]


class KeptFacts:
    """Facts by their result. A `state` is whatever differs after every write that a count could see."""

    def __init__(self) -> None:
        self._state: object = None
        self._facts: dict[Query, Facts] = {}

    def find(self, state: object, query: Query) -> Facts | None:
        """The facts about this result, if they were counted in this state."""
        return self._facts.get(query.result) if state == self._state else None

    def keep(self, state: object, query: Query, facts: Facts) -> None:
        """Facts that were counted after the store was in this state; those of other states are forgotten."""
        if state != self._state or len(self._facts) >= KEPT_MAX:
            self._state, self._facts = state, {}
        self._facts[query.result] = facts
