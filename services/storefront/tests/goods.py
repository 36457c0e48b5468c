"""What the shop sells in these tests."""

from typing import Any


def _product(name: str, slug: str, amount: int, stock: int | None, **more: Any) -> dict[str, Any]:
    price = {"amount": amount, "currency": "EUR"}
    return {"name": name, "slug": slug, "sku": slug.upper(), "price": price, "stock": stock, **more}


SHIRT: dict[str, Any] = {
    "name": "Linen shirt",
    "slug": "linen-shirt",
    "description": "Washed linen.\nCut wide.",
    "category": "Clothes",
    "tags": ["linen", "summer"],
    "variants": [
        {"sku": "SHIRT-S", "options": {"size": "S"}, "price": {"amount": 4900, "currency": "EUR"}, "stock": 0},
        {"sku": "SHIRT-M", "options": {"size": "M"}, "price": {"amount": 4900, "currency": "EUR"}, "stock": 4},
        {"sku": "SHIRT-XL", "options": {"size": "XL"}, "price": {"amount": 5400, "currency": "EUR"}, "stock": None},
    ],
}
# What a page must show as it is, and never obey.
HOSTILE: dict[str, Any] = _product(
    "<script>alert(1)</script>",
    "hostile",
    100,
    None,
    description='"><img src=x onerror=alert(2)> {{ 7 * 7 }} %(name)s 100%',
    category="<b>Bold</b>",
    tags=["'><i>tag"],
    attributes={"<u>made of</u>": "a & b"},
    image_url="/images/teapot.svg?x=%22%3E",
)
GOODS: list[dict[str, Any]] = [
    SHIRT,
    HOSTILE,
    _product("Teapot", "teapot", 3900, 7, category="Kitchen", tags=["tea"], image_url="/images/teapot.svg"),
    _product("Sold-out kettle", "kettle", 2900, 0, category="Kitchen"),
    _product("乌龙茶", "oolong", 1290, 30, category="Kitchen", tags=["tea"], description="高山乌龙"),
    # More than one page of a list.
    *(_product(f"Pencil {number:02}", f"pencil-{number}", 100 + number, 50, category="Desk") for number in range(30)),
]
