"""The rows of one product in a CSV file, as the shop takes it."""

import json
import re
import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Literal

import msgspec

from shopfiles.columns import Columns
from shopfiles.money import NoPrice, minor_units
from shopfiles.plain import NotHtml, plain
from shopfiles.wire import CURRENCY, SLUG_MAX, VARIANTS_MAX, Misfit, Product, Variant, check

Status = Literal["active", "archived"]
SKU_MAX = 64
DIGEST = 10
# What a member of the wire is called among the columns.
FIELD_OF = {"name": "title", "image_url": "image", "slug": "handle", "stock": "quantity", "category": "type"}
IS_PUBLISHED = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": None}
STATUS: dict[str, Status | None] = {"active": "active", "draft": "archived", "archived": "archived"}
STATUS |= {"unlisted": "archived", "": None}
# The attribute that the column of this name holds.
VENDOR = "Vendor"
# How Shopify writes that a product has no options.
NO_OPTIONS = {"Title": "Default Title"}


class ProductRows:
    """Takes the rows of one product in their order; Misfit where one cannot be. Its members are labels of columns."""

    def __init__(self, columns: Columns, cells: Sequence[str], currency: str, point: str) -> None:
        self._columns = columns
        self._point = point
        self.handle = columns.cell(cells, "handle").strip()
        self._title = columns.cell(cells, "title")
        self._currency = columns.cell(cells, "currency").strip().upper() or currency
        self._names = [columns.at(cells, name).strip() for name, _ in columns.options]
        self._image = ""
        self.variants: list[dict[str, Any]] = []
        self.status: Status | None = None
        self._first = cells

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.handle or self._title.strip()

    def add(self, cells: Sequence[str]) -> str:
        """One row: a variant, or one more picture, which is not kept. The SKU, "" for a picture."""
        if len(cells) > self._columns.count:
            raise Misfit("The row", f"has {len(cells)} cells, the first line of the file {self._columns.count}")
        self._image = self._image or self._cell(cells, "image").strip()
        values = [self._columns.at(cells, value) for _, value in self._columns.options]
        is_variant = any(value.strip() for value in [*values, self._cell(cells, "sku"), self._cell(cells, "price")])
        if not is_variant and cells is not self._first:
            return ""
        if len(self.variants) == VARIANTS_MAX:
            raise Misfit("The product", f"has more than {VARIANTS_MAX} variants")
        variant = self._variant(cells, self._options(cells, values))
        self._check(variant, Variant)
        self.variants.append(variant)
        sku: str = variant["sku"]
        return sku

    def item(self) -> dict[str, Any]:
        """The whole product, as POST /products/batch takes it, from the first row and all variants."""
        cells = self._first
        exact = self._json(cells, "exact")
        if not self._title.strip() and "name" not in exact:
            raise Misfit(self._columns.label("title"), "is empty; the rows of one product stand one after the other")
        item: dict[str, Any] = {"name": self._title, "variants": self.variants}
        if "description" in self._columns:
            item["description"] = self._description()
        if "type" in self._columns or "product_category" in self._columns:
            item["category"] = self._category()
        if "tags" in self._columns:
            tags = (tag.strip() for tag in self._cell(cells, "tags").split(","))
            item["tags"] = list(dict.fromkeys(filter(None, tags)))
        if "image" in self._columns:
            item["image_url"] = self._image or None
        if slug := slug_of(self.handle):
            item["slug"] = slug
        if attributes := self._attributes():
            item["attributes"] = attributes
        item |= {name: value for name, value in exact.items() if name != "options"}
        self._check(item, Product)
        self.status = self._status()
        return item

    def _cell(self, cells: Sequence[str], field: str) -> str:
        return self._columns.cell(cells, field)

    def _variant(self, cells: Sequence[str], options: dict[str, str]) -> dict[str, Any]:
        currency = self._cell(cells, "currency").strip().upper() or self._currency
        label = self._columns.label("currency")
        if not re.match(CURRENCY, currency):
            raise Misfit(label, f"`{short(currency)}` is not three capital letters, as in EUR")
        if currency != self._currency:
            raise Misfit(label, f"is {currency} here and {self._currency} before: a product has one currency")
        text = self._cell(cells, "price").strip()
        label = self._columns.label("price")
        if not text:
            raise Misfit(label, "is empty")
        try:
            price = {"amount": minor_units(text, currency, self._point), "currency": currency}
        except NoPrice as wrong:
            raise Misfit(label, f"`{short(text)}` {wrong}") from wrong
        sku = self._cell(cells, "sku").strip() or derived_sku(self.handle or self._title, list(options.values()))
        return {"sku": sku, "options": options, "price": price, "stock": self._stock(cells)}

    def _options(self, cells: Sequence[str], values: Sequence[str]) -> dict[str, str]:
        """A name stands in the first row at least, and holds until another stands in its place."""
        exact = self._json(cells, "exact")
        if "options" in exact:
            options: dict[str, str] = exact["options"]
            return options
        found = {}
        for number, (place, _) in enumerate(self._columns.options):
            name = self._columns.at(cells, place).strip() or self._names[number]
            self._names[number] = name
            if values[number].strip():
                if not name:
                    raise Misfit(f"Option{number + 1} Name", "is empty although there is a value")
                found[name] = values[number]
        return {} if found == NO_OPTIONS else found

    def _stock(self, cells: Sequence[str]) -> int | None:
        """How many there are; None where it is not counted, or where selling goes on without any."""
        text = self._cell(cells, "quantity").strip()
        is_counted = self._cell(cells, "tracker").strip() if "tracker" in self._columns else text
        if not is_counted or self._cell(cells, "policy").strip().lower() in {"continue", "true"}:
            return None
        label = self._columns.label("quantity")
        if not text:
            raise Misfit(label, f"is empty although {self._columns.label('tracker')} says that it is counted")
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", text):
            raise Misfit(label, f"`{short(text)}` is not a whole number")
        # More were sold than there were: there are none.
        return max(0, int(text))

    def _description(self) -> str:
        try:
            return plain(self._cell(self._first, "description"))
        except NotHtml as wrong:
            raise Misfit(self._columns.label("description"), "is HTML that cannot be read") from wrong

    def _category(self) -> str | None:
        kind = self._cell(self._first, "type")
        return kind or self._cell(self._first, "product_category").rpartition(">")[2].strip() or None

    def _attributes(self) -> dict[str, str]:
        vendor = self._cell(self._first, "vendor")
        return self._json(self._first, "attributes") | ({VENDOR: vendor} if vendor else {})

    def _json(self, cells: Sequence[str], field: str) -> dict[str, Any]:
        text = self._cell(cells, field)
        if not text.strip():
            return {}
        try:
            # Unlike the one of the standard library it refuses halves of characters, which nothing could send on.
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Misfit(self._columns.label(field), "is not a JSON object")
        return found

    def _status(self) -> Status | None:
        """Not for sale if either column says so; None where neither says anything."""
        status = self._cell(self._first, "status").strip().lower()
        published = self._cell(self._first, "published").strip().lower()
        if status not in STATUS:
            raise Misfit(self._columns.label("status"), f"`{short(status)}` is none of active, draft, archived")
        if published not in IS_PUBLISHED:
            raise Misfit(self._columns.label("published"), f"`{short(published)}` is neither TRUE nor FALSE")
        if IS_PUBLISHED[published] is False:
            return "archived"
        return STATUS[status] or ("active" if IS_PUBLISHED[published] else None)

    def _check(self, content: dict[str, Any], kind: type[Variant] | type[Product]) -> None:
        try:
            check(content, kind)
        except Misfit as wrong:
            member = re.split(r"[.\[]", wrong.member)[0]
            field = FIELD_OF.get(member, member)
            label = self._columns.label(field) if field in self._columns else member or "The row"
            raise Misfit(label, wrong.detail) from wrong


def slug_of(handle: str) -> str:
    """A handle as the shop writes slugs: its words in lower case, joined by single hyphens; "" where none is left."""
    text = unicodedata.normalize("NFC", handle.lower())
    words = "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in text).split()
    return "-".join(words)[:SLUG_MAX].strip("-")


def derived_sku(handle: str, values: Sequence[str]) -> str:
    """The SKU of a variant that has none: the same for the same handle and values, another for others."""
    parts = [handle, *values]
    plain_text = ".".join(parts)
    if len(plain_text) <= SKU_MAX and all(re.fullmatch(r"[A-Za-z0-9_-]+", part) for part in parts):
        return plain_text
    digest = sha256(json.dumps(parts).encode()).hexdigest()[:DIGEST]
    start = re.sub(r"[^A-Za-z0-9._-]+", "-", plain_text)[: SKU_MAX - DIGEST - 1].strip("-.")
    return f"{start}.{digest}" if start else digest


def short(text: str) -> str:
    """Enough of a cell to find it again."""
    return text if len(text) <= 40 else f"{text[:37]}..."
