"""The feed of changes between products and carts as processes: hardly a question, and nothing older than a second."""

import time
from typing import Any

from .conftest import Shop
from .test_shop import new_sku, product

Line = dict[str, Any]


class Tea:
    """A product in a guest's cart."""

    def __init__(self, shop: Shop, stock: int | None = 9) -> None:
        self._shop = shop
        self._staff = shop.staff()
        self.sku = new_sku("TEA")
        made = shop.products.post("/products", json=product(self.sku, 450, stock), headers=self._staff).json()
        self._path = f"/products/{made['id']}"
        self._cart = shop.carts.post("/carts", json={"sku": self.sku, "quantity": 1}).json()

    def cart(self) -> dict[str, Any]:
        """The cart, as it is told now."""
        path, headers = f"/carts/{self._cart['id']}", {"Cart-Token": self._cart["token"]}
        found: dict[str, Any] = self._shop.carts.get(path, headers=headers).raise_for_status().json()
        return found

    def line(self) -> Line:
        line: Line = self.cart()["lines"][0]
        return line

    def reprice(self, amount: int) -> None:
        """Another price, acknowledged."""
        body = {"price": {"amount": amount, "currency": "EUR"}}
        assert self._shop.products.patch(self._path, json=body, headers=self._staff).status_code == 200

    def take(self, count: int) -> None:
        """So many are sold."""
        body = {"changes": [{"sku": self.sku, "delta": -count}]}
        assert self._shop.products.post("/stock", json=body, headers=self._staff).status_code == 200

    def asked(self) -> float:
        """How often carts have asked products."""
        lines = self._shop.carts.get("/metrics").text.splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("products_calls_total{"))

    def is_kept(self) -> bool:
        """Whether reading the cart asks products nothing."""
        before = self.asked()
        self.cart()
        return self.asked() == before


def wait(holds: Any, seconds: float) -> None:
    """Until it holds; fails if it does not within so many seconds."""
    due = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < due
        time.sleep(0.01)


def test_what_carts_have_seen_is_not_asked_for_again_and_changes_reach_them_at_once(shop: Shop) -> None:
    tea = Tea(shop)
    wait(tea.is_kept, 10)
    before = tea.asked()
    for _ in range(50):
        tea.cart()
    # It may have had to be asked for again where this machine made the feed pause.
    assert tea.asked() - before <= 10
    for amount in range(451, 471):
        tea.reprice(amount)
        wait(lambda amount=amount: tea.line()["unit_price"]["amount"] == amount, 1)
    tea.take(7)
    wait(lambda: tea.line()["available"] == 2, 1)


def test_a_products_service_that_hangs_or_is_gone_is_told_within_a_second(shop: Shop) -> None:
    tea = Tea(shop)
    wait(tea.is_kept, 10)
    shop.processes["products"].pause()
    try:
        time.sleep(1)
        assert tea.cart()["stale"] is True
    finally:
        shop.processes["products"].resume()
    wait(lambda: not tea.cart()["stale"], 10)
    wait(tea.is_kept, 10)
    shop.processes["products"].kill()
    wait(lambda: tea.cart()["stale"], 1)
    shop.restart("products")
    wait(tea.is_kept, 10)
    tea.reprice(500)
    wait(lambda: tea.line()["unit_price"]["amount"] == 500, 1)
