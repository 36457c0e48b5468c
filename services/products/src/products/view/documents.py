"""A product as the index keeps it: its ready-made JSON, and all it is found, filtered, counted and sorted by."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import tantivy

from products.listing import Sort
from products.product import Product
from products.schemas import encode_product
from products.words import name_key, terms_of
from shopkit.values import Money

# Raised by whatever changes what a document holds: an index of another form is made anew.
FORM = 1
# The one document that is no product: how far the index has come. No product has such an id.
STATE_ID = "state"
# Of a name's key so many numbers hold the beginning, eight bytes each; names that share it all are sorted when read.
NAME_NUMBERS = 4
IDS = ("id_high", "id_low")
NAMES = tuple(f"name_{number}" for number in range(NAME_NUMBERS))
# What an order compares, one number after the other.
ORDERS: dict[Sort, tuple[str, ...]] = {
    "price": ("price", *IDS),
    "-price": ("price", *IDS),
    "-created_at": ("created", *IDS),
    "name": NAMES,
}
# Far above any word, and below what the index takes as one.
TERM_MAX = 255


class _Variant(msgspec.Struct, frozen=True):
    sku: str


class Head(msgspec.Struct, frozen=True):
    """The members of a product's JSON that the view itself needs."""

    id: str
    slug: str
    name: str
    version: int
    variants: tuple[_Variant, ...]
    price_from: Money
    created_at: datetime

    @property
    def skus(self) -> list[str]:
        """The SKUs of its variants."""
        return [variant.sku for variant in self.variants]


head_of = msgspec.json.Decoder(Head).decode


def make_schema() -> tantivy.Schema:
    """The fields of a document."""
    builder = tantivy.SchemaBuilder()
    for name in ("id", "slug", "sku"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("category", "tag"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    # Terms are folded already; the tokenizer only has to split at spaces.
    for name in ("name", "labels", "description"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("word", tokenizer_name="whitespace", index_option="basic")
    for name in ("active", "in_stock"):
        builder.add_boolean_field(name, indexed=True, fast=True)
    for name in ("price", "created", *IDS, *NAMES):
        builder.add_unsigned_field(name, indexed=True, fast=True)
    builder.add_bytes_field("json", stored=True)
    return builder.build()


def to_document(product: Product) -> dict[str, Any]:
    """The document that holds a product."""
    name, description = terms_of(product.name), terms_of(product.description)
    labels = terms_of(" ".join([product.category or "", *product.tags]))
    return {
        "id": product.id,
        "slug": product.slug,
        "sku": [variant.sku for variant in product.variants],
        "category": [product.category] if product.category is not None else [],
        "tag": list(product.tags),
        "name": _joined(name),
        "labels": _joined(labels),
        "description": _joined(description),
        "word": _joined({*name, *labels, *description}),
        "active": product.status == "active",
        "in_stock": product.in_stock,
        "price": product.price_from.amount,
        "created": milliseconds(product.created_at),
        **dict(zip(IDS, id_numbers(product.id), strict=True)),
        **dict(zip(NAMES, name_numbers(name_key(product.name)), strict=True)),
        "json": encode_product(product),
    }


def _joined(terms: Sequence[str] | set[str]) -> str:
    return " ".join(term[:TERM_MAX] for term in terms)


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return round(moment.timestamp() * 1000)


def id_numbers(product_id: str) -> tuple[int, int]:
    """Two numbers that compare as the id does."""
    number = int(product_id.replace("-", ""), 16)
    return number >> 64, number & (2**64 - 1)


def name_numbers(key: str) -> Iterator[int]:
    """Numbers that compare, one after the other, as the beginning of the key does: code points sort as their UTF-8."""
    start = key.encode()[: 8 * NAME_NUMBERS].ljust(8 * NAME_NUMBERS, b"\0")
    return (int.from_bytes(start[at : at + 8]) for at in range(0, 8 * NAME_NUMBERS, 8))
