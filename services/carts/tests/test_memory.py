"""What a replica remembers of carts, and that nobody is ever answered from it: two replicas on one store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import httpx
import pytest
from msgspec import structs

from carts.app import create_app
from carts.cart import Cart, Edit, Facts, close, edit, new_cart, touched
from carts.memory import Memory, size_of
from carts.pricing import price
from carts.settings import Settings
from shopdev.clients import client_of
from shopdev.people import People
from shopkit.values import Money

from .conftest import Clock, Guest, Products, new_guest, quantities
from .wire import Wire

SAVE = b"updates\x00"
SHOP = {sku: Facts("p", sku, {}, None, Money(100, "EUR"), None, True) for sku in "ABC"}


def cart_of(clock: Clock, cart_id: str, owner: str | None = None, skus: str = "") -> Cart:
    empty = new_cart(cart_id, owner, None if owner else f"hash of {cart_id}", clock())
    return edit(empty, [Edit(sku, delta=1) for sku in skus], SHOP, clock()) if skus else touched(empty, clock())


async def test_the_newest_open_cart_is_remembered_by_id_owner_and_token(clock: Clock) -> None:
    memory = Memory(clock, 2**20)
    guests, users = cart_of(clock, "g"), cart_of(clock, "u", owner="user")
    for cart in (guests, users):
        memory.keep(cart)
    second = touched(guests, clock())
    memory.keep(second)
    memory.keep(guests)
    assert (memory.find("g"), memory.find_of_token("hash of g")) == (second, second)
    assert (memory.find("u"), memory.find_of_owner("user")) == (users, users)
    assert [memory.find("x"), memory.find_of_owner("hash of g"), memory.find_of_token("user")] == [None] * 3
    memory.keep(close(users, clock()))
    assert [memory.find("u"), memory.find_of_owner("user")] == [None, None]
    memory.forget("g", 1)
    assert memory.find("g") == second
    memory.forget("g", 2)
    assert [memory.find("g"), memory.find_of_token("hash of g")] == [None, None]


async def test_a_new_cart_of_a_user_takes_the_place_of_the_old_one(clock: Clock) -> None:
    memory = Memory(clock, 2**20)
    old, new = cart_of(clock, "old", owner="user"), cart_of(clock, "new", owner="user")
    for cart in (old, new):
        memory.keep(cart)
    memory.forget("old", 1)
    assert memory.find_of_owner("user") == new


async def test_an_expired_cart_is_not_remembered(clock: Clock) -> None:
    memory = Memory(clock, 2**20)
    cart = cart_of(clock, "g")
    memory.keep(cart)
    clock.moment = cart.expires_at
    assert [memory.find_of_token("hash of g"), memory.find("g")] == [None, None]


async def test_memory_is_bounded_in_carts_and_in_what_they_hold(clock: Clock) -> None:
    large = cart_of(clock, "5", skus="ABC")
    memory = Memory(clock, 2 * size_of(large) - 1, carts_max=3)
    for name in ("1", "2", "3", "1", "4"):
        memory.keep(cart_of(clock, name))
    assert [memory.find(name) is not None for name in "1234"] == [True, False, True, True]
    memory.keep(large)
    memory.keep(cart_of(clock, "6", skus="ABC"))
    assert [memory.find(name) is not None for name in "13456"] == [False, False, False, False, True]
    # What a line says counts, not only that it is there; and so does what has happened to the cart.
    wordy = SHOP | {"D": structs.replace(large.lines[0].seen, name="x" * 1000)}
    more = edit(large, [Edit("D", delta=1)], wordy, clock())
    for cart in (large, more):
        price(cart, wordy, stale=False)
    assert size_of(more) > size_of(large) + 1000
    assert size_of(edit(large, [Edit("A", delta=1)], SHOP, clock())) > size_of(large)


@dataclass
class Replicas:
    """Two applications on one store. The guest's cart was made on the first; both have changed it and remember it."""

    first: httpx.AsyncClient
    second: httpx.AsyncClient
    guest: Guest

    def on(self, client: httpx.AsyncClient) -> Guest:
        """The same guest, on that replica."""
        return Guest(client, {"id": self.guest.id, "token": self.guest.token})

    @property
    def here(self) -> Guest:
        """On the replica that knows what is new."""
        return self.on(self.first)

    @property
    def there(self) -> Guest:
        """On the replica whose memory is stale after a change here."""
        return self.on(self.second)


