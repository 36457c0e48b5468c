"""A price or stock changed on one replica is seen on the reads of the others within a second, and carts tell it."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from threading import Condition
from typing import Any

import httpx
import pytest

from shopdev.clients import Process

from .conftest import STORES, Shop, store_url
from .test_shop import new_sku, product

Answer = dict[str, Any]
Ask = Callable[[], Answer]
SECONDS = 1.0
CHANGES = 50


@dataclass
class Live:
    """Two replicas of products and two of carts, each pair on one store. Changes are made on the first of products."""

    products: list[httpx.Client]
    carts: list[httpx.Client]
    staff: dict[str, str]

    def change(self, method: str, path: str, body: Any) -> float:
        """Makes a change on the first replica; when it was acknowledged."""
        answer = self.products[0].request(method, path, json=body, headers=self.staff)
        assert answer.status_code == 200, answer.text
        return time.monotonic()


@dataclass
class Tea:
    """A product that lies in a guest's cart, and the ways in which other replicas are asked for both."""

    live: Live
    sku: str = field(default_factory=lambda: new_sku("TEA"))

    def __post_init__(self) -> None:
        body = product(self.sku, 450, 9, category=self.sku)
        self.made = self.live.products[0].post("/products", json=body, headers=self.live.staff).json()
        self.cart = self.live.carts[0].post("/carts", json={"sku": self.sku, "quantity": 5}).json()
        self.path = f"/products/{self.made['id']}"
        ways = [*self.any_way, self.among_those_in_stock]
        seen_within_a_second(time.monotonic(), ways, lambda now: now != {})

    def read(self, path: str) -> Answer:
        """What the second replica of products says of it; empty where a list does not hold it."""
        answer = self.live.products[1].get(path).raise_for_status().json()
        found: list[Answer] = answer.get("items", [answer])
        assert answer.get("total", len(found)) == len(found)
        return found[0] if found else {}

    def read_cart(self, client: httpx.Client) -> Answer:
        """The cart, as one replica shows it."""
        path, headers = f"/carts/{self.cart['id']}", {"Cart-Token": self.cart["token"]}
        answer: Answer = client.get(path, headers=headers).raise_for_status().json()
        return answer

    @property
    def among_those_in_stock(self) -> Ask:
        """The product, from a list of what is in stock."""
        return partial(self.read, f"/products?category={self.sku}&in_stock=true")

    @property
    def any_way(self) -> list[Ask]:
        """The product by id, by slug, in a list and by SKU."""
        paths = (f"/products/{self.made['slug']}", f"/products?category={self.sku}", f"/products?sku={self.sku}")
        return [partial(self.read, path) for path in (self.path, *paths)]

    @property
    def carts(self) -> list[Ask]:
        """The cart, as each replica shows it."""
        return [partial(self.read_cart, client) for client in self.live.carts]


@pytest.fixture(params=STORES, scope="module")
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    urls = {name: store_url(request, folder, name) for name in ("users", "products", "carts")}
    users = Process("users", STORE_URL=urls["users"])
    products = [Process("products", STORE_URL=urls["products"], USERS_URL=users.url) for _ in range(2)]
    carts = [Process("carts", STORE_URL=urls["carts"], USERS_URL=users.url, PRODUCTS_URL=each.url) for each in products]
    processes = [users, *products, *carts]

    async def start() -> None:
        await asyncio.gather(*(process.start() for process in processes))

    with ExitStack() as stack:
        asyncio.run(start())
        for process in processes:
            stack.callback(process.stop)
        first, *others = [stack.enter_context(httpx.Client(base_url=process.url, timeout=20)) for process in processes]
        staff = Shop(first, others[0], others[2], {"users": users}).staff()
        yield Live(others[:2], others[2:], staff)


def seen_within_a_second(since: float, asks: Sequence[Ask], fits: Callable[[Answer], bool]) -> None:
    """Asks all at once, again and again; fails if one that was asked a second after `since` still does not fit."""

    def wait(ask: Ask) -> None:
        while True:
            asked = time.monotonic()
            answer = ask()
            if fits(answer):
                return
            assert asked - since < SECONDS, answer

    with ThreadPoolExecutor(len(asks)) as pool:
        list(pool.map(wait, asks))


def euros(amount: int) -> Answer:
    return {"amount": amount, "currency": "EUR"}


def told(cart: Answer) -> list[tuple[Any, ...]]:
    return [(notice["code"], notice["sku"], notice["old"], notice["new"]) for notice in cart["notices"]]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_price_is_seen_on_every_replica_and_noticed_in_carts_within_a_second(live: Live, method: str) -> None:
    tea = Tea(live)
    ways = [*tea.any_way, tea.among_those_in_stock]
    # Whatever a replica might keep of the old price, it keeps from here on.
    assert [ask()["price_from"] for ask in ways] == [euros(450)] * 5
    assert [told(ask()) for ask in tea.carts] == [[], []]
    path = tea.path if method == "PATCH" else f"{tea.path}/variants/{tea.sku}"
    for version, amount in [(2, 500), (3, 400)]:
        price, notice = euros(amount), ("price_changed", tea.sku, euros(450), euros(amount))
        since = live.change(method, path, {"price": price, "stock": 9})

        def has_it(now: Answer, version: int = version, price: Answer = price) -> bool:
            return (now["version"], now["price_from"], now["variants"][0]["price"]) == (version, price, price)

        def tells_it(cart: Answer, price: Answer = price, notice: tuple[Any, ...] = notice) -> bool:
            return (told(cart), cart["lines"][0]["unit_price"]) == ([notice], price)

        with ThreadPoolExecutor(2) as pool:
            seen = pool.submit(seen_within_a_second, since, ways, has_it)
            noticed = pool.submit(seen_within_a_second, since, tea.carts, tells_it)
        assert (seen.result(), noticed.result()) == (None, None)


