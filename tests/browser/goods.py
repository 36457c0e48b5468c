"""Products that the tests with a browser know by name, beside the sample."""

from typing import Any


def _product(name: str, slug: str, amount: int, stock: int | None, **more: Any) -> dict[str, Any]:
    price = {"amount": amount, "currency": "EUR"}
    return {"name": name, "slug": slug, "sku": slug.upper(), "price": price, "stock": stock, **more}


def _variant(size: str, amount: int, stock: int | None) -> dict[str, Any]:
    price = {"amount": amount, "currency": "EUR"}
    return {"sku": f"JUMPER-{size}", "options": {"size": size}, "price": price, "stock": stock}


SCRIPT = "<script>alert(1)</script>"
GOODS: list[dict[str, Any]] = [
    {
        "name": "Harbour jumper",
        "slug": "harbour-jumper",
        "category": "Tests",
        "description": "Knitted for a test.",
        "variants": [_variant("S", 7400, 0), _variant("M", 7400, 3), _variant("L", 7900, None)],
    },
    _product("Driftwood tray", "driftwood-tray", 2500, 10, category="Tests"),
    _product("Pewter spoon", "pewter-spoon", 900, 5, category="Tests"),
    _product(SCRIPT, "hostile", 100, None, category="<b>Bold</b>", description='"><img src=x onerror=alert(2)>'),
]
