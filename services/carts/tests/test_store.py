"""THE CONTRACT of CartStore: every store, races included."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from carts.cart import Cart, Edit, Facts, close, edit, new_cart, touched
from carts.store import CartStore, OwnerHasCart
from carts.stores import open_store
from shopdev.fixtures import require
from shopdev.mongod import Mongod, MongodUnavailable
from shopdev.ports import free_port
from shopkit.errors import RecordChanged, Unavailable
from shopkit.idempotency import Replay, ReplayExists
from shopkit.metrics import Metrics
from shopkit.values import Money, new_id

from .conftest import Clock

NASTY = 'quotes \' " ; $set {"$gt": ""} \\ emoji 🛒 日本語 naïve \u202e .dots. \x00 nul'
SHOP = {sku: Facts("p", NASTY, {"$where": NASTY, "a.b": ""}, None, Money(10**12, "EUR"), 999, True) for sku in "ABC"}


@dataclass
class Kept:
    """A store with the clock it reads."""

    store: CartStore
    clock: Clock
    url: str
    others: list[CartStore] = field(default_factory=list)

    async def replica(self) -> CartStore:
        """Another replica's store on the same database."""
        other = open_store(self.url, Metrics("test", "0"), self.clock)
        await other.prepare()
        self.others.append(other)
        return other

    def cart(self, owner: str | None = None, **quantities: int) -> Cart:
        """A cart at version 1, not kept yet."""
        token_hash = None if owner else uuid4().hex
        empty = new_cart(new_id(), owner, token_hash, self.clock())
        filled = edit(empty, [Edit(sku, delta=count) for sku, count in quantities.items()], SHOP, self.clock())
        return filled if quantities else touched(filled, self.clock())


@pytest.fixture
async def kept(store_url: str, clock: Clock) -> AsyncIterator[Kept]:
    store = open_store(store_url, Metrics("test", "0"), clock)
    await store.prepare()
    found = Kept(store, clock, store_url)
    yield found
    for each in (store, *found.others):
        await each.close()


def replay_of(clock: Clock, replay_id: str = "r") -> Replay:
    return Replay(replay_id, "fingerprint", b"\x00answer\xff", clock() + timedelta(hours=24))


async def test_what_was_kept_comes_back_equal(kept: Kept) -> None:
    cart = kept.cart(A=1, B=2)
    await kept.store.add(cart, None)
    assert await kept.store.find(cart.id) == cart
    assert cart.token_hash is not None
    assert await kept.store.find_of_token(cart.token_hash) == cart
    owned = kept.cart(owner=NASTY.replace("\x00", ""))
    await kept.store.add(owned, None)
    assert owned.owner is not None
    assert await kept.store.find_of_owner(owned.owner) == owned


async def test_what_was_never_kept_is_not_found(kept: Kept) -> None:
    assert await kept.store.find("nothing") is None
    assert await kept.store.find_of_owner("nobody") is None
    assert await kept.store.find_of_token("no-hash") is None
    assert await kept.store.find_replay("nothing") is None


async def test_a_save_takes_the_next_version_alone(kept: Kept) -> None:
    cart = kept.cart(A=1)
    with pytest.raises(RecordChanged):
        await kept.store.save(touched(cart, kept.clock()), None)
    await kept.store.add(cart, None)
    second = edit(cart, [Edit("B", delta=1)], SHOP, kept.clock())
    await kept.store.save(second, None)
    for stale in (second, edit(cart, [Edit("C", delta=1)], SHOP, kept.clock()), replace(second, version=9)):
        with pytest.raises(RecordChanged):
            await kept.store.save(stale, None)
    assert await kept.store.find(cart.id) == second


