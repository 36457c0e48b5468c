"""The words of the made-up catalogue, and what shoppers look for in it.

No word begins another nor is one slip of the keys away from one, so a search that forgives slips and takes beginnings
finds just what one for whole words finds: only then may figures of the two be compared.
"""

import random
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

ADJECTIVES = (
    *("small", "warm", "plain", "folding", "striped", "woven", "glazed", "northern", "quiet", "bright", "everyday"),
    *("travel", "double", "oak", "linen", "wool", "steel", "copper", "cork", "bamboo", "cotton", "paper", "heavy"),
)
THINGS = ("kettle", "lamp", "jacket", "notebook", "speaker", "teapot", "blanket", "cup", "rucksack", "puzzle", "pen")
RARER = 3000
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
# How frequent a word is, by its rank among the rarer ones: the first stands in most descriptions, the last in few.
RANKS_SOUGHT = (20, 40, 80, 120, 160, 240, 320, 480, 640, 960, 1280, 1600, 1920, 2240, 2560, 2900)


@cache
def rarer() -> tuple[str, ...]:
    """Words of descriptions, the most frequent first."""
    source = random.Random("words")
    shorter = {trace for word in ADJECTIVES + THINGS for trace in _traces(word)}
    known = set[str]()
    found: list[str] = []
    while len(found) < RARER:
        word = "".join(source.choice(CONSONANTS) + source.choice(VOWELS) for _ in range(3))
        begun = (trace for length in (4, 5, 6) for trace in _traces(word[:length]))
        if known.isdisjoint(_traces(word)) and shorter.isdisjoint(begun):
            known.update(_traces(word))
            found.append(word)
    return tuple(found)


@cache
def weights() -> list[float]:
    """How often each comes, summed up, as in real language: the second half as often as the first, and so on."""
    return list(accumulate(1 / rank for rank in range(1, RARER + 1)))


def searches() -> list[str]:
    """What is looked for: things (one product of ten), things of a kind (one of a hundred), and rarer words."""
    source = random.Random("searches")
    kinds = [f"{source.choice(ADJECTIVES)} {source.choice(THINGS)}" for _ in range(16)]
    return [*THINGS[:8], *kinds, *(rarer()[rank] for rank in RANKS_SOUGHT)]


def _traces(word: str) -> Iterator[str]:
    """The word and what is left of it without one letter: two words a slip apart have one in common."""
    yield word
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]
