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
# Han, kana and Hangul.
CJK_LETTERS = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
CJK = re.compile(f"[{CJK_LETTERS}]")
CJK_OR_NOT = re.compile(f"[{CJK_LETTERS}]+|[^{CJK_LETTERS}]+")
PLAIN_WORDS = re.compile("[a-z0-9]+")
LATIN_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "þ": "th", "ð": "d", "ı": "i"})


def words_of(text: str) -> list[str]:
    """The words of a text without case, accents and punctuation; a run of CJK is one word."""
    if text.isascii():
        # The same, ten times as fast.
        return PLAIN_WORDS.findall(text.lower())
    return _split(ACCENTS.sub("", _decomposed(text)))


def terms_of(text: str) -> list[str]:
    """What a text is found by: its words; of CJK, which has no spaces, each letter and each two that stand together."""
    return [term for word in words_of(text) for run in runs_of(word) for term in _grams(run)]


def runs_of(word: str) -> list[str]:
    """A word split where it changes between CJK and other letters."""
    return CJK_OR_NOT.findall(word) if not word.isascii() else [word]


def pairs_of(run: str) -> list[str]:
    """What must all be there for a run of CJK to be: each two letters that stand together, or its only one."""
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def is_cjk(run: str) -> bool:
    """Whether a run is of CJK."""
    return CJK.match(run) is not None


def _grams(run: str) -> list[str]:
    return list(dict.fromkeys([*run, *pairs_of(run)])) if is_cjk(run) else [run]


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