async def test_a_version_is_current_until_the_next_is_kept_and_until_the_cart_expires(kept: Kept) -> None:
    cart = kept.cart(A=1)
    assert not await kept.store.is_current(cart.id, 1)
    await kept.store.add(cart, None)
    other = await kept.replica()
    assert [await kept.store.is_current(cart.id, version) for version in (0, 1, 2)] == [False, True, False]
    await other.save(touched(cart, kept.clock()), None)
    assert [await kept.store.is_current(cart.id, version) for version in (1, 2)] == [False, True]
    kept.clock.moment = cart.expires_at
    assert not await kept.store.is_current(cart.id, 2)


async def test_a_large_cart_comes_back_equal_after_every_save(kept: Kept) -> None:
    shop = {f"S{number}": SHOP["A"] for number in range(60)}
    empty = new_cart(new_id(), None, uuid4().hex, kept.clock())
    cart = edit(empty, [Edit(sku, delta=1) for sku in shop], shop, kept.clock())
    await kept.store.add(cart, None)
    whole = set()
    for number in range(40):
        wish = Edit(f"S{number * 7 % 60}", quantity=number % 3)
        cart = edit(cart, [wish, Edit("S59", quantity=2 + number % 2)], shop, kept.clock())
        await kept.store.save(cart, None)
        assert await kept.store.find(cart.id) == cart
        whole.add(cart.whole_at)
    assert 3 < len(whole) < 20
    closed = close(cart, kept.clock())
    await kept.store.save(closed, None)
    assert await kept.store.find(cart.id) == closed


async def test_of_20_racing_saves_of_one_version_one_wins(kept: Kept) -> None:
    cart = kept.cart(A=1)
    await kept.store.add(cart, None)
    stores = [kept.store, await kept.replica()]
    saves = [stores[n % 2].save(edit(cart, [Edit("B", delta=n + 1)], SHOP, kept.clock()), None) for n in range(20)]
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, RecordChanged) for outcome in outcomes) == 19


async def test_20_writers_on_two_replicas_lose_nothing(kept: Kept) -> None:
    cart = kept.cart()
    await kept.store.add(cart, None)
    stores = [kept.store, await kept.replica()]

    async def add_one(store: CartStore, sku: str) -> None:
        while True:
            found = await store.find(cart.id)
            assert found is not None
            try:
                return await store.save(edit(found, [Edit(sku, delta=1)], SHOP, kept.clock()), None)
            except RecordChanged:
                await asyncio.sleep(0)

    await asyncio.gather(*(add_one(stores[n % 2], "AB"[n % 2]) for n in range(20)))
    after = await kept.store.find(cart.id)
    assert after is not None
    assert {line.sku: line.wanted for line in after.lines} == {"A": 10, "B": 10}
    assert after.version == 21


async def test_64_saves_at_once_are_all_kept_but_for_the_stale_ones(kept: Kept) -> None:
    other = await kept.replica()
    carts = [kept.cart(A=1) for _ in range(64)]
    await asyncio.gather(*(kept.store.add(cart, None) for cart in carts))
    for cart in carts[::10]:
        await other.save(edit(cart, [Edit("C", delta=1)], SHOP, kept.clock()), None)
    nexts = [edit(cart, [Edit("B", delta=1)], SHOP, kept.clock()) for cart in carts]
    outcomes = await asyncio.gather(*(kept.store.save(cart, None) for cart in nexts), return_exceptions=True)
    stale = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, RecordChanged)]
    assert stale == list(range(0, 64, 10))
    assert all(outcome is None for number, outcome in enumerate(outcomes) if number not in stale)
    found = await asyncio.gather(*(other.find(cart.id) for cart in carts))
    assert [cart for cart, outcome in zip(found, outcomes, strict=True) if outcome is None] == [
        cart for cart, outcome in zip(nexts, outcomes, strict=True) if outcome is None
    ]


async def test_a_caller_who_leaves_takes_no_other_along(kept: Kept) -> None:
    carts = [kept.cart(A=1) for _ in range(3)]
    for cart in carts:
        await kept.store.add(cart, None)
    saves = [asyncio.create_task(kept.store.save(touched(cart, kept.clock()), None)) for cart in carts]
    await asyncio.sleep(0)
    saves[1].cancel()
    outcomes = await asyncio.gather(*saves, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), asyncio.CancelledError, type(None)]
    assert await kept.store.find(carts[2].id) == touched(carts[2], kept.clock())


