"""Who is served when not everybody can be. Why so: docs/decisions/0014-overload.md."""

from collections import Counter
from collections.abc import Callable
from time import monotonic

# Who asks again the moment he is refused would get all our time: so a refusal comes this late, and later where more
# than so many a second would be due.
REFUSAL_SECONDS, REFUSALS_PER_SECOND = 0.1, 1500


class Places:
    """The places of those at work, so many; a caller is whatever can be a dictionary's key."""

    def __init__(self, count: int, clock: Callable[[], float] = monotonic) -> None:
        self.count, self.taken = count, 0
        self._clock = clock
        self._held = Counter[object]()
        self._refusal_due = 0.0

    def take(self, caller: object, *, always: bool = False) -> bool:
        """Takes a place until `leave`, if there is one for this caller; `always` takes one more than there are.

        Once half the places are taken, a caller may hold its share (places / callers at work). The last eighth is for
        callers who hold less than their share of it: who asks now and then is served, whatever others do.
        """
        if self.taken * 2 >= self.count and not always:
            held = self._held.get(caller, 0)
            callers = len(self._held) + (held == 0)
            last = self.count // 8
            holds_little = held * callers < last
            if held >= self.count // callers or self.taken >= self.count - (0 if holds_little else last):
                return False
        self._held[caller] += 1
        self.taken += 1
        return True

    def leave(self, caller: object) -> None:
        """Gives a place back."""
        self.taken -= 1
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]

    def refusal_delay(self) -> float:
        """Seconds until the next refusal is due."""
        now = self._clock()
        self._refusal_due = max(self._refusal_due + 1 / REFUSALS_PER_SECOND, now + REFUSAL_SECONDS)
        return self._refusal_due - now
