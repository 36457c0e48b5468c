"""The books: what each write that was acknowledged must have led to, and what was read back in the end."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# A stock of nine fives: each write takes a decimal place of a SKU and makes a 6 or a 4 of it. Whatever the order, a 5
# is a write that is missing, a 7 or 3 one that came twice.
PLACES = 9
UNTOUCHED = 555_555_555
# The history of a cart holds its last 200 changes; a cart that has so many writes is left alone.
WRITES_A_CART = 60


class Effect(Enum):
    """What is known of a write: a lost answer says nothing."""

    DONE = "done"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass
class Findings:
    """What reading everything back has shown, in words; `checked` acknowledged writes were looked for."""

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    # Writes whose answer never came, and that are there all the same: allowed.
    unknown_but_done: int = 0

    @property
    def faults(self) -> list[str]:
        """Everything that must not be."""
        return [*self.missing, *self.twice, *self.stray]


@dataclass(frozen=True)
class CartWrite:
    """A change of one line, as the cart's history must tell it; `version` is 0 where no answer told it."""

    version: int
    sku: str
    before: int
    after: int

    @classmethod
    def of(cls, item: dict[str, Any]) -> "CartWrite":
        return cls(item["version"], item["sku"], item["before"], item["after"])

    def __str__(self) -> str:
        return f"version {self.version}: {self.sku} from {self.before} to {self.after}"


@dataclass
class CartBook:
    """One cart, written by one request at a time; after an unknown outcome it is left alone."""

    id: str
    headers: dict[str, str]
    version: int = 0
    lines: dict[str, int] = field(default_factory=dict)
    acknowledged: list[CartWrite] = field(default_factory=list)
    unknown: CartWrite | None = None
    is_busy: bool = False
    is_left_alone: bool = False

    @property
    def takes_writes(self) -> bool:
        """Whether it may be written now."""
        return not (self.is_busy or self.is_left_alone) and len(self.acknowledged) < WRITES_A_CART

    def planned(self, sku: str, after: int) -> CartWrite:
        """The write that sets this line, if it comes next."""
        return CartWrite(self.version + 1, sku, self.lines.get(sku, 0), after)

    def note(self, write: CartWrite, effect: Effect) -> None:
        """Books how a write went."""
        if effect is Effect.DONE:
            self.version = write.version
            self.lines[write.sku] = write.after
            self.acknowledged.append(write)
        elif effect is Effect.UNKNOWN:
            self.unknown, self.is_left_alone = write, True

    def shown(self, cart: dict[str, Any]) -> str:
        """What is wrong with this answer that shows the cart; empty if nothing is."""
        lines = {line["sku"]: line["quantity"] for line in cart["lines"]}
        wanted = {sku: quantity for sku, quantity in self.lines.items() if quantity}
        if (cart["version"], lines) != (self.version, wanted):
            return f"version {cart['version']} with {lines} instead of {self.version} with {wanted}"
        return ""

    def judge(self, cart: dict[str, Any] | None, history: Iterable[dict[str, Any]], findings: Findings) -> None:
        """Compares the books with the cart and its history as read in the end."""
        findings.checked += len(self.acknowledged)
        if cart is None:
            findings.missing += [f"cart {self.id}: {write} (the cart is gone)" for write in self.acknowledged]
            return
        told = Counter(CartWrite.of(item) for item in history)
        for write in self.acknowledged:
            if not told.pop(write, 0):
                findings.missing.append(f"cart {self.id}: {write} (not in its history)")
        for write, _ in sorted(told.items(), key=lambda pair: pair[0].version):
            if self._may_be(write):
                findings.unknown_but_done += 1
                self.note(write, Effect.DONE)
                self.unknown = None
            elif any(
                (one.sku, one.after - one.before) == (write.sku, write.after - write.before)
                for one in self.acknowledged
            ):
                findings.twice.append(f"cart {self.id}: {write} (again, and nobody was told)")
            else:
                findings.stray.append(f"cart {self.id}: {write} (nobody was told)")
        if wrong := self.shown(cart):
            findings.missing.append(f"cart {self.id}: {wrong}")

    def _may_be(self, write: CartWrite) -> bool:
        return self.unknown == write


@dataclass(frozen=True)
class StockWrite:
    """Changes of stock that are made together: (SKU, decimal place, +1 or -1) of each."""

    parts: tuple[tuple[str, int, int], ...]

    @property
    def body(self) -> dict[str, Any]:
        """As POST /stock takes it."""
        return {"changes": [{"sku": sku, "delta": sign * 10**place} for sku, place, sign in self.parts]}

    def answered(self, changes: list[dict[str, Any]]) -> str:
        """What is wrong with the answer; empty if nothing is. Other places of a SKU change meanwhile, these do not."""
        stocks = {change["sku"]: change["stock"] for change in changes}
        found = tuple(digit(stocks[sku], place) for sku, place, _ in self.parts)
        wanted = tuple(5 + sign for _, _, sign in self.parts)
        return "" if found == wanted else f"{self}: {found} instead of {wanted}"

    def __str__(self) -> str:
        return " and ".join(f"{sku} {sign * 10**place:+,}" for sku, place, sign in self.parts)


def digit(stock: int, place: int) -> int:
    """The decimal at this place."""
    return int(stock // 10**place % 10)


class StockBook:
    """The stock of SKUs that nobody else changes."""

    def __init__(self, skus: Iterable[str], dice: random.Random) -> None:
        self.skus = list(skus)
        self._dice = dice
        self._free = [(sku, place) for sku in self.skus for place in range(PLACES)]
        dice.shuffle(self._free)
        self.noted: dict[StockWrite, Effect] = {}

    def plan(self) -> StockWrite:
        """A change of one SKU or of two."""
        taken: dict[str, int] = {}
        for _ in range(self._dice.choice((1, 2))):
            sku, place = self._free.pop()
            # Two changes of one SKU would be summed.
            taken.setdefault(sku, place)
        return StockWrite(tuple((sku, place, self._dice.choice((1, -1))) for sku, place in taken.items()))

    def note(self, write: StockWrite, effect: Effect) -> None:
        """Books how a write went."""
        self.noted[write] = effect

    def judge(self, stocks: dict[str, int], findings: Findings) -> None:
        """Compares the books with the stocks as read in the end."""
        # Of a SKU that is gone, all writes are missing.
        left = {
            (sku, place): digit(stocks.get(sku, UNTOUCHED), place) - 5 for sku in self.skus for place in range(PLACES)
        }
        for write, effect in self.noted.items():
            findings.checked += effect is Effect.DONE
            times = {left.pop((sku, place)) * sign for sku, place, sign in write.parts}
            allowed = {Effect.DONE: {1}, Effect.NONE: {0}, Effect.UNKNOWN: {0, 1}}[effect]
            if len(times) > 1:
                findings.stray.append(f"stock {write}: half of it ({sorted(times)} times)")
            elif times <= allowed:
                findings.unknown_but_done += effect is Effect.UNKNOWN and times == {1}
            elif times == {0}:
                findings.missing.append(f"stock {write}")
            elif times == {2}:
                findings.twice.append(f"stock {write}")
            else:
                findings.stray.append(f"stock {write}: {times} times, and the answer was {effect.value}")
        findings.stray += [f"stock {sku}, place {place}: {by:+}" for (sku, place), by in left.items() if by]