@pytest.fixture
async def replicas(store_url: str, settings: Settings, clock: Clock) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(client_of(create_app(replace(settings, store_url=store_url), clock=clock)))
            for _ in range(2)
        ]
        found = Replicas(first, second, await new_guest(first, ("FEW", 2), ("A", 1)))
        assert (await found.there.set("FEW", 3)).status_code == 200
        assert (await found.here.set("B", 1)).status_code == 200
        assert (await found.there.set("C", 1)).status_code == 200
        yield found


async def finds(client: httpx.AsyncClient) -> int:
    """How often a replica has asked its store for a cart."""
    lines = (await client.get("/metrics")).text.splitlines()
    counts = [line for line in lines if line.startswith('store_call_duration_seconds_count{operation="find')]
    return sum(int(float(line.split()[-1])) for line in counts)


async def test_a_change_of_a_cart_seen_lately_reads_nothing(replicas: Replicas, people: People) -> None:
    before = await finds(replicas.second)
    for n in range(3):
        assert (await replicas.there.add("A")).status_code == 200
        answer = await replicas.second.post("/carts", json={"sku": "A", "quantity": 1}, headers=replicas.there.headers)
        assert answer.status_code == 200
        await replicas.there.set("A", 1)
        await replicas.there.set("C", n)
    assert await finds(replicas.second) == before
    bearer = people.bearer("user")
    await replicas.second.post("/carts", json={}, headers=bearer)
    before = await finds(replicas.second)
    answer = await replicas.second.post("/carts", json={"sku": "A", "quantity": 1}, headers=bearer)
    assert (answer.json()["version"], await finds(replicas.second)) == (2, before)


async def test_a_read_tells_what_the_store_holds(replicas: Replicas) -> None:
    for quantity in range(2, 6):
        await replicas.here.set("A", quantity)
        assert quantities((await replicas.there.get()).json())["A"] == quantity
        assert (await replicas.there.get("/history")).json()["items"][0]["after"] == quantity
    await replicas.here.call("DELETE")
    assert (await replicas.there.get()).status_code == 404


async def test_a_cart_seen_lately_is_read_by_its_version_and_told_at_present_prices(
    replicas: Replicas, products: Products
) -> None:
    before, first = await finds(replicas.second), await replicas.there.get()
    assert (await replicas.there.get()).content == first.content
    current = (await replicas.second.get("/carts/current", headers=replicas.there.headers)).content
    assert (current, await finds(replicas.second)) == (first.content, before)
    products.sell("A", 1234)
    answer = await replicas.there.get(headers={"If-None-Match": first.headers["ETag"]})
    assert answer.status_code == 200
    assert {line["sku"]: line["unit_price"]["amount"] for line in answer.json()["lines"]}["A"] == 1234
    assert answer.json()["notices"][0]["code"] == "price_changed"
    assert await finds(replicas.second) == before
    products.sell("A")
    assert (await replicas.there.get(headers={"If-None-Match": first.headers["ETag"]})).status_code == 304
    # A change elsewhere is read, and remembered.
    await replicas.here.set("A", 7)
    assert [quantities((await replicas.there.get()).json())["A"] for _ in range(2)] == [7, 7]
    assert await finds(replicas.second) == before + 1


async def test_a_cart_that_has_expired_or_was_deleted_is_told_no_more(replicas: Replicas, clock: Clock) -> None:
    other = await new_guest(replicas.second, ("A", 1))
    for _ in range(2):
        assert (await other.get()).status_code == 200
    await other.call("DELETE")
    clock.pass_(days=31)
    for guest in (other, replicas.there):
        assert (await guest.get()).status_code == 404


async def test_a_refusal_is_never_decided_on_a_stale_cart(replicas: Replicas) -> None:
    # There are three of FEW: the cart remembered there holds all of them, the cart itself holds none.
    assert (await replicas.here.set("FEW", 0)).status_code == 200
    answer = await replicas.there.add("FEW", 3)
    assert (answer.status_code, quantities(answer.json())["FEW"]) == (200, 3)
    # And the other way round: what was refused on the remembered cart is refused with what is true now.
    assert (await replicas.here.set("FEW", 1)).status_code == 200
    answer = await replicas.there.add("FEW", 3)
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    assert quantities((await replicas.there.get()).json())["FEW"] == 1


async def test_a_change_of_nothing_is_never_decided_on_a_stale_cart(replicas: Replicas) -> None:
    made = await replicas.here.set("A", 5)
    # A is 1 in the cart that is remembered there.
    answer = await replicas.there.set("A", 1)
    assert (answer.json()["version"], quantities(answer.json())["A"]) == (made.json()["version"] + 1, 1)
    await replicas.here.set("A", 7)
    path, keyed = "/carts", replicas.there.headers | {"Idempotency-Key": "nothing-to-change"}
    answers = [await replicas.second.post(path, json={}, headers=keyed) for _ in range(2)]
    assert [quantities(answer.json())["A"] for answer in answers] == [7, 7]
    assert answers[1].headers["Idempotency-Replayed"] == "true"


