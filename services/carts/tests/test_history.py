"""What happened to a cart, told and taken back: the rules, and over the wire on both stores."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as with_members
from pymongo import AsyncMongoClient

from carts.app import create_app
from carts.cart import HISTORY_MAX, LINES_MAX, Cart, Edit, Facts, close, edit, new_cart
from carts.merge import merge
from carts.settings import Settings
from carts.stores import open_store
from carts.undo import CannotUndo, undo
from shopdev.clients import client_of
from shopdev.people import People
from shopkit.metrics import Metrics

from .conftest import Clock, Guest, Products, new_guest, quantities
from .test_cart import MOMENT, SHOP, SKUS, Prices, cart_with, facts, held, prices, shop_at, wanted

# So small that no line ever comes to its limit.
small_edits = st.lists(
    st.one_of(
        st.builds(Edit, st.sampled_from(SKUS), quantity=st.integers(0, 5)),
        st.builds(Edit, st.sampled_from(SKUS), delta=st.integers(-3, 3)),
    ),
    max_size=6,
)
days = st.tuples(small_edits, prices)

DEARER = SHOP | {"A": facts(150)}


def notes(cart: Cart, version: int | None = None) -> list[tuple[int, str, int, int]]:
    """The price notes of one version, or of all."""
    return [
        (note.version, note.sku, note.before.amount, note.after.amount)
        for note in cart.price_notes
        if version in (None, note.version)
    ]


def test_a_change_notes_the_prices_that_have_changed_meanwhile_and_notes_them_once() -> None:
    cart = edit(cart_with(A=2, B=1), [Edit("B", delta=1)], DEARER, MOMENT)
    assert notes(cart) == [(2, "A", 100, 150)]
    cart = edit(cart, [Edit("B", delta=1)], DEARER, MOMENT)
    cart = edit(cart, [Edit("A", delta=1)], SHOP, MOMENT)
    assert notes(cart) == [(2, "A", 100, 150), (4, "A", 150, 100)]
    assert cart.told()[2:4] == [cart.price_notes[0], cart.history[2]]


def test_another_price_alone_is_no_change() -> None:
    cart = cart_with(A=2)
    assert edit(cart, [Edit("A", quantity=2)], DEARER, MOMENT) is cart


@pytest.mark.parametrize("shop", [{}, {"A": None}], ids=["products is down", "it has no such SKU any more"])
def test_a_price_that_is_not_told_is_not_noted(shop: dict[str, Facts | None]) -> None:
    assert notes(edit(cart_with(A=2, B=1), [Edit("B", quantity=0)], shop, MOMENT)) == []


@given(st.lists(days, max_size=12))
def test_each_version_notes_the_prices_of_its_lines_that_differ_from_those_last_noted(
    batches: list[tuple[list[Edit], Prices]],
) -> None:
    cart, noted = cart_with(), Prices()
    for batch, amounts in batches:
        after = edit(cart, batch, shop_at(amounts), MOMENT)
        if after is cart:
            continue
        stayed = [sku for sku in wanted(after) if sku in noted and noted[sku] != amounts[sku]]
        assert notes(after, after.version) == [(after.version, sku, noted[sku], amounts[sku]) for sku in stayed]
        cart, noted = after, {sku: amounts[sku] for sku in wanted(after)}


@given(st.lists(days, min_size=1, max_size=6), st.data())
def test_what_can_be_undone_and_what_comes_of_it_does_not_depend_on_prices(
    batches: list[tuple[list[Edit], Prices]], data: st.DataObject
) -> None:
    moving = steady = cart_with(A=1, B=2, C=3)
    for batch, amounts in batches:
        moving, steady = edit(moving, batch, shop_at(amounts), MOMENT), edit(steady, batch, SHOP, MOMENT)
    version = data.draw(st.integers(1, steady.version))
    assert moving.version == steady.version
    outcomes = []
    for cart, shop in ((moving, shop_at(batches[0][1])), (steady, SHOP)):
        try:
            outcomes.append(wanted(undo(cart, version, shop, MOMENT)))
        except CannotUndo as error:
            outcomes.append(error.detail)
    assert outcomes[0] == outcomes[1]


def test_undo_leaves_the_prices_where_they_are_and_a_later_price_does_not_hinder_it() -> None:
    cart = edit(cart_with(A=1, B=1), [Edit("A", delta=1)], DEARER, MOMENT)
    cart = edit(cart, [Edit("B", delta=1)], SHOP | {"A": facts(175)}, MOMENT)
    assert notes(cart) == [(2, "A", 100, 150), (3, "A", 150, 175)]
    back = undo(cart, 2, SHOP | {"A": facts(175)}, MOMENT)
    assert wanted(back) == {"A": 1, "B": 2}
    assert back.lines[0].seen.price.amount == 175
    assert notes(back) == notes(cart)


def test_a_line_brought_back_notes_what_its_price_has_become() -> None:
    removed = edit(cart_with(A=1, B=1), [Edit("A", quantity=0)], DEARER, MOMENT)
    assert notes(removed) == []
    assert notes(undo(removed, removed.version, DEARER, MOMENT)) == [(3, "A", 100, 150)]


def test_a_merge_notes_the_prices_of_both_carts_lines() -> None:
    saved, guest = cart_with(A=1), cart_with({"A": facts(120), "B": facts(80)}, A=2, B=1)
    shop: dict[str, Facts | None] = {"A": facts(150), "B": facts(90)}
    merged, _ = merge(saved, guest, "sum", shop, MOMENT)
    assert notes(merged) == [(2, "A", 100, 150), (2, "B", 80, 90)]
    back = undo(merged, merged.version, shop, MOMENT + timedelta(hours=24))
    assert (held(back), notes(back)) == (held(saved), notes(merged))


def test_a_merge_that_changes_no_line_notes_prices_with_its_version_and_cannot_be_undone() -> None:
    merged, _ = merge(cart_with(A=1), cart_with(A=2), "keep_saved", DEARER, MOMENT)
    assert (merged.version, notes(merged)) == (2, [(2, "A", 100, 150)])
    with pytest.raises(CannotUndo):
        undo(merged, 2, DEARER, MOMENT)


def test_price_notes_count_in_the_bounded_history_and_whole_versions_are_kept() -> None:
    cart = cart_with(A=1, B=1)
    for number in range(HISTORY_MAX):
        cart = edit(cart, [Edit("A", quantity=2 + number % 2)], shop_at({"A": number, "B": number}), MOMENT)
    told = [one.version for one in cart.told()]
    assert HISTORY_MAX - 3 < len(told) <= HISTORY_MAX
    assert {told.count(version) for version in told} == {3}
    assert told[-1] == cart.version


def test_the_fullest_version_is_kept_whole_and_can_be_undone() -> None:
    skus = [f"S{number}" for number in range(LINES_MAX)]
    cart = cart_with({sku: facts(100) for sku in skus}, **dict.fromkeys(skus, 1))
    dearer: dict[str, Facts | None] = {sku: facts(200) for sku in skus}
    changed = edit(cart, [Edit(sku, delta=1) for sku in skus], dearer, MOMENT)
    assert [one.version for one in changed.told()] == [2] * HISTORY_MAX
    assert wanted(undo(changed, 2, dearer, MOMENT)) == wanted(cart)


def test_a_closed_cart_keeps_no_history() -> None:
    cart = edit(cart_with(A=1), [Edit("A", delta=1)], DEARER, MOMENT)
    assert close(cart, MOMENT).told() == []


@pytest.fixture
def settings(settings: Settings, store_url: str) -> Settings:
    return replace(settings, store_url=store_url)


async def told_of(guest: Guest) -> list[tuple[Any, ...]]:
    """The history as the wire tells it."""
    items = (await guest.get("/history")).json()["items"]
    return [(item["version"], item["kind"], item["sku"], item["before"], item["after"]) for item in items]


def euros(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


async def test_the_history_tells_all_that_happened_newest_first_and_is_kept_with_the_cart(
    client: httpx.AsyncClient, products: Products, people: People, settings: Settings, clock: Clock
) -> None:
    bearer = people.bearer("user")
    mine = Guest(client, (await client.post("/carts", json={}, headers=bearer)).json() | {"token": ""})
    mine.headers = bearer
    await mine.add("A", 2)
    await mine.add("B", 1)
    products.sell("A", 1200)
    await mine.set("B", 0)
    guest = await new_guest(client, ("A", 1), ("C", 1))
    await client.post("/carts/merge", json={}, headers=bearer | guest.headers)
    await mine.set("A", 1)
    expected = [
        (6, "set", "A", 3, 1),
        (5, "merged", "C", 0, 1),
        (5, "merged", "A", 2, 3),
        (4, "removed", "B", 1, 0),
        (4, "price_noted", "A", euros(1000), euros(1200)),
        (3, "added", "B", 0, 1),
        (2, "added", "A", 0, 2),
    ]
    assert await told_of(mine) == expected
    async with client_of(create_app(settings, clock=clock)) as after_a_restart:
        mine.client = after_a_restart
        assert await told_of(mine) == expected


async def test_reading_a_cart_and_asking_for_what_is_already_so_note_no_price(
    client: httpx.AsyncClient, products: Products
) -> None:
    guest = await new_guest(client, ("A", 2))
    products.sell("A", 1200)
    cart = (await guest.get()).json()
    same = (await guest.set("A", 2)).json()
    assert [notice["code"] for notice in cart["notices"]] == ["price_changed"]
    assert (cart["version"], same["version"], await told_of(guest)) == (1, 1, [(1, "added", "A", 0, 2)])


async def test_a_change_is_taken_back_though_prices_have_changed_and_only_once(
    client: httpx.AsyncClient, products: Products
) -> None:
    guest = await new_guest(client, ("A", 2), ("B", 1))
    await guest.set("A", 0)
    products.sell("B", 900)
    await guest.add("C", 1)
    undone = await guest.call("POST", "/undo", json={"version": 2})
    assert (undone.status_code, quantities(undone.json()), undone.json()["version"]) == (
        200,
        {"A": 2, "B": 1, "C": 1},
        4,
    )
    assert (await told_of(guest))[:3] == [
        (4, "undone", "A", 0, 2),
        (3, "added", "C", 0, 1),
        (3, "price_noted", "B", euros(1000), euros(900)),
    ]
    again = await guest.call("POST", "/undo", json={"version": 2})
    assert (again.status_code, again.json()["code"]) == (409, "cannot_undo")


@pytest.mark.parametrize(("hours", "status"), [(24, 200), (24.001, 409)])
async def test_a_merge_is_taken_back_for_24_hours(
    client: httpx.AsyncClient, people: People, clock: Clock, products: Products, hours: float, status: int
) -> None:
    bearer = people.bearer("user")
    cart = (await client.post("/carts", json={"sku": "A", "quantity": 1}, headers=bearer)).json()
    guest = await new_guest(client, ("A", 3), ("B", 1))
    products.sell("A", 1200)
    merged = (await client.post("/carts/merge", json={}, headers=bearer | guest.headers)).json()["cart"]
    clock.pass_(hours=hours)
    undone = await client.post(f"/carts/{cart['id']}/undo", json={"version": merged["version"]}, headers=bearer)
    assert undone.status_code == status
    mine = (await client.get("/carts/current", headers=bearer)).json()
    assert quantities(mine) == ({"A": 1} if status == 200 else {"A": 4, "B": 1})


async def test_the_history_over_the_wire_holds_the_last_200(client: httpx.AsyncClient, products: Products) -> None:
    guest = await new_guest(client, ("A", 1))
    for number in range(110):
        products.sell("A", 1001 + number)
        await guest.set("A", 2 + number % 2)
    told = await told_of(guest)
    assert (len(told), told[0][0], told[-1][0]) == (HISTORY_MAX, 111, 12)


# As release 0.1.0 wrote it, before prices were noted.
OLD = """{"id":"old-cart","version":2,"owner":null,"token_hash":"old-hash","currency":"EUR","lines":[["A",1,1,
{"amount":450,"currency":"EUR"},["p","Tea",{"size":"M"},null,{"amount":450,"currency":"EUR"},null,true]]],"history":[
[1,"2026-11-23T12:00:00Z","added","A",0,1,null],[1,"2026-11-23T12:00:00Z","added","B",0,2,null],
[2,"2026-11-23T12:00:00Z","removed","B",2,0,["B",2,2,{"amount":450,"currency":"EUR"},
["p","Tea",{"size":"M"},null,{"amount":450,"currency":"EUR"},null,true]]]],"created_at":"2026-11-23T12:00:00Z",
"updated_at":"2026-11-23T12:00:00Z","expires_at":"2026-12-23T12:00:00Z","is_open":true}"""


async def put_in_place(store_url: str, cart_id: str, record: str) -> None:
    """Replaces the text of a kept record."""
    if store_url.startswith("sqlite"):
        with sqlite3.connect(store_url.removeprefix("sqlite:///")) as connection:
            connection.execute("UPDATE carts SET record = ? WHERE id = ?", (record, cart_id))
        connection.close()
        return
    async with AsyncMongoClient[dict[str, Any]](store_url) as mongo:
        await mongo.get_default_database()["carts"].update_one({"_id": cart_id}, {"$set": {"record": record}})


async def test_a_record_from_before_prices_were_noted_reads_and_is_changed_as_any_other(
    store_url: str, clock: Clock
) -> None:
    store = open_store(store_url, Metrics("test", "0"), clock)
    await store.prepare()
    await store.add(with_members(new_cart("old-cart", None, "old-hash", clock()), version=2), None)
    await put_in_place(store_url, "old-cart", OLD)
    old = await store.find("old-cart")
    assert old is not None
    assert [(one.version, one.kind, one.sku, one.before, one.after) for one in old.history] == [
        (1, "added", "A", 0, 1),
        (1, "added", "B", 0, 2),
        (2, "removed", "B", 2, 0),
    ]
    assert (wanted(old), old.price_notes) == ({"A": 1}, ())
    back = undo(old, 2, {"A": facts(500)}, clock())
    assert (wanted(back), notes(back)) == ({"A": 1, "B": 2}, [(3, "A", 450, 500)])
    await store.save(back, None)
    assert await store.find("old-cart") == back
    await store.close()
