"""What a visitor looks for: read from the address of the page, told to the catalogue, and linked to again."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from storefront.words import minor_units

PAGE = 24
SORTS = ("relevance", "-created_at", "price", "-price", "name")


@dataclass(frozen=True)
class Query:
    """As the page's address has it; prices as typed. `faults`: what could not be understood, by field."""

    q: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    sort: str = ""
    in_stock: bool = False
    min_price: str = ""
    max_price: str = ""
    cursor: str = ""
    faults: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Query":
        """From the query of an address; what we do not know is passed over."""
        pairs = list(pairs)
        values = {name: value.strip() for name, value in pairs}
        sort = values.get("sort", "")
        return cls(
            q=values.get("q", "")[:200],
            category=values.get("category", "")[:100],
            tags=tuple(dict.fromkeys(value for name, value in pairs if name == "tag" and 0 < len(value) <= 50))[:50],
            sort=sort if sort in SORTS else "",
            in_stock=values.get("in_stock") in {"on", "true", "1"},
            min_price=values.get("min_price", "")[:20],
            max_price=values.get("max_price", "")[:20],
            cursor=values.get("cursor", ""),
        )

    def link(self, **changes: Any) -> str:
        """The address of this search with changes: None takes a value away, `tag` puts one in or takes it out."""
        tag = changes.pop("tag", None)
        changes = {name: value or "" for name, value in changes.items()}
        if tag is not None:
            changes["tags"] = tuple(t for t in self.tags if t != tag) if tag in self.tags else (*self.tags, tag)
        # Anything but a further page of the same search begins at the first page.
        changed = replace(self, **{"cursor": "", **changes})
        pairs = [
            ("q", changed.q),
            ("category", changed.category),
            *(("tag", each) for each in changed.tags),
            ("min_price", changed.min_price),
            ("max_price", changed.max_price),
            ("in_stock", "on" if changed.in_stock else ""),
            ("sort", changed.sort),
            ("cursor", changed.cursor),
        ]
        query = urlencode([(name, value) for name, value in pairs if value])
        return f"/search?{query}" if query else "/search"

    def checked(self, currency: str, fault: str) -> "Query":
        """The same with `fault` beside each price that is none."""
        typed = {"min_price": self.min_price, "max_price": self.max_price}
        faults = {name: fault for name, text in typed.items() if text and minor_units(text, currency) is None}
        return replace(self, faults=faults)

    def for_catalogue(self, currency: str) -> list[tuple[str, str]]:
        """As the products service takes it; a price that is none is left out."""
        low, high = (minor_units(text, currency) if text else None for text in (self.min_price, self.max_price))
        pairs = [
            ("q", self.q),
            ("category", self.category),
            *(("tag", tag) for tag in self.tags),
            ("min_price", "" if low is None else str(low)),
            ("max_price", "" if high is None else str(high)),
            ("in_stock", "true" if self.in_stock else ""),
            ("sort", self.sort),
            ("cursor", self.cursor),
        ]
        return [*((name, value) for name, value in pairs if value), ("limit", str(PAGE))]
