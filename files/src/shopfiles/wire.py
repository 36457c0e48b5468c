"""What POST /products takes, as this package must know it to find faults in a file without asking the service.

A test holds these types to the service's own.
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

NO_NUL = r"^[^\x00]*\Z"
VARIANTS_MAX = 100
SLUG_MAX = 200
CURRENCY = r"^[A-Z]{3}\Z"

Sku = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z", min_length=1, max_length=64)]
Stock = Annotated[int, Meta(ge=0, le=10**9)]
Amount = Annotated[int, Meta(ge=0, le=10**12)]
Currency = Annotated[str, Meta(pattern=CURRENCY)]
Slug = Annotated[str, Meta(min_length=1, max_length=SLUG_MAX, pattern=NO_NUL)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]
Description = Annotated[str, Meta(max_length=20_000, pattern=NO_NUL)]
Category = Annotated[str, Meta(max_length=100, pattern=NO_NUL)]
Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=50, pattern=NO_NUL)]], Meta(max_length=50)]
Key = Annotated[str, Meta(min_length=1, max_length=100, pattern=NO_NUL)]
Value = Annotated[str, Meta(max_length=1000, pattern=NO_NUL)]
Attributes = Annotated[dict[Key, Value], Meta(max_length=100)]
Options = Annotated[dict[Key, Value], Meta(max_length=20)]
ImageUrl = Annotated[str, Meta(max_length=2000, pattern=r"^(https?://[^\s\\\x00]+|/([^\s\\/\x00][^\s\\\x00]*)?)\Z")]


class Money(msgspec.Struct, forbid_unknown_fields=True):
    """Minor units of a currency."""

    amount: Amount
    currency: Currency


class Variant(msgspec.Struct, forbid_unknown_fields=True):
    """One variant of a product."""

    sku: Sku
    price: Money
    options: Options = {}
    stock: Stock | None = None


class Product(msgspec.Struct, forbid_unknown_fields=True):
    """A product: with `variants`, or with `sku`, `price` and `stock` of its only one."""

    name: Name
    variants: Annotated[list[Variant], Meta(min_length=1, max_length=VARIANTS_MAX)] | UnsetType = UNSET
    sku: Sku | UnsetType = UNSET
    price: Money | UnsetType = UNSET
    stock: Stock | UnsetType | None = UNSET
    description: Description = ""
    category: Category | None = None
    tags: Tags = []
    attributes: Attributes = {}
    image_url: ImageUrl | None = None
    slug: Slug | None = None


class Misfit(Exception):
    """Content that the shop would not take. `member` names the part, e.g. `price`; `detail` says what is wrong."""

    def __init__(self, member: str, detail: str) -> None:
        super().__init__(member, detail)
        self.member = member
        self.detail = detail


# msgspec's words, and ours for people who never saw a type.
WORDS = [
    (r"Expected `str` of length <= (\d+)", r"has more than \1 characters"),
    (r"Expected `str` of length >= 1", "is empty"),
    (r"Expected `(?:array|object)` of length <= (\d+)", r"has more than \1 entries"),
    (r"Expected `array` of length >= 1", "has no entry"),
    (r"Expected `int` <= (\d+)", r"is more than \1"),
    (r"Expected `int` >= (\d+)", r"is less than \1"),
]
PATTERNS = {
    "sku": "is not 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`",
    "image_url": "is neither a web address (https://...) nor a path (/images/...)",
    "currency": "is not three capital letters, as in EUR",
}


def check(content: Any, kind: type[Variant] | type[Product]) -> None:
    """Misfit where the content is not of that kind."""
    try:
        msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at ")
        path = re.sub(r"^.*\$\.?|`$", "", path)
        raise Misfit(path, _words(detail, path)) from error


def _words(detail: str, path: str) -> str:
    for pattern, words in WORDS:
        if found := re.fullmatch(pattern, detail):
            return found.expand(words)
    if detail.startswith("Expected `str` matching regex"):
        return PATTERNS.get(path.rpartition(".")[2], "holds a NUL character")
    return f"does not fit: {detail[:1].lower()}{detail[1:]}"
