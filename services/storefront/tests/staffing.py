"""What tests of staff's pages do over and over."""

from typing import Any

from shopdev.shop import Shop

from .browsing import Page, Shopper


def stored(shop: Shop, sku: str) -> dict[str, Any]:
    """The product that has this SKU, as the service has it; {} where there is none."""
    items: list[dict[str, Any]] = shop.call("products", "GET", "/products", params={"sku": sku}).json()["items"]
    return items[0] if items else {}


def stocks(shop: Shop, sku: str) -> dict[str, int | None]:
    """How many there are of each variant of that product."""
    return {variant["sku"]: variant["stock"] for variant in stored(shop, sku)["variants"]}


def action_of(shop: Shop, sku: str) -> str:
    """Where the product with this SKU is edited."""
    return f"/admin/products/{stored(shop, sku)['id']}"


async def edited(staff: Shopper, shop: Shop, sku: str) -> Page:
    """The page to edit the product that has this SKU."""
    return await staff.get(action_of(shop, sku))


def row(number: int, **parts: str) -> dict[str, str]:
    """What is typed into the fields of a variant, counted from 0."""
    return {f"variants-{number}-{name}": text for name, text in parts.items()}


def sell(shop: Shop, sku: str, quantity: int) -> None:
    """As many leave the shop as if they were sold."""
    changes = {"changes": [{"sku": sku, "delta": -quantity}]}
    shop.call("products", "POST", "/stock", json=changes, headers=shop.staff_bearer())


def change(shop: Shop, sku: str, **members: Any) -> None:
    """Somebody else changes the product that has this SKU."""
    path = f"/products/{stored(shop, sku)['id']}"
    shop.call("products", "PATCH", path, json=members, headers=shop.staff_bearer())