async def test_if_match_is_held_against_the_cart_and_not_against_what_is_remembered(replicas: Replicas) -> None:
    stale = (await replicas.here.get()).headers["ETag"]
    tag = (await replicas.here.set("A", 5)).headers["ETag"]
    answer = await replicas.there.set("A", 6, headers={"If-Match": tag})
    assert (answer.status_code, quantities(answer.json())["A"]) == (200, 6)
    for method, path, body in (("PUT", "/lines/A", {"quantity": 9}), ("DELETE", "", None)):
        answer = await replicas.here.call(method, path, json=body, headers={"If-Match": stale})
        assert (answer.status_code, quantities(answer.json()["current"])["A"]) == (412, 6)


async def test_a_cart_deleted_elsewhere_is_not_changed_here(replicas: Replicas) -> None:
    assert (await replicas.here.call("DELETE")).status_code == 204
    assert (await replicas.there.add("A")).status_code == 404
    assert (await replicas.there.call("POST", "/undo", json={"version": 4})).status_code == 404
    assert (await replicas.there.call("DELETE")).status_code == 204
    answer = await replicas.second.post("/carts", json={"sku": "A", "quantity": 1}, headers=replicas.there.headers)
    assert (answer.status_code, quantities(answer.json())) == (201, {"A": 1})
    assert answer.json()["id"] != replicas.guest.id


async def test_what_was_done_here_is_taken_back_there(replicas: Replicas) -> None:
    made = (await replicas.here.set("A", 5)).json()["version"]
    answer = await replicas.there.call("POST", "/undo", json={"version": made})
    assert (answer.status_code, quantities(answer.json())["A"]) == (200, 1)


async def test_a_merge_takes_both_carts_as_they_are(replicas: Replicas, people: People) -> None:
    bearer = people.bearer("user")
    for client in (replicas.first, replicas.second, replicas.first):
        await client.post("/carts", json={"sku": "D", "quantity": 1}, headers=bearer)
    await replicas.here.set("A", 5)
    both = bearer | replicas.there.headers
    merged = await replicas.second.post("/carts/merge", json={}, headers=both)
    assert quantities(merged.json()["cart"]) == {"D": 3, "FEW": 3, "A": 5, "B": 1, "C": 1}
    again = await replicas.first.post("/carts/merge", json={}, headers=both)
    assert again.content == merged.content
    assert (await replicas.here.add("A")).status_code == 404
    added = await replicas.first.post("/carts", json={"sku": "D", "quantity": 1}, headers=bearer)
    assert quantities(added.json()) == {"D": 4, "FEW": 3, "A": 5, "B": 1, "C": 1}


async def test_another_token_opens_no_remembered_cart(replicas: Replicas, people: People) -> None:
    for headers in ({"Cart-Token": "guess"}, people.bearer("user"), {}):
        answer = await replicas.second.post(
            f"/carts/{replicas.guest.id}/lines", json={"sku": "A", "quantity": 1}, headers=headers
        )
        assert answer.status_code == 404


async def test_20_writers_on_two_replicas_lose_nothing(replicas: Replicas) -> None:
    before = (await replicas.here.get()).json()

    async def write(number: int) -> None:
        guest = (replicas.here, replicas.there)[number % 2]
        for _ in range(5):
            answer = await guest.add("AB"[number % 2])
            while answer.status_code == 409:
                answer = await guest.add("AB"[number % 2])
            assert answer.status_code == 200, answer.text

    await asyncio.gather(*(write(number) for number in range(20)))
    after = (await replicas.there.get()).json()
    assert after["version"] == before["version"] + 100
    assert quantities(after) == quantities(before) | {"A": 51, "B": 51}


async def test_a_store_that_is_down_is_asked_once_and_the_change_is_not_made_twice(
    mongo_url: str, settings: Settings
) -> None:
    async with Wire(mongo_url) as wire:
        app = create_app(replace(settings, store_url=wire.url))
        async with client_of(app) as client:
            guest = await new_guest(client, ("A", 1))
            wire.losing[SAVE] = 9
            answer = await guest.add("A")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            wire.losing[SAVE] = 0
            assert quantities((await guest.get()).json()) == {"A": 2}
            assert quantities((await guest.add("A")).json()) == {"A": 3}
