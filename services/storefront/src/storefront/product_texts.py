"""A product as texts in the fields of a form, and what such texts mean."""

import re
from hashlib import sha256
from typing import Any

from storefront.backends.products import Product, Variant
from storefront.words import minor_units, units

FIELDS = ("name", "slug", "category", "tags", "image_url", "description", "attributes")
# Of a variant. `was` is the SKU under which the shop has it; nothing for one that is new.
PARTS = ("sku", "options", "price", "stock", "was")
SHOWN_PARTS = ("sku", "options", "price")
# Each also as Chinese is typed.
SEPARATORS = {"attributes": re.compile("\n"), "options": re.compile("[;；]")}
COLON = re.compile("[:：]")
COMMA = re.compile("[,，、]")


class Unreadable(Exception):
    """No name and value, or a name that was there before: `given`."""

    def __init__(self, given: str) -> None:
        super().__init__(given)
        self.given = given


def part(number: int, name: str) -> str:
    """What a field of a variant is called; `number` counts from 0."""
    return f"variants-{number}-{name}"


def kind_of(field: str) -> str:
    """Which of FIELDS or PARTS a field is."""
    return field.rpartition("-")[2]


def read_pairs(kind: str, text: str) -> dict[str, str]:
    """Names and values, out of a text such as `size: M; colour: red`."""
    pairs: dict[str, str] = {}
    for given in filter(None, map(str.strip, SEPARATORS[kind].split(text))):
        name, *rest = (each.strip() for each in COLON.split(given, maxsplit=1))
        if not rest or not name or name in pairs:
            raise Unreadable(given)
        pairs[name] = rest[0]
    return pairs


def read_tags(text: str) -> list[str]:
    """Tags, out of a text such as `linen, summer`."""
    return [tag.strip() for tag in COMMA.split(text) if tag.strip()]


def meaning_of(field: str, text: str, currency: str) -> Any:
    """What a text stands for: one that is written otherwise may mean the same."""
    kind = kind_of(field)
    try:
        if kind in SEPARATORS:
            return read_pairs(kind, text)
    except Unreadable:
        return text
    if kind == "price":
        return minor_units(text, currency)
    return read_tags(text) if kind == "tags" else text.strip()


def plain(text: str) -> str:
    """With the line ends that fields have once a browser has sent them and we have read them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def options_text(variant: Variant) -> str:
    """Its options, such as `size: M; colour: red`."""
    return plain("; ".join(f"{name}: {value}" for name, value in variant.options.items())).strip()


def texts_of(product: Product) -> dict[str, str]:
    """What the fields of a form show."""
    texts = {
        "name": product.name,
        "slug": product.slug,
        "category": product.category or "",
        "tags": ", ".join(product.tags),
        "image_url": product.image_url or "",
        "description": plain(product.description),
        "attributes": plain("\n".join(f"{name}: {value}" for name, value in product.attributes.items())),
    }
    for number, variant in enumerate(product.variants):
        sku, price = variant.sku, units(variant.price)
        parts = {"sku": sku, "options": options_text(variant), "price": price, "was": sku}
        parts |= {"stock": ""} if variant.stock is None else {}
        texts |= {part(number, name): text for name, text in parts.items()}
    return texts


def digests_of(product: Product) -> dict[str, str]:
    """A short digest of each thing that a form may change; not of stock, which sales change all the time."""
    texts = texts_of(product)
    told = {name: texts[name] for name in FIELDS}
    for number, variant in enumerate(product.variants):
        told |= {f"{variant.sku} {name}": texts[part(number, name)] for name in SHOWN_PARTS}
    return {name: sha256(f"{name}\0{text}".encode()).hexdigest()[:10] for name, text in told.items()}


def basis_of(product: Product) -> str:
    """The digests as one text, for a field that is not shown."""
    return " ".join(digests_of(product).values())
