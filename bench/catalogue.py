"""A made-up catalogue: the same for the same size, and of the same make at every size."""

import random
from typing import Any

from bench.vocabulary import ADJECTIVES, THINGS, rarer, weights

CATEGORIES = ("Kitchen", "Outdoor", "Books", "Audio", "Clothing", "Toys", "Garden", "Stationery", "Tea", "Home")
TAGS = ("new", "gift", "sale", "handmade", "organic", "bestseller", "refill", "set")
SIZES = ("S", "M", "L")


def products(count: int) -> list[dict[str, Any]]:
    """So many products, as POST /products takes them. Stock is not counted, so that any number can go into carts."""
    source = random.Random(count)
    return [_product(source, number) for number in range(count)]


def skus(count: int) -> list[str]:
    """A SKU of each product."""
    return [f"BENCH-{number}-{SIZES[0]}" for number in range(count)]


def _product(source: random.Random, number: int) -> dict[str, Any]:
    name = " ".join([*source.sample(ADJECTIVES, 2), source.choice(THINGS), str(number)]).capitalize()
    amount = source.randrange(199, 19_999)
    variants = [
        {
            "sku": f"BENCH-{number}-{size}",
            "options": {"size": size},
            "price": {"amount": amount + extra, "currency": "EUR"},
        }
        for extra, size in zip((0, 100, 200), SIZES, strict=True)
    ]
    return {
        "name": name,
        "description": " ".join(source.choices(rarer(), cum_weights=weights(), k=40)).capitalize() + ".",
        "category": CATEGORIES[number % len(CATEGORIES)],
        "tags": source.sample(TAGS, 2),
        "attributes": {"material": source.choice(ADJECTIVES), "weight": f"{source.randrange(50, 3000)} g"},
        "image_url": f"/images/bench-{number}.svg",
        "variants": variants,
    }
