"""Texts as they are searched, sorted and written into addresses: the same in every store."""

import re
import unicodedata
from collections.abc import Iterator

from products.product import is_id

SLUG_MAX = 200
# Leaves room for what makes a slug unique.
SLUG_MADE_MAX = 180
# Paths beside the products' own.
RESERVED = frozenset({"batch"})
# The accents of Latin, Greek and Cyrillic. Marks of other scripts are vowels, and part of the word.
ACCENTS = re.compile(r"[\u0300-\u036f]+")
LATIN_ACCENTS = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
LATIN_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "þ": "th", "ð": "d", "ı": "i"})


def words_of(text: str) -> list[str]:
    """The words of a text without case, accents and punctuation; a run of CJK is one word."""
    return _split(ACCENTS.sub("", _decomposed(text)))


def name_key(name: str) -> str:
    """What names are sorted by, code point by code point."""
    return name.casefold()


def slug_of(name: str) -> str:
    """A slug for a name: its words joined by hyphens, Latin without accents, other scripts as they are."""
    words = _split(LATIN_ACCENTS.sub("", _decomposed(name)).lower())
    slug = "-".join(words)[:SLUG_MADE_MAX].strip("-")
    return slug if is_slug(slug) else f"product-{slug}".strip("-")


def slug_candidates(name: str, product_id: str) -> Iterator[str]:
    """Slugs to try in turn for a product that brings none; the last is as good as unique."""
    slug = slug_of(name)
    yield slug
    yield f"{slug}-2"
    yield f"{slug}-3"
    yield f"{slug}-{product_id[-12:]}"


def is_slug(text: str) -> bool:
    """Whether a text can be a slug: lower-case words of any script, joined by single hyphens, unlike an id."""
    plain = unicodedata.normalize("NFC", text.lower()) == text and "-".join(_split(text)) == text
    return plain and 0 < len(text) <= SLUG_MAX and text not in RESERVED and not is_id(text)


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold().translate(LATIN_LETTERS))


def _split(text: str) -> list[str]:
    """Runs of letters, digits and the marks that belong to them."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in composed).split()
