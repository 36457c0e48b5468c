"""Languages: the catalogues of texts, which one a visitor gets, and prices and dates in its form."""

import re
from collections.abc import Mapping
from copy import copy
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import NamedTuple

from babel import Locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from shopfiles import money
from shopfiles.money import decimals_of
from storefront.backends.answers import Money

# What stands in the templates and in the code is English; each other language is locales/NAME.po.
SOURCE = "en"
OTHERS = {"zh-Hans": "zh_Hans_CN"}
# As the products service has it.
AMOUNT_MOST = 10**12


class Words(NamedTuple):
    """One language: its tag for HTML, its name for itself, its texts and its forms."""

    tag: str
    own_name: str
    locale: Locale
    texts: NullTranslations

    def say(self, text: str, **facts: object) -> str:
        """The text in this language, `%(name)s` filled in."""
        return self.texts.gettext(text) % facts if facts else self.texts.gettext(text)

    def money(self, price: Money) -> str:
        """An amount as people of this language write it."""
        return _money(price.amount, price.currency, self.locale)

    def number(self, number: int) -> str:
        """A number as people of this language write it."""
        return format_decimal(number, locale=self.locale)

    def date(self, moment: str) -> str:
        """A time (RFC 3339, UTC) as people of this language write it."""
        return format_datetime(datetime.fromisoformat(moment), "medium", locale=self.locale)


@lru_cache(10_000)
def _money(amount: int, currency: str, locale: Locale) -> str:
    """By the decimals of ISO 4217, as all of the shop counts; the locale's own may be fewer."""
    places = decimals_of(currency)
    pattern = copy(locale.currency_formats["standard"])
    pattern.frac_prec = (places, places)
    text: str = pattern.apply(Decimal(amount).scaleb(-places), locale, currency=currency, currency_digits=False)
    return text


@cache
def load() -> dict[str, Words]:
    """All languages by their tags."""
    languages = {SOURCE: Words(SOURCE, "English", Locale.parse("en_GB"), NullTranslations())}
    for tag, name in OTHERS.items():
        locale = Locale.parse(name)
        own_name = locale.get_display_name(locale) or tag
        with files("storefront").joinpath(f"locales/{tag}.po").open("rb") as file:
            compiled = BytesIO()
            write_mo(compiled, read_po(file, locale))
        compiled.seek(0)
        languages[tag] = Words(tag, own_name.partition(" ")[0], locale, GNUTranslations(compiled))
    return languages


def choose(languages: Mapping[str, Words], wanted: str, accepted: str) -> Words:
    """The language that the visitor chose, else the best of an Accept-Language header, else English."""
    if wanted in languages:
        return languages[wanted]
    for tag in _by_preference(accepted):
        if tag == "*":
            break
        found = _same_language(tag, languages)
        if found:
            return languages[found]
    return languages[SOURCE]


def _by_preference(header: str) -> list[str]:
    """The tags of an Accept-Language header, best first; what cannot be read counts as not wanted."""
    weighed = []
    for position, part in enumerate(header[:500].split(",")):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            quality = 0.0
        if 0 < quality <= 1 and tag.strip():
            weighed.append((-quality, position, tag.strip()))
    return [tag for _, _, tag in sorted(weighed)]


def _same_language(tag: str, languages: Mapping[str, Words]) -> str | None:
    """zh, zh-CN and zh-SG are written as zh-Hans is; zh-TW and zh-Hant are nearer to it than to English, too."""
    language = tag.partition("-")[0].lower()
    return next((known for known in languages if known.partition("-")[0].lower() == language), None)


def minor_units(text: str, currency: str) -> int | None:
    """An amount typed in units ("12.50", "12,5") in minor units; None where it is none, or finer than the currency."""
    try:
        amount = money.minor_units(re.sub(r"^\.(?=[0-9])", "0.", text.strip().replace(",", ".")), currency)
    except money.NoPrice:
        return None
    return amount if amount <= AMOUNT_MOST else None


def units(price: Money) -> str:
    """An amount as a form's field shows it, and as `minor_units` reads it."""
    return money.decimal_text(price.amount, price.currency)
