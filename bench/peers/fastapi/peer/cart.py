"""The rules of a cart, and what it comes to at present prices. Nothing here knows of HTTP or storage."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .problems import Problem

LINES_MAX = 100
QUANTITY_MAX = 999

Document = dict[str, Any]
# What the catalogue says of SKUs.
Facts = Mapping[str, Document]


class Edit(NamedTuple):
    """A wish: `quantity` of a SKU, or `delta` more of it. `pointer`: where it was asked for."""

    sku: str
    quantity: int | None = None
    delta: int = 0
    pointer: str = "#"


def edit(cart: Document, edits: Sequence[Edit], facts: Facts) -> Document | None:
    """The currency and lines after the edits; None where they change nothing."""
    lines = {line["sku"]: line for line in cart["lines"]}
    for wish in edits:
        line, fact = lines.get(wish.sku), facts.get(wish.sku)
        quantity = _wanted(line, wish, fact)
        if quantity == 0:
            lines.pop(wish.sku, None)
        elif line is not None:
            lines[wish.sku] = {**line, "quantity": quantity}
        elif fact is not None:
            lines[wish.sku] = _new_line(wish.sku, quantity, fact, lines)
    if len(lines) > max(LINES_MAX, len(cart["lines"])):
        raise Problem("line_limit")
    after = list(lines.values())
    if {line["sku"]: line["quantity"] for line in cart["lines"]} == {line["sku"]: line["quantity"] for line in after}:
        return None
    return {"currency": after[0]["added_price"]["currency"] if after else cart["currency"], "lines": after}


def _wanted(line: Document | None, wish: Edit, fact: Document | None) -> int:
    # What the shopper sees and counts from is what can be bought, not what was once wanted.
    available = _buyable(fact)
    present = min(line["quantity"], available) if line else 0
    quantity: int = present + wish.delta if wish.quantity is None else wish.quantity
    if quantity > QUANTITY_MAX:
        detail = f"At most {QUANTITY_MAX} of a product, not {quantity}."
        raise Problem.at(f"{wish.pointer}/quantity", detail, "quantity_limit")
    if quantity > present:
        if fact is None or not fact["for_sale"]:
            raise Problem.at(f"{wish.pointer}/sku", f"The shop does not sell {wish.sku}.", "unknown_sku")
        if quantity > available:
            detail = f"There are {available} of {wish.sku}, not {quantity}."
            raise Problem("insufficient_stock", detail, sku=wish.sku, available=available)
    return quantity


def _new_line(sku: str, quantity: int, fact: Document, others: Facts) -> Document:
    currency = fact["price"]["currency"]
    for other in others.values():
        theirs = other["added_price"]["currency"]
        if theirs != currency:
            raise Problem("currency_mismatch", f"{sku} is sold in {currency}, this cart is in {theirs}.", sku=sku)
    snapshot = {name: fact[name] for name in ("product_id", "name", "options", "image_url")}
    return {"sku": sku, "quantity": quantity, "added_price": fact["price"], **snapshot}


def _buyable(fact: Document | None) -> int:
    if fact is None or not fact["for_sale"]:
        return 0
    stock: int | None = fact["stock"]
    return QUANTITY_MAX if stock is None else stock


def price(cart: Document, facts: Facts) -> Document:
    """The cart as the shopper sees it."""
    currency = cart["currency"]
    lines: list[Document] = []
    notices: list[Document] = []
    for line in cart["lines"]:
        fact = facts.get(line["sku"])
        if fact is not None and fact["price"]["currency"] != currency:
            fact = None
        lines.append(_priced(line, fact))
        notices += _notices(line, fact)
    amount = sum(line["total"]["amount"] for line in lines)
    return {
        "id": cart["_id"],
        "version": cart["version"],
        "currency": currency,
        "lines": lines,
        "item_count": sum(line["quantity"] for line in lines),
        "subtotal": {"amount": amount, "currency": currency} if currency else None,
        "notices": notices,
        "stale": False,
        "created_at": cart["created_at"],
        "updated_at": cart["updated_at"],
        "expires_at": cart["expires_at"],
    }


def _priced(line: Document, fact: Document | None) -> Document:
    shown = fact or line
    unit = fact["price"] if fact else line["added_price"]
    quantity = min(line["quantity"], _buyable(fact))
    return {
        "sku": line["sku"],
        "product_id": shown["product_id"],
        "name": shown["name"],
        "options": dict(shown["options"]),
        "image_url": shown["image_url"],
        "quantity": quantity,
        "unit_price": unit,
        "added_price": line["added_price"],
        "total": {"amount": unit["amount"] * quantity, "currency": unit["currency"]},
        "available": fact["stock"] if fact and fact["for_sale"] else 0,
    }


def _notices(line: Document, fact: Document | None) -> list[Document]:
    sku, wanted, available = line["sku"], line["quantity"], _buyable(fact)
    if fact is None or available == 0:
        message = f"{line['name']} cannot be bought just now."
        return [{"code": "unavailable", "sku": sku, "message": message, "old": wanted, "new": 0}]
    notices = []
    before, now = line["added_price"], fact["price"]
    if now != before:
        message = f"The price of {fact['name']} has changed since you added it."
        notices.append({"code": "price_changed", "sku": sku, "message": message, "old": before, "new": now})
    if available < wanted:
        message = f"There are only {available} of {fact['name']} left."
        notices.append({"code": "quantity_reduced", "sku": sku, "message": message, "old": wanted, "new": available})
    return notices
