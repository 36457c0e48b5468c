"""Prices as people write them, and as minor units of a currency. Exact: no floating point anywhere."""

import re

# ISO 4217, where it is not two decimals.
WITH_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
WITH_THREE = "BHD IQD JOD KWD LYD OMR TND"
DECIMALS = dict.fromkeys(WITH_NONE.split(), 0) | dict.fromkeys(WITH_THREE.split(), 3) | {"CLF": 4, "UYW": 4}
USUAL_DECIMALS = 2
# More digits than any amount has; beyond it, reading them would take ever longer.
DIGITS_MAX = 20


class NoPrice(Exception):
    """A text that is no price in this currency; the words complete a sentence that begins with the text."""


def minor_units(text: str, currency: str, point: str = ".") -> int:
    """ "19.99" in EUR as 1999; NoPrice where it has more decimals than the currency, or is no plain number."""
    found = re.fullmatch(rf"([0-9]+)(?:{re.escape(point)}([0-9]*))?", text.strip())
    if found is None or len(text) > DIGITS_MAX:
        raise NoPrice(f"is not a price: digits, and a {'comma' if point == ',' else 'point'} before the decimals")
    whole, decimals = found[1], found[2] or ""
    places = decimals_of(currency)
    if len(decimals) > places:
        raise NoPrice(f"has more decimals than {currency}, which has {places or 'none'}")
    return int(whole + decimals.ljust(places, "0"))


def decimal_text(amount: int, currency: str) -> str:
    """1999 in EUR as "19.99"."""
    places = decimals_of(currency)
    digits = str(amount).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def decimals_of(currency: str) -> int:
    """How many decimals prices in this currency have."""
    return DECIMALS.get(currency, USUAL_DECIMALS)