@pytest.mark.parametrize(
    ("delta", "stock", "code", "left"),
    [(-7, 2, "quantity_reduced", 2), (-9, 0, "unavailable", 0)],
)
def test_a_stock_is_seen_on_every_replica_and_noticed_in_carts_within_a_second(
    live: Live, delta: int, stock: int, code: str, left: int
) -> None:
    tea = Tea(live)
    assert [ask()["variants"][0]["stock"] for ask in (*tea.any_way, tea.among_those_in_stock)] == [9] * 5
    assert [told(ask()) for ask in tea.carts] == [[], []]
    for change, count, notices, quantity in [(delta, stock, [(code, tea.sku, 5, left)], left), (-delta, 9, [], 5)]:
        since = live.change("POST", "/stock", {"changes": [{"sku": tea.sku, "delta": change}]})

        def has_it(now: Answer, count: int = count) -> bool:
            return (now["variants"][0]["stock"], now["in_stock"]) == (count, count > 0)

        def is_in_stock(now: Answer, count: int = count) -> bool:
            # Another replica may have it a moment later.
            return (now != {} and has_it(now, count)) if count else now == {}

        def tells_it(cart: Answer, notices: list[Any] = notices, quantity: int = quantity) -> bool:
            return (told(cart), cart["item_count"]) == (notices, quantity)

        with ThreadPoolExecutor(3) as pool:
            seen = pool.submit(seen_within_a_second, since, tea.any_way, has_it)
            listed = pool.submit(seen_within_a_second, since, [tea.among_those_in_stock], is_in_stock)
            noticed = pool.submit(seen_within_a_second, since, tea.carts, tells_it)
        assert (seen.result(), listed.result(), noticed.result()) == (None, None, None)


def test_a_product_that_is_archived_is_noticed_in_carts_within_a_second(live: Live) -> None:
    tea = Tea(live)
    assert [told(ask()) for ask in tea.carts] == [[], []]
    since = live.change("PATCH", tea.path, {"status": "archived"})
    seen_within_a_second(since, tea.carts, lambda cart: told(cart) == [("unavailable", tea.sku, 5, 0)])


Seen = tuple[int, int]


class Race:
    """Readers that ask again and again while prices change; each ends when it was told the last."""

    def __init__(self, readers: Sequence[Callable[[], Seen]], last: int) -> None:
        self._readers = readers
        self._last = last
        self._latest = [0] * len(readers)
        self._news = Condition()
        self.written_at = math.inf

    def begin(self, pool: ThreadPoolExecutor) -> list[Future[list[Seen]]]:
        """All readers begin."""
        return [pool.submit(self._read, number) for number in range(len(self._readers))]

    def _read(self, number: int) -> list[Seen]:
        """All that one reader was told, in order: version and price."""
        seen: list[Seen] = []
        while not seen or seen[-1][1] != self._last:
            asked = time.monotonic()
            assert asked - self.written_at < SECONDS, seen[-1]
            seen.append(self._readers[number]())
            with self._news:
                self._latest[number] = seen[-1][1]
                self._news.notify_all()
        return seen

    def all_have(self, price: int) -> bool:
        """Waits until every reader was told this price or a later one."""
        with self._news:
            return self._news.wait_for(lambda: min(self._latest) >= price, timeout=30)


def test_of_50_prices_in_a_row_no_reader_goes_back_and_all_have_the_last_within_a_second(live: Live) -> None:
    tea = Tea(live)
    first, last = 450, 450 + CHANGES

    def read_product(ask: Ask) -> Seen:
        now = ask()
        return now["version"], now["price_from"]["amount"]

    def read_cart(ask: Ask) -> Seen:
        cart = ask()
        price = cart["lines"][0]["unit_price"]
        expected = [] if price == euros(first) else [("price_changed", tea.sku, euros(first), price)]
        assert told(cart) == expected
        return cart["version"], price["amount"]

    of_products = [partial(read_product, ask) for ask in (*tea.any_way, tea.among_those_in_stock)]
    of_carts = [partial(read_cart, ask) for ask in tea.carts]
    race = Race([*of_products, *of_carts], last)
    with ThreadPoolExecutor(len(of_products) + len(of_carts)) as pool:
        reading = race.begin(pool)
        try:
            assert race.all_have(first)
            for price in range(first + 1, last + 1):
                written_at = live.change("PATCH", tea.path, {"price": euros(price)})
                # Half-way it waits for every reader, so that each is in the middle of it, however slow.
                assert price != first + CHANGES // 2 or race.all_have(price)
            race.written_at = written_at
        finally:
            # Where a change failed the readers end too.
            race.written_at = min(race.written_at, time.monotonic())
        answers = [each.result() for each in reading]
    for seen in answers:
        assert seen == sorted(seen)
        assert len({price for _, price in seen}) >= 3
    assert {seen[-1] for seen in answers[: len(of_products)]} == {(1 + CHANGES, last)}
    assert {seen[-1] for seen in answers[len(of_products) :]} == {(tea.cart["version"], last)}
