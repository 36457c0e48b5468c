"""Goods of the ledger's own: nobody else changes them, so what is right is known."""

from typing import Any

from .books import UNTOUCHED
from .caller import Caller, Request
from .people import Account, Addresses, key, same

TEAS = 20
VARIANTS = 10
Product = dict[str, Any]


class NotStaged(Exception):
    """The shop could not be prepared; the text says what it answered."""


class Goods:
    """Teas for the carts, and counted SKUs. The teas have the `word` in their names, nothing else has."""

    def __init__(self, word: str, counted: int) -> None:
        self.word = word
        self.names = [f"{word}-{number}" for number in range(TEAS)]
        self.counted = [f"{word}-stock-{number}" for number in range(counted)]

    async def place(self, addresses: Addresses, caller: Caller, staff: Account) -> list[Product]:
        """Puts them into the catalogue; the teas as they are read from then on."""
        groups = [self.counted[at : at + VARIANTS] for at in range(0, len(self.counted), VARIANTS)]
        batches = [[product(f"{self.word} tea {name}", [name], None) for name in self.names]]
        batches += [[product(f"Counted goods {number}", skus, UNTOUCHED)] for number, skus in enumerate(groups)]
        url, route = f"{addresses.products}/products", "POST /products/batch"
        for items in batches:
            headers = addresses.headers | staff.headers | key()
            request = Request(route, "POST", f"{url}/batch", all_added, headers=headers, body={"items": items})
            await self._ask(caller, request)
        query = "&".join(f"sku={name}" for name in self.names)
        headers = addresses.headers | {"Cache-Control": "no-cache"}
        found = await self._ask(
            caller, Request("GET /products?sku", "GET", f"{url}?{query}", all_found, headers=headers)
        )
        teas: list[Product] = found["items"]
        return teas

    async def _ask(self, caller: Caller, request: Request) -> Any:
        answer = await caller.ask(request)
        if not answer.is_good or caller.entries[-1].fault:
            raise NotStaged(f"The goods could not be placed: {caller.entries[-1]}")
        return answer.body


def product(name: str, skus: list[str], stock: int | None) -> Product:
    """As POST /products takes it; each variant has an option of its own where there are several."""
    price = {"amount": 450, "currency": "EUR"}
    options = [{"options": {"size": sku}} if len(skus) > 1 else {} for sku in skus]
    variants = [{"sku": sku, "price": price, "stock": stock} | more for sku, more in zip(skus, options, strict=True)]
    return {"name": name, "variants": variants}


def all_added(body: dict[str, Any]) -> str:
    """What is wrong with the answer to a batch of new products."""
    return same({result["status"] for result in body["results"]}, {201})


def all_found(body: dict[str, Any]) -> str:
    """What is wrong with the answer to a question by SKU."""
    return same(body["missing"], [])
