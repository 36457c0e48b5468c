"""The columns of a catalogue file: those of Shopify's product export and newer template, and a few of our own."""

import csv
import re
from collections.abc import Sequence

# Which column is which, by its name in lower case. The first name of each is the one that is written.
NAMES: dict[str, tuple[str, ...]] = {
    "handle": ("Handle", "URL handle"),
    "title": ("Title",),
    "description": ("Body (HTML)", "Description"),
    "vendor": ("Vendor",),
    "product_category": ("Product Category",),
    "type": ("Type",),
    "tags": ("Tags",),
    "published": ("Published", "Published on online store"),
    "sku": ("Variant SKU", "SKU"),
    "tracker": ("Variant Inventory Tracker", "Inventory tracker"),
    "quantity": ("Variant Inventory Qty", "Inventory quantity"),
    "policy": ("Variant Inventory Policy", "Continue selling when out of stock"),
    "price": ("Variant Price", "Price"),
    "image": ("Image Src", "Product image URL"),
    "status": ("Status",),
    "currency": ("Currency",),
    "attributes": ("Attributes",),
    "exact": ("Trolley Data",),
}
FIELDS = {name.lower(): field for field, names in NAMES.items() for name in names}
OPTION = re.compile(r"option ?(\d{1,2}) (name|value)")
OPTIONS_WRITTEN = 3
OPTION_HEADINGS = [f"Option{number} {part}" for number in range(1, OPTIONS_WRITTEN + 1) for part in ("Name", "Value")]
WRITTEN = (
    [NAMES[field][0] for field in ("handle", "title", "description", "vendor", "product_category", "type", "tags")]
    + [NAMES["published"][0], *OPTION_HEADINGS]
    + [NAMES[field][0] for field in ("sku", "tracker", "quantity", "policy", "price", "image", "status")]
    + [NAMES[field][0] for field in ("currency", "attributes", "exact")]
)
# What a spreadsheet would run, behind any number of apostrophes that keep it from doing so.
FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet runs: an apostrophe goes before what looks like a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text that `guarded` made this cell of; other cells, formulas too, are what they are."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


class WrongColumns(Exception):
    """These cannot be the columns of a catalogue; the text says why."""


class Columns:
    """What stands where in the rows of one file. WrongColumns without names and prices."""

    def __init__(self, headings: Sequence[str]) -> None:
        self._headings = [" ".join(heading.split()) for heading in headings]
        self._places: dict[str, int] = {}
        self.options: list[tuple[int | None, int | None]] = []
        options: dict[int, dict[str, int]] = {}
        for place, heading in enumerate(map(str.lower, self._headings)):
            if found := OPTION.fullmatch(heading):
                options.setdefault(int(found[1]), {})[found[2]] = place
            elif field := FIELDS.get(heading):
                if field in self._places:
                    before = self._headings[self._places[field]]
                    raise WrongColumns(f"the columns {before} and {self._headings[place]} mean the same")
                self._places[field] = place
        self.options = [(parts.get("name"), parts.get("value")) for _, parts in sorted(options.items())]
        self.count = len(self._headings)
        missing = [NAMES[field][0] for field in ("title", "price") if field not in self._places]
        if missing:
            raise WrongColumns(f"it has no column {' and no column '.join(missing)}")

    def __contains__(self, field: str) -> bool:
        return field in self._places

    def cell(self, cells: Sequence[str], field: str) -> str:
        """What the row has there; "" where it has nothing."""
        return self.at(cells, self._places.get(field))

    def at(self, cells: Sequence[str], place: int | None) -> str:
        """The same by place."""
        return unguarded(cells[place]) if place is not None and place < len(cells) else ""

    def label(self, field: str) -> str:
        """How the file calls the column."""
        place = self._places.get(field)
        return NAMES[field][0] if place is None else self._headings[place]


def headings_of(line: str) -> tuple[list[str], str]:
    """The column names of the first line, and what separates them: whichever of , ; and tab finds most of them."""

    def cells(delimiter: str) -> list[str]:
        return next(csv.reader([line], delimiter=delimiter), [])

    def known(delimiter: str) -> int:
        return sum(" ".join(cell.lower().split()) in FIELDS for cell in cells(delimiter))

    delimiter = max(",;\t", key=known)
    return cells(delimiter), delimiter
