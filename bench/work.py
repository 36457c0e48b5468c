"""The work that is measured: what is sent, and how it is known afterwards that it was done."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from bench.catalogue import CATEGORIES, skus
from bench.load import Load, Request
from bench.shop import Broken, Shop

PAGE = 20


class Work(NamedTuple):
    """A kind of request to one service. `verify` is told how many were answered; Broken if that is not so."""

    name: str
    service: str
    load: Load
    verify: Callable[[int, int], None]


class Cart(NamedTuple):
    """A guest's cart."""

    id: str
    token: str


def works(shop: Shop, carts: int) -> list[Work]:
    """All of it, in the order of the report; that on carts goes to `carts` new ones of each size."""
    found = [ping(), product_by_id(shop), list_page(shop)]
    for lines in (1, 100):
        names = skus(len(shop.product_ids))[:lines]
        made = [make_cart(shop, names) for _ in range(carts)]
        found += [add_to_cart(shop, made, names), read_cart(shop, made, names)]
    return found


def ping() -> Work:
    """The least a request can cost."""
    load = Load([Request("GET", "/healthz")], '{"status":"ok"')
    return Work("ping", "products", load, lambda _answers, _connections: None)


def product_by_id(shop: Shop) -> Work:
    """Every product in turn."""

    def verify(_answers: int, _connections: int) -> None:
        for number in (0, len(shop.product_ids) // 2, -1):
            product = shop.call("GET", "products", f"/products/{shop.product_ids[number]}")
            expect(product["id"] == shop.product_ids[number] and len(product["variants"]) == 3, product)

    requests = [Request("GET", f"/products/{product}") for product in shop.product_ids]
    return Work("product by id", "products", Load(requests, '"sku":"BENCH-'), verify)


def list_page(shop: Shop) -> Work:
    """The first page of each category in turn, with total and facets."""

    def verify(_answers: int, _connections: int) -> None:
        page = shop.call("GET", "products", f"/products?category={CATEGORIES[0]}")
        share = len(shop.product_ids) // len(CATEGORIES)
        right = all(product["category"] == CATEGORIES[0] for product in page["items"])
        expect(right and len(page["items"]) == min(PAGE, share) and page["total"] == share, page)

    requests = [Request("GET", f"/products?category={category}") for category in CATEGORIES]
    return Work("list by category", "products", Load(requests, '"facets":{"category":[{'), verify)


def make_cart(shop: Shop, names: list[str]) -> Cart:
    """A new cart with one of each SKU."""
    lines = [{"sku": sku, "quantity": 1} for sku in names]
    # Any header of its own leaves out the access token: a signed-in user would have one cart only.
    made = shop.call("POST", "carts", "/carts", 201, {"lines": lines}, Accept="application/json")
    return Cart(made["id"], made["token"])


def add_to_cart(shop: Shop, carts: list[Cart], names: list[str]) -> Work:
    """One more of a SKU that the cart holds, another cart each time."""
    before = len(carts) * len(names)

    def verify(answers: int, connections: int) -> None:
        present = [shop.call("GET", "carts", f"/carts/{cart.id}", Cart_Token=cart.token) for cart in carts]
        added = sum(cart["item_count"] for cart in present) - before
        # Those still under way when the time was up may have been done too.
        expect(answers <= added <= answers + connections, {"answered": answers, "added": added})

    requests = [
        Request("POST", f"/carts/{cart.id}/lines", cart.token, "", json.dumps({"sku": sku, "quantity": 1}))
        for cart, sku in zip(carts, names * len(carts), strict=False)
    ]
    return Work(f"add to cart of {len(names)}", "carts", Load(requests, '"item_count":'), verify)


def read_cart(shop: Shop, carts: list[Cart], names: list[str]) -> Work:
    """Every cart in turn."""

    def verify(_answers: int, _connections: int) -> None:
        cart = shop.call("GET", "carts", f"/carts/{carts[0].id}", Cart_Token=carts[0].token)
        total = sum(line["unit_price"]["amount"] * line["quantity"] for line in cart["lines"])
        right = [line["sku"] for line in cart["lines"]] == names and cart["subtotal"]["amount"] == total
        expect(right and not cart["stale"], cart)

    requests = [Request("GET", f"/carts/{cart.id}", cart.token) for cart in carts]
    return Work(f"read cart of {len(names)}", "carts", Load(requests, f'"sku":"{names[-1]}"'), verify)


def expect(is_right: bool, found: Any) -> None:
    """Broken, with what was found, unless it is right."""
    if not is_right:
        raise Broken(f"A service answered wrongly: {json.dumps(found)[:500]}")