async def test_a_cart_that_was_swept_out_is_not_brought_back(kept: Kept) -> None:
    cart = kept.cart(owner="user", A=1)
    await kept.store.add(cart, None)
    kept.clock.moment = cart.expires_at
    # Room is made for it by sweeping the expired one out.
    await kept.store.add(kept.cart(owner="user"), None)
    with pytest.raises(RecordChanged):
        await kept.store.save(touched(cart, kept.clock()), None)
    assert await kept.store.find(cart.id) is None


async def test_a_user_has_one_open_cart_however_many_are_made_at_once(kept: Kept) -> None:
    stores = [kept.store, await kept.replica()]
    outcomes = await asyncio.gather(
        *(stores[n % 2].add(kept.cart(owner="user"), None) for n in range(10)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, OwnerHasCart) for outcome in outcomes) == 9


async def test_a_closed_cart_makes_room_for_a_new_one(kept: Kept) -> None:
    cart = kept.cart(owner="user", A=1)
    await kept.store.add(cart, None)
    await kept.store.save(close(cart, kept.clock()), None)
    assert await kept.store.find_of_owner("user") is None
    closed = await kept.store.find(cart.id)
    assert closed is not None
    assert (closed.is_open, closed.lines) == (False, ())
    await kept.store.add(kept.cart(owner="user"), None)


async def test_an_expired_cart_is_not_found_and_makes_room(kept: Kept) -> None:
    cart, guest = kept.cart(owner="user"), kept.cart(A=1)
    await kept.store.add(cart, None)
    await kept.store.add(guest, None)
    kept.clock.moment = guest.expires_at - timedelta(milliseconds=1)
    assert await kept.store.find(guest.id) == guest
    kept.clock.moment = guest.expires_at
    assert await kept.store.find(guest.id) is None
    assert await kept.store.find(cart.id) == cart
    kept.clock.moment = cart.expires_at
    assert await kept.store.find_of_owner("user") is None
    await kept.store.add(kept.cart(owner="user"), None)


async def test_a_replay_is_kept_with_its_change_or_neither_is(kept: Kept) -> None:
    cart, replay = kept.cart(A=1), replay_of(kept.clock)
    await kept.store.add(cart, replay)
    assert await kept.store.find_replay("r") == replay
    second = edit(cart, [Edit("B", delta=1)], SHOP, kept.clock())
    with pytest.raises(ReplayExists):
        await kept.store.save(second, replay)
    with pytest.raises(ReplayExists):
        await kept.store.add(kept.cart(), replay)
    assert await kept.store.find(cart.id) == cart
    with pytest.raises(RecordChanged):
        await kept.store.save(replace(second, version=7), replay_of(kept.clock, "other"))
    assert await kept.store.find_replay("other") is None


async def test_of_racing_requests_with_one_key_one_has_its_effect(kept: Kept) -> None:
    stores = [kept.store, await kept.replica()]
    carts = [kept.cart(A=1) for _ in range(10)]
    outcomes = await asyncio.gather(
        *(stores[n % 2].add(cart, replay_of(kept.clock)) for n, cart in enumerate(carts)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ReplayExists) for outcome in outcomes) == 9
    assert sum([await kept.store.find(cart.id) is not None for cart in carts]) == 1


async def test_a_replay_is_forgotten_when_it_expires(kept: Kept) -> None:
    await kept.store.add(kept.cart(), replay_of(kept.clock))
    kept.clock.pass_(hours=24)
    assert await kept.store.find_replay("r") is None


