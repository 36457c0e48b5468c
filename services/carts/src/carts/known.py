"""What was seen of SKUs, and which of it is still so, as far as a feed of changes tells."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from carts.cart import Facts

KEPT_MAX = 50_000
# What the feed has told up to some time is trusted for so long after it: no price or stock is told that is older.
TRUST_SECONDS = 0.9
# A change that a feed had told before we began to listen may take so long to reach the replica that answers us.
SETTLE_SECONDS = 1.0
# Replicas may lag, and go back behind what we have seen, for so long at most.
LAG_SECONDS = 10.0
# A second line of defence: whatever the feed says, what is older than this is asked for again.
PRESENT_SECONDS = 30.0


class Change(msgspec.Struct, frozen=True):
    """That a product has another version. `skus`: those it had before and those it has now."""

    id: str
    version: int
    skus: list[str]


class Seen(NamedTuple):
    """What a product of that version says of a SKU; None: that there is none."""

    version: int
    facts: Facts | None


class _Kept(NamedTuple):
    """Something seen, by a question asked at that time."""

    asked: float
    version: int
    facts: Facts | None


NOTHING = Seen(0, None)


class KnownFacts:
    """Facts by SKU. Times are seconds of `clock`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[str, _Kept] = {}
        self._present: dict[str, Facts] = {}
        # Product → version, and when we heard of it; the oldest first.
        self._told: dict[str, tuple[int, float]] = {}
        self._complete_at = float("-inf")
        self._began_at = float("-inf")
        self._settled_at = float("inf")

    def age(self) -> float:
        """What counts as present was so this many seconds ago, or later."""
        return self._clock() - self._complete_at

    def is_alive(self, moment: float) -> bool:
        """Whether the feed has told lately all that has changed."""
        return moment - self._complete_at < TRUST_SECONDS

    def find_present(self, skus: Collection[str], moment: float) -> dict[str, Facts] | None:
        """The facts of all these SKUs, if they are known to be the present ones; the same objects until they change."""
        if not self.is_alive(moment):
            return None
        try:
            return dict(zip(skus, map(self._present.__getitem__, skus), strict=True))
        except KeyError:
            return None

    def is_known(self, sku: str, moment: float, since: float) -> bool:
        """Whether it is known to be present, or was asked for since then."""
        kept = self._seen.get(sku)
        return (kept is not None and kept.asked >= since) or (self.is_alive(moment) and sku in self._present)

    def last_seen(self, skus: Collection[str]) -> dict[str, Facts | None]:
        """What was last seen of those of the SKUs that ever were."""
        return {sku: self._seen[sku].facts for sku in skus if sku in self._seen}

    def see(self, skus: Sequence[str], found: Mapping[str, Seen], asked: float) -> None:
        """The catalogue has answered a question after these SKUs."""
        for sku in skus:
            version, facts = found.get(sku, NOTHING)
            before = self._seen.get(sku)
            if before is not None and self._is_better(before, version, facts, asked):
                continue
            # Out and in again: the oldest stand first, and are the first to go when there are too many.
            self._seen.pop(sku, None)
            self._present.pop(sku, None)
            if before is not None and facts == before.facts:
                facts = before.facts
            self._seen[sku] = _Kept(asked, version, facts)
            if facts is not None and asked >= self._settled_at and version >= self._told_version(facts.product_id):
                self._present[sku] = facts
        while len(self._seen) > KEPT_MAX:
            oldest = next(iter(self._seen))
            del self._seen[oldest]
            self._present.pop(oldest, None)

    def hear(self, changes: Sequence[Change], complete_at: float) -> None:
        """The feed has told what has changed: all of it up to `complete_at`."""
        moment = self._clock()
        for change in changes:
            version = max(change.version, self._told_version(change.id))
            self._told.pop(change.id, None)
            self._told[change.id] = (version, moment)
            for sku in change.skus:
                kept = self._seen.get(sku)
                is_newer = kept and kept.facts and kept.facts.product_id == change.id and kept.version >= version
                if not is_newer:
                    self._present.pop(sku, None)
        self._sweep(moment)
        self._complete_at = max(self._complete_at, complete_at)

    def begin_anew(self, moment: float) -> None:
        """Changes may have been missed up to `moment`: what was seen before counts neither as present nor as newer."""
        self.distrust()
        self._present.clear()
        self._told.clear()
        self._began_at, self._settled_at = moment, moment + SETTLE_SECONDS

    def distrust(self) -> None:
        """The feed has failed: nothing counts as present until it tells again."""
        self._complete_at = float("-inf")

    def _is_better(self, kept: _Kept, version: int, facts: Facts | None, asked: float) -> bool:
        """Whether an answer comes too late, or from a replica that lags behind the one that told us what we have."""
        if kept.facts and facts and kept.facts.product_id == facts.product_id and kept.version != version:
            return kept.version > version and kept.asked > max(asked - LAG_SECONDS, self._began_at)
        return kept.asked > asked

    def _told_version(self, product_id: str) -> int:
        return self._told.get(product_id, (0, 0.0))[0]

    def _sweep(self, moment: float) -> None:
        """Forgets what is too old; in both the oldest stand first."""
        while self._told and next(iter(self._told.values()))[1] < moment - LAG_SECONDS:
            del self._told[next(iter(self._told))]
        while self._present and self._seen[next(iter(self._present))].asked < moment - PRESENT_SECONDS:
            del self._present[next(iter(self._present))]
