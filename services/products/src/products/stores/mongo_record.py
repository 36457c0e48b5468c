"""A product as MongoDB keeps it.

What callers name (attributes, options) is kept as pairs, for a key of BSON would have a meaning of its own. What older
services kept beside it, to search and sort by, is passed over.
"""

from typing import Any

import msgspec

from products.product import Product

Document = dict[str, Any]


def to_document(product: Product) -> Document:
    """The document that holds a product."""
    return {
        "_id": product.id,
        "slug": product.slug,
        "name": product.name,
        "description": product.description,
        "category": product.category,
        "tags": list(product.tags),
        "attributes": list(product.attributes.items()),
        "image_url": product.image_url,
        "status": product.status,
        "variants": [
            {
                "sku": variant.sku,
                "options": list(variant.options.items()),
                "price": {"amount": variant.price.amount, "currency": variant.price.currency},
                "stock": variant.stock,
            }
            for variant in product.variants
        ],
        "version": product.version,
        "created_at": product.created_at,
        "updated_at": product.updated_at,
    }


def from_document(document: Document) -> Product:
    """The product that a document holds."""
    variants = [{**variant, "options": dict(variant["options"])} for variant in document["variants"]]
    plain = {**document, "id": document["_id"], "attributes": dict(document["attributes"]), "variants": variants}
    return msgspec.convert(plain, Product)
