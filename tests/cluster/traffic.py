"""What people do in the shop, request by request: each method is one, told to the books."""

import random
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .books import PLACES, CartBook, CartWrite, Effect, StockBook
from .caller import Caller, Request
from .goods import TEAS, Goods, NotStaged, Product
from .people import CUSTOMERS, Account, Addresses, Entrance, key, same

Act = Callable[[], Awaitable[None]]
# How often each is done: a third are writes, as in no shop, for it is writes that can be lost.
WEIGHTS = {
    "see_page": 8,
    "read_product": 12,
    "search": 8,
    "read_named": 6,
    "make_cart": 6,
    "add_line": 20,
    "set_line": 10,
    "read_cart": 14,
    "change_stock": 14,
    "sign_in": 2,
}


class Traffic:
    """The mix. `stage` makes goods and accounts of its own, which nobody else touches."""

    def __init__(self, addresses: Addresses, caller: Caller, dice: random.Random, acts: Sequence[str] = ()) -> None:
        self.addresses, self._caller, self._dice = addresses, caller, dice
        self._entrance = Entrance(addresses, caller)
        # A word that no other product has: a search for it has a known answer.
        self.word = f"ledger{secrets.token_hex(4)}"
        self.carts: list[CartBook] = []
        self.accounts: list[Account] = []
        self._teas: list[Product] = []
        self._weights = {act: weight for act, weight in WEIGHTS.items() if act in (acts or WEIGHTS)}

    async def enter(self) -> None:
        """Registers the staff account, which must then be made staff, and the customers."""
        for _ in range(CUSTOMERS + 1):
            account = await self._entrance.register()
            if not account.token:
                raise NotStaged(f"No account could be made: {self._caller.entries[-1]}")
            self.accounts.append(account)

    @property
    def staff(self) -> Account:
        """The one that changes stock."""
        return self.accounts[0]

    async def stage(self, stock_writes: int) -> None:
        """Places the goods, with room for so many changes of stock."""
        # With the role that the account has been given meanwhile.
        await self._entrance.sign_in(self.staff)
        goods = Goods(self.word, counted=stock_writes * 2 // PLACES + 1)
        self._teas = await goods.place(self.addresses, self._caller, self.staff)
        self.stock = StockBook(goods.counted, self._dice)

    def choose(self) -> Act:
        """What happens next."""
        act: Act = getattr(self, self._dice.choices(list(self._weights), list(self._weights.values()))[0])
        return act

    async def _read(self, route: str, url: str, check: Callable[[Any], str], **headers: str) -> None:
        await self._caller.ask(Request(route, "GET", url, check, headers=self.addresses.headers | headers))

    async def see_page(self) -> None:
        """A page of the storefront that shows a tea."""
        tea = self._dice.choice(self._teas)
        path = self._dice.choice([f"/p/{tea['slug']}", f"/search?q={self.word}"])
        await self._read(
            "GET " + path.partition("?")[0].replace(tea["slug"], "{slug}"),
            self.addresses.storefront + path,
            lambda page: "" if self.word in page and "</html>" in page else page[-500:],
        )

    async def read_product(self) -> None:
        """A tea by its id or its slug."""
        tea = self._dice.choice(self._teas)
        url = f"{self.addresses.products}/products/{tea[self._dice.choice(('id', 'slug'))]}"
        await self._read("GET /products/{id}", url, lambda body: same(body, tea))

    async def search(self) -> None:
        """All teas by the word they share."""
        url = f"{self.addresses.products}/products?q={self.word}&limit=5"
        wanted = (TEAS, 5)
        await self._read("GET /products?q", url, lambda body: same((body["total"], len(body["items"])), wanted))

    async def read_named(self) -> None:
        """Three teas by SKU."""
        teas = self._dice.sample(self._teas, 3)
        query = "&".join(f"sku={tea['variants'][0]['sku']}" for tea in teas)
        await self._read(
            "GET /products?sku", f"{self.addresses.products}/products?{query}", lambda body: same(body["items"], teas)
        )

    async def sign_in(self) -> None:
        """Somebody signs in again; from then on with the new token."""
        await self._entrance.sign_in(self._dice.choice(self.accounts))

    async def make_cart(self) -> None:
        """A guest's first tea; or a customer's, who has one cart for ever."""
        customer = next((one for one in self.accounts[1:] if one.cart is None), None)
        if customer is None:
            await self._create(CartBook("", {}), self.addresses.headers)
            return
        customer.cart = CartBook("", {}, is_busy=True)
        await self._create(customer.cart, self.addresses.headers | customer.headers)

    async def _create(self, book: CartBook, headers: dict[str, str]) -> None:
        write = book.planned(self._sku(), self._dice.randint(1, 3))

        def check(cart: dict[str, Any]) -> str:
            found = (cart["version"], {line["sku"]: line["quantity"] for line in cart["lines"]})
            return same(found, (1, {write.sku: write.after}))

        url, body = f"{self.addresses.carts}/carts", {"lines": [{"sku": write.sku, "quantity": write.after}]}
        made = await self._caller.ask(Request("POST /carts", "POST", url, check, (201,), headers | key(), body))
        # One that nobody was told of cannot be opened: there is nothing to keep books of.
        if made.effect is Effect.DONE and made.body:
            book.id, book.is_busy = made.body["id"], False
            book.headers = {"Cart-Token": made.body["token"]} if "token" in made.body else {}
            book.note(write, Effect.DONE)
            self.carts.append(book)

    async def add_line(self) -> None:
        """So many more of a tea, with a key."""
        if (book := self._idle_cart()) is None:
            return await self.make_cart()
        sku, more = self._sku(), self._dice.randint(1, 3)
        write = book.planned(sku, book.lines.get(sku, 0) + more)
        url, body = f"{self.addresses.carts}/carts/{book.id}/lines", {"sku": sku, "quantity": more}
        return await self._write(book, write, "POST /carts/{id}/lines", url, body, key())

    async def set_line(self) -> None:
        """Another quantity of a tea, 0 included."""
        if (book := self._idle_cart()) is None:
            return await self.make_cart()
        sku = self._dice.choice(list(book.lines))
        write = book.planned(sku, self._dice.choice([n for n in range(10) if n != book.lines[sku]]))
        url, body = f"{self.addresses.carts}/carts/{book.id}/lines/{sku}", {"quantity": write.after}
        return await self._write(book, write, "PUT /carts/{id}/lines/{sku}", url, body, {})

    async def _write(
        self, book: CartBook, write: CartWrite, route: str, url: str, body: Any, more: dict[str, str]
    ) -> None:
        wanted = {sku: quantity for sku, quantity in (book.lines | {write.sku: write.after}).items() if quantity}

        def check(cart: dict[str, Any]) -> str:
            found = (cart["version"], {line["sku"]: line["quantity"] for line in cart["lines"]})
            return same(found, (write.version, wanted))

        book.is_busy = True
        method, headers = route.partition(" ")[0], self.opening(book) | more
        made = await self._caller.ask(Request(route, method, url, check, headers=headers, body=body))
        book.note(write, made.effect)
        # What comes late would undo what came after it.
        book.is_left_alone |= made.may_come_late
        book.is_busy = False

    async def read_cart(self) -> None:
        """A cart, which must be as the books say."""
        if (book := self._idle_cart()) is None:
            return await self.make_cart()
        book.is_busy = True
        await self._read("GET /carts/{id}", f"{self.addresses.carts}/carts/{book.id}", book.shown, **self.opening(book))
        book.is_busy = False
        return None

    async def change_stock(self) -> None:
        """Staff's: one SKU or two, all or nothing, with a key."""
        write = self.stock.plan()
        headers = self.addresses.headers | self.staff.headers | key()
        url = f"{self.addresses.products}/stock"
        made = await self._caller.ask(
            Request(
                "POST /stock",
                "POST",
                url,
                lambda body: write.answered(body["changes"]),
                headers=headers,
                body=write.body,
            )
        )
        self.stock.note(write, made.effect)

    def _sku(self) -> str:
        return str(self._dice.choice(self._teas)["variants"][0]["sku"])

    def _idle_cart(self) -> CartBook | None:
        idle = [book for book in self.carts[-40:] if book.takes_writes]
        return self._dice.choice(idle) if idle else None

    def opening(self, book: CartBook) -> dict[str, str]:
        """The headers that open a cart."""
        owner = next((one for one in self.accounts if one.cart is book), None)
        return self.addresses.headers | (owner.headers if owner else book.headers)
