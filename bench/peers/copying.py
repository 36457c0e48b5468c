"""The catalogue that the peers read: the shop's, and beside each product what they search and sort it by."""

from typing import Any

from pymongo import ASCENDING, TEXT, MongoClient

from products.words import name_key, words_of

Document = dict[str, Any]
AT_ONCE = 1000
KEYS = ("price_from", "name_key", "created_at", "category", "tags")
WEIGHTS = {"words.name": 100, "words.labels": 10, "words.description": 1}


def copy_products(mongodb_url: str, source: str, target: str) -> None:
    """Makes the peers' database `target` anew from the shop's, `source`; `mongodb_url` names neither."""
    client: MongoClient[Document] = MongoClient(mongodb_url)
    with client:
        client.drop_database(target)
        copies = client[target]["products"]
        portion: list[Document] = []
        for product in client[source]["products"].find(batch_size=AT_ONCE):
            portion.append(product | _searched(product))
            if len(portion) == AT_ONCE:
                copies.insert_many(portion, ordered=False)
                portion = []
        if portion:
            copies.insert_many(portion, ordered=False)
        copies.create_index("slug", unique=True)
        copies.create_index("variants.sku", unique=True)
        for key in KEYS:
            copies.create_index([("status", ASCENDING), (key, ASCENDING), ("_id", ASCENDING)])
        text = [(field, TEXT) for field in WEIGHTS]
        copies.create_index(text, weights=WEIGHTS, default_language="none", name="search")


def _searched(product: Document) -> Document:
    labels = " ".join([product["category"] or "", *product["tags"]])
    return {
        "price_from": min(variant["price"]["amount"] for variant in product["variants"]),
        "name_key": name_key(product["name"]),
        "words": {
            "name": words_of(product["name"]),
            "labels": words_of(labels),
            "description": words_of(product["description"]),
        },
    }