async def test_a_merge_changes_both_carts_or_neither(kept: Kept) -> None:
    saved, guest = kept.cart(owner="user", A=1), kept.cart(B=1)
    await kept.store.add(saved, None)
    await kept.store.add(guest, None)
    merged, closed = edit(saved, [Edit("B", delta=1)], SHOP, kept.clock()), close(guest, kept.clock())
    for stale in ((replace(merged, version=7), closed), (merged, replace(closed, version=7))):
        with pytest.raises(RecordChanged):
            await kept.store.merge(*stale, replay_of(kept.clock))
    assert (await kept.store.find(saved.id), await kept.store.find(guest.id)) == (saved, guest)
    await kept.store.merge(merged, closed, replay_of(kept.clock))
    assert (await kept.store.find(saved.id), await kept.store.find(guest.id)) == (merged, closed)
    with pytest.raises(ReplayExists):
        await kept.store.merge(touched(merged, kept.clock()), touched(closed, kept.clock()), replay_of(kept.clock))


async def test_a_merge_into_no_cart_makes_one_and_only_one(kept: Kept) -> None:
    stores = [kept.store, await kept.replica()]
    guests = [kept.cart(A=1) for _ in range(4)]
    for guest in guests:
        await kept.store.add(guest, None)
    merges = [
        stores[n % 2].merge(kept.cart(owner="user", A=1), close(guest, kept.clock()), replay_of(kept.clock, f"m{n}"))
        for n, guest in enumerate(guests)
    ]
    outcomes = await asyncio.gather(*merges, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, OwnerHasCart) for outcome in outcomes) == 3


async def test_the_largest_cart_fits(kept: Kept) -> None:
    shop = {
        f"S{n}": Facts("p", "n" * 200, {"o" * 100: "v" * 1000}, "/i" * 1000, Money(10**12, "EUR"), None, True)
        for n in range(100)
    }
    empty = new_cart(new_id(), None, "hash", kept.clock())
    cart = edit(empty, [Edit(sku, delta=999) for sku in shop], shop, kept.clock())
    await kept.store.add(cart, None)
    assert await kept.store.find(cart.id) == cart


async def test_two_replicas_may_prepare_at_once_and_again(store_url: str, clock: Clock) -> None:
    stores = [open_store(store_url, Metrics("test", "0"), clock) for _ in range(3)]
    await asyncio.gather(*(store.prepare() for store in stores))
    cart = touched(new_cart(new_id(), "user", None, clock()), clock())
    await stores[0].add(cart, None)
    assert await stores[1].find(cart.id) == cart
    await asyncio.gather(*(store.close() for store in stores))
    again = open_store(store_url, Metrics("test", "0"), clock)
    await again.prepare()
    assert await again.find(cart.id) == cart
    await again.close()


async def test_a_sqlite_store_tells_when_its_file_is_out_of_reach(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "folder").write_text("in the way")
    store = open_store(f"sqlite:///{tmp_path}/folder/carts.db", Metrics("test", "0"), clock)
    for call in (
        store.prepare(),
        store.find("x"),
        store.add(touched(new_cart("x", None, "h", clock()), clock()), None),
    ):
        with pytest.raises(Unavailable):
            await call
    (tmp_path / "folder").unlink()
    await store.prepare()
    await store.ping()
    (tmp_path / "folder" / "carts.db").unlink()
    with pytest.raises(Unavailable):
        await store.ping()
    await store.close()


async def test_a_mongo_store_tells_when_its_server_is_down(tmp_path: Path, clock: Clock) -> None:
    port = free_port()
    store = open_store(f"mongodb://127.0.0.1:{port}/carts?replicaSet=trolley", Metrics("test", "0"), clock)
    for call in (store.prepare, store.ping, lambda: store.find("x")):
        with pytest.raises(Unavailable):
            await call()
    server = Mongod(tmp_path / "mongod", port)
    try:
        await asyncio.to_thread(server.start)
    except MongodUnavailable as error:
        require("mongo", str(error))
    await store.prepare()
    await store.ping()
    server.kill()
    with pytest.raises(Unavailable):
        await store.ping()
    await store.close()
