"""What this package knows of the shop's types is what the shop says of them; and how much memory names take."""

import json
from typing import Any

import msgspec

from products.schemas import ProductIn
from shopfiles.seen import Seen
from shopfiles.wire import Product

WORDS = ("description", "title", "$ref", "examples")


def test_the_types_are_those_of_the_products_service() -> None:
    _, theirs = msgspec.json.schema_components([ProductIn])
    _, ours = msgspec.json.schema_components([Product])
    assert resolved(ours["Product"], ours) == resolved(theirs["ProductIn"], theirs)


def resolved(schema: Any, known: dict[str, Any]) -> Any:
    """A JSON Schema with all that it refers to in its place, and without words for people."""
    if isinstance(schema, list):
        return sorted((resolved(each, known) for each in schema), key=json.dumps)
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(known[schema["$ref"].rpartition("/")[2]], known)
    return {name: resolved(value, known) for name, value in schema.items() if name not in WORDS}


def test_a_hundred_thousand_names_are_told_apart_and_their_lines_kept() -> None:
    seen = Seen()
    assert not any(seen.add(f"name {number}", number + 2) for number in range(100_000))
    assert [seen.add(f"name {number}", 1) for number in range(0, 100_000, 9973)] == [
        number + 2 for number in range(0, 100_000, 9973)
    ]
    assert seen.add("another", 7) == 0
