"""The sample's products, as POST /products takes them, from the lists in data/.

A list gives what a person has to invent; SKUs, slugs, variants and stock follow from it by rule.
"""

import random
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import product as every_combination
from typing import Any

CURRENCY = "EUR"
SOLD_OUT_SHARE = 0.1
MOST_IN_STOCK = 120


@dataclass(frozen=True)
class Item:
    """One product: what the API is sent, and which motif its picture shows."""

    motif: str
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """As customers read it."""
        name: str = self.body["name"]
        return name

    @property
    def slug(self) -> str:
        """As it stands in addresses; also the name of its picture."""
        slug: str = self.body["slug"]
        return slug


def products() -> list[Item]:
    """All of them, list by list."""
    lists = sorted(files(__package__).joinpath("data").iterdir(), key=lambda entry: entry.name)
    return [
        item
        for entry in lists
        if entry.name.endswith(".toml")
        for item in read(tomllib.loads(entry.read_text("utf-8")))
    ]


def read(listed: dict[str, Any]) -> Iterator[Item]:
    """The products of one list."""
    for number, entry in enumerate(listed["products"], start=1):
        slug = entry.get("slug") or slug_of(entry["name"])
        body = {
            "name": entry["name"],
            "slug": slug,
            "description": entry["description"],
            "category": listed["category"],
            "tags": entry["tags"],
            "attributes": entry["attributes"],
            "image_url": f"/images/{slug}.svg",
            "variants": list(variants(f"{listed['sku']}-{number:03}", entry)),
        }
        yield Item(entry["motif"], body)


def variants(sku: str, entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One for every combination of options; each option may change the price."""
    # The same stock on every machine and in every run: seeded by what never changes.
    chance = random.Random(sku)  # noqa: S311
    options: dict[str, dict[str, int]] = entry.get("options", {})
    for combination in every_combination(*(choices.items() for choices in options.values())):
        values = dict(zip(options, (value for value, _ in combination), strict=True))
        yield {
            "sku": "-".join([sku, *(code(value, list(options[option])) for option, value in values.items())]),
            "options": values,
            "price": {"amount": entry["price"] + sum(extra for _, extra in combination), "currency": CURRENCY},
            "stock": stock(entry.get("stock", "counted"), chance),
        }


def stock(kind: str, chance: random.Random) -> int | None:
    """How many there are: none of what is sold out, None for what is not counted, else some or sometimes none."""
    if kind == "not counted":
        return None
    if kind == "sold out" or chance.random() < SOLD_OUT_SHARE:
        return 0
    return chance.randint(1, MOST_IN_STOCK)


def code(value: str, choices: list[str]) -> str:
    """An option's value as part of a SKU; its number where it has no Latin letters or digits."""
    return re.sub(r"[^A-Z0-9.]", "", value.upper()) or str(choices.index(value) + 1)


def slug_of(name: str) -> str:
    """The name in lower case Latin letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
