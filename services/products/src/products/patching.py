"""JSON Merge Patch: applied to the product as plain data, then checked as a new product would be."""

from datetime import datetime
from typing import Any

import msgspec

from products.product import Product, draft_of, require_currency, revise
from products.schemas import ProductIn, ProductPatch, read
from shopkit.errors import InvalidRequest

OF_ONE_VARIANT = ("sku", "price", "stock")


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2: `target` with `patch` applied."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def apply_patch(product: Product, patch: ProductPatch, at: datetime, sku: str | None = None) -> Product:
    """The product's next version, or `product` itself where the patch changes nothing.

    `sku`, `price` and `stock` of the patch go to the variant named `sku`, or to the only one; InvalidRequest where
    there are several, and where what comes out breaks a rule.
    """
    present = msgspec.to_builtins(draft_of(product))
    changes = msgspec.to_builtins(patch)
    status = changes.pop("status", product.status)
    single = {name: changes.pop(name) for name in OF_ONE_VARIANT if name in changes}
    if single:
        if "variants" in changes:
            raise InvalidRequest.at("#/variants", "Give either `variants`, or `sku`, `price` and `stock`.")
        changes["variants"] = _with_one_changed(product, present["variants"], single, sku)
    return revise(product, read(merge(present, changes), ProductIn).draft(), status, at)


def _with_one_changed(product: Product, variants: list[Any], single: dict[str, Any], sku: str | None) -> list[Any]:
    meant = [variant for variant in product.variants if sku is None or variant.sku == sku]
    if len(meant) != 1:
        detail = "This product has several variants: change `variants`, or PUT the one meant."
        raise InvalidRequest.at(f"#/{next(iter(single))}", detail)
    others = [variant for variant in product.variants if variant is not meant[0]]
    require_currency(single.get("price", {}).get("currency", meant[0].price.currency), others)
    index = product.variants.index(meant[0])
    return [*variants[:index], merge(variants[index], single), *variants[index + 1 :]]
