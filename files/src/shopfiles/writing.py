"""Products, as GET /products answers them, as lines of a catalogue file that reads back as exactly the same."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from shopfiles.columns import NAMES, OPTIONS_WRITTEN, WRITTEN, Columns, guarded
from shopfiles.money import decimal_text
from shopfiles.rows import NO_OPTIONS, VENDOR, ProductRows
from shopfiles.wire import Misfit

Format = Literal["csv", "jsonl"]
Cells = dict[str, str]
# What a file says of a product, beside its variants and its status.
MEMBERS = ("name", "slug", "description", "category", "tags", "attributes", "image_url")
JSON_MEMBERS = (*MEMBERS, "status", "variants")
EXACT = NAMES["exact"][0]


def heading(format: Format) -> str:
    """What the file begins with."""
    return _csv([WRITTEN]) if format == "csv" else ""


def written(product: dict[str, Any], format: Format) -> str:
    """One product with its line ends."""
    if format == "jsonl":
        kept = {name: product[name] for name in JSON_MEMBERS}
        return msgspec.json.encode(kept).decode() + "\n"
    return _csv(rows_of(product))


def rows_of(product: dict[str, Any]) -> list[list[str]]:
    """The rows of a product. What Shopify's columns cannot say exactly stands in a column of ours besides."""
    rows = [_variant_cells(product["slug"], variant) for variant in product["variants"]]
    rows[0] |= _product_cells(product)
    item = _read_back(rows)
    exact = [{name: product[name] for name in MEMBERS if item.get(name) != product[name]}] + [{} for _ in rows[1:]]
    for number, variant in enumerate(product["variants"]):
        if not item or item["variants"][number]["options"] != variant["options"]:
            exact[number]["options"] = variant["options"]
    for row, content in zip(rows, exact, strict=True):
        row[EXACT] = _json(content)
    return [_in_order(row) for row in rows]


def _product_cells(product: dict[str, Any]) -> Cells:
    others = {name: value for name, value in product["attributes"].items() if name != VENDOR}
    values = {
        "title": product["name"],
        "description": product["description"],
        "vendor": product["attributes"].get(VENDOR, ""),
        "type": product["category"] or "",
        "tags": ", ".join(product["tags"]),
        "published": "TRUE" if product["status"] == "active" else "FALSE",
        "image": product["image_url"] or "",
        "status": product["status"],
        "attributes": _json(others),
    }
    return {NAMES[field][0]: value for field, value in values.items()}


def _variant_cells(handle: str, variant: dict[str, Any]) -> Cells:
    price, stock = variant["price"], variant["stock"]
    values = {
        "handle": handle,
        "sku": variant["sku"],
        "tracker": "" if stock is None else "shopify",
        "quantity": "" if stock is None else str(stock),
        "policy": "deny",
        "price": decimal_text(price["amount"], price["currency"]),
        "currency": price["currency"],
    }
    cells = {NAMES[field][0]: value for field, value in values.items()}
    options = list((variant["options"] or NO_OPTIONS).items())[:OPTIONS_WRITTEN]
    for number, (name, value) in enumerate(options, start=1):
        cells |= {f"Option{number} Name": name, f"Option{number} Value": value}
    return cells


def _read_back(rows: Iterable[Cells]) -> dict[str, Any]:
    """What reading would make of these rows; {} where it would refuse them."""
    cells = [_in_order(row) for row in rows]
    found = ProductRows(Columns(WRITTEN), cells[0], "", ".")
    try:
        for row in cells:
            found.add(row)
        return {"category": None, "image_url": None, "attributes": {}} | found.item()
    except Misfit:
        return {}


def _in_order(row: Cells) -> list[str]:
    return [guarded(row.get(name, "")) for name in WRITTEN]


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) if content else ""


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
