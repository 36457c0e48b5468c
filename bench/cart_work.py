"""The work on carts that is measured: each kind has carts of its own, so that none finds what another has left."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from bench.catalogue import skus
from bench.load import Load, Request
from bench.server import Server
from bench.work import Work, expect

# As many lines as a cart may hold.
MOST_LINES = 100
QUANTITIES = range(2, 10)
AT_ONCE = 8
SHOWN = '"item_count":'


class Cart(NamedTuple):
    """A guest's cart."""

    id: str
    token: str


class Carts:
    """New carts on a server, with one of each of the first `lines` SKUs of the catalogue."""

    def __init__(self, server: Server, lines: int, number: int) -> None:
        self.server = server
        self.skus = skus(lines)
        wanted = {"lines": [{"sku": sku, "quantity": 1} for sku in self.skus]}

        def make(_number: int) -> Cart:
            made = server.call("POST", "carts", "/carts", 201, wanted)
            return Cart(made["id"], made["token"])

        with ThreadPoolExecutor(AT_ONCE) as pool:
            self.all = list(pool.map(make, range(number)))

    def read(self, cart: Cart) -> dict[str, Any]:
        """The cart as it is now."""
        return self.server.call("GET", "carts", f"/carts/{cart.id}", Cart_Token=cart.token)

    def added(self) -> int:
        """How many items there are now that were not there at first."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            items = sum(int(cart["item_count"]) for cart in pool.map(self.read, self.all))
        return items - len(self.all) * len(self.skus)

    def changes(self) -> int:
        """How often they were changed."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(int(cart["version"]) - 1 for cart in pool.map(self.read, self.all))


def works_of_carts(server: Server, has: Callable[[str], bool], number: int, number_of_new: int) -> list[Work]:
    """What `has` says, on `number` carts for each work, or `number_of_new` where each takes a new SKU only once."""
    found = []
    for lines in (1, MOST_LINES):
        words = f"{lines} line{'' if lines == 1 else 's'}"
        # So that the new one is the last for which there is room; and a full cart takes longer to make.
        held, many = (lines, number_of_new) if lines < MOST_LINES else (MOST_LINES - 1, number_of_new // 2)
        if has(name := f"add a new SKU, {words}"):
            found.append(add_new(name, Carts(server, held, many)))
        kinds = {"add a held SKU": add_existing, "read a cart": read_cart}
        kinds |= {"set quantity": set_quantity} if lines == 1 else {}
        for kind, make in kinds.items():
            if has(name := f"{kind}, {words}"):
                found.append(make(name, Carts(server, lines, number)))
    return found


def add_new(name: str, carts: Carts) -> Work:
    """A SKU that the cart does not hold, once to each cart; before each run it is taken out of all."""
    sku = skus(MOST_LINES + 1)[-1]
    body = json.dumps({"sku": sku, "quantity": 1})
    requests = [Request("POST", f"/carts/{cart.id}/lines", cart.token, "", body) for cart in carts.all]
    nothing = json.dumps({"quantity": 0})
    emptied = [Request("PUT", f"/carts/{cart.id}/lines/{sku}", cart.token, "", nothing) for cart in carts.all]

    def verify(answers: Sequence[int], more: int) -> None:
        expect_between(answers[-1], carts.added(), more)

    load, prepare = Load(requests, f'"sku":"{sku}"', once=True), Load(emptied, SHOWN, once=True)
    return Work(name, "carts", load, verify, prepare)


def add_existing(name: str, carts: Carts) -> Work:
    """One more of a SKU that the cart holds, another cart each time."""
    requests = [
        Request("POST", f"/carts/{cart.id}/lines", cart.token, "", json.dumps({"sku": sku, "quantity": 1}))
        for cart, sku in zip(carts.all, carts.skus * len(carts.all), strict=False)
    ]

    def verify(answers: Sequence[int], more: int) -> None:
        expect_between(sum(answers), carts.added(), more)

    return Work(name, "carts", Load(requests, SHOWN), verify)


def set_quantity(name: str, carts: Carts) -> Work:
    """Another quantity of a SKU that the cart holds, another cart each time."""
    requests = [
        Request("PUT", f"/carts/{cart.id}/lines/{sku}", cart.token, "", json.dumps({"quantity": quantity}))
        for quantity in QUANTITIES
        for cart, sku in zip(carts.all, carts.skus * len(carts.all), strict=False)
    ]

    def verify(answers: Sequence[int], more: int) -> None:
        # A run may begin with the quantity that the last one ended with, which is no change.
        same = len(answers) * len(carts.all)
        expect_between(sum(answers) - same, carts.changes(), same + more)

    return Work(name, "carts", Load(requests, SHOWN), verify)


def read_cart(name: str, carts: Carts) -> Work:
    """Every cart in turn."""

    def verify(_answers: Sequence[int], _more: int) -> None:
        cart = carts.read(carts.all[0])
        total = sum(line["unit_price"]["amount"] * line["quantity"] for line in cart["lines"])
        right = [line["sku"] for line in cart["lines"]] == carts.skus and cart["subtotal"]["amount"] == total
        expect(right and not cart["stale"], cart)

    requests = [Request("GET", f"/carts/{cart.id}", cart.token) for cart in carts.all]
    load = Load(requests, f'"sku":"{carts.skus[-1]}"')
    return Work(name, "carts", load, verify)


def expect_between(answered: int, done: int, more: int) -> None:
    """What was answered has been done; and no more than was asked for."""
    expect(answered <= done <= answered + more, {"answered": answered, "done": done})
