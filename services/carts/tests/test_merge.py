"""Merging carts: property by property, and over the wire."""

from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carts.cart import LINES_MAX, QUANTITY_MAX, Cart, Facts, new_cart
from carts.merge import Mode, merge
from carts.undo import CannotUndo, undo
from shopdev.people import People

from .conftest import Products, new_guest, quantities
from .test_cart import MOMENT, SHOP, SKUS, cart_with, facts, wanted

MODES: tuple[Mode, ...] = ("sum", "max", "keep_saved", "keep_guest")
amounts = st.dictionaries(st.sampled_from(SKUS), st.integers(1, QUANTITY_MAX))


def saved_cart(**quantities: int) -> Cart:
    return cart_with(**quantities)


@given(amounts, amounts, st.sampled_from(MODES), st.one_of(st.none(), st.integers(0, 1500)))
def test_a_merge_never_shrinks_the_union_but_by_stated_caps(
    ours: dict[str, int], theirs: dict[str, int], mode: Mode, stock: int | None
) -> None:
    shop: dict[str, Facts | None] = {sku: facts(stock=stock) for sku in SKUS}
    saved, guest = saved_cart(**ours), saved_cart(**theirs)
    merged, report = merge(saved, guest, mode, shop, MOMENT)
    assert {line.sku: line.result for line in report} == wanted(merged)
    assert wanted(merged).keys() == ours.keys() | theirs.keys()
    for line in report:
        a, b = ours.get(line.sku, 0), theirs.get(line.sku, 0)
        assert (line.saved, line.guest) == (a, b)
        if not (a and b):
            assert (line.outcome, line.result) == ("kept", a + b)
        elif mode == "sum":
            cap = min(QUANTITY_MAX, max(a, b, QUANTITY_MAX if stock is None else stock))
            assert line.result == min(a + b, cap)
            assert line.outcome == ("summed" if a + b <= cap else "capped")
        else:
            assert line.result == {"max": max(a, b), "keep_saved": a, "keep_guest": b}[mode]
            assert line.outcome == ("kept" if line.result == a else "replaced")
    assert merged.version == saved.version + 1


def test_caps_say_their_reason() -> None:
    for stock in (None, 5000):
        merged, report = merge(saved_cart(A=600), saved_cart(A=600), "sum", {"A": facts(stock=stock)}, MOMENT)
        assert (wanted(merged), report[0].outcome, report[0].reason) == ({"A": 999}, "capped", "quantity_limit")
    merged, report = merge(saved_cart(A=3), saved_cart(A=4), "sum", {"A": facts(stock=5)}, MOMENT)
    assert (wanted(merged), report[0].outcome, report[0].reason) == ({"A": 5}, "capped", "insufficient_stock")


def test_what_finds_no_room_is_dropped_and_told() -> None:
    shop: dict[str, Facts | None] = {f"S{number}": facts() for number in range(LINES_MAX)}
    full = cart_with(shop, **{f"S{number}": 1 for number in range(LINES_MAX)})
    merged, report = merge(full, cart_with(A=2), "sum", SHOP, MOMENT)
    assert len(merged.lines) == LINES_MAX
    assert (report[-1].sku, report[-1].outcome, report[-1].result, report[-1].reason) == (
        "A",
        "dropped",
        0,
        "line_limit",
    )
    foreign = cart_with({"A": facts(currency="USD")}, A=2)
    _, report = merge(saved_cart(B=1), foreign, "sum", SHOP, MOMENT)
    assert (report[-1].outcome, report[-1].reason) == ("dropped", "currency_mismatch")


def test_a_merge_can_be_undone_for_24_hours() -> None:
    saved = saved_cart(A=1, B=2)
    merged, _ = merge(saved, saved_cart(B=3, C=4), "sum", SHOP, MOMENT)
    assert undo(merged, merged.version, SHOP, MOMENT + timedelta(hours=24)).lines == saved.lines
    with pytest.raises(CannotUndo):
        undo(merged, merged.version, SHOP, MOMENT + timedelta(hours=24, seconds=1))


def test_a_user_without_a_cart_gets_the_guests_lines_in_their_order() -> None:
    merged, _ = merge(new_cart("new", "user", None, MOMENT), saved_cart(B=1, A=2), "sum", SHOP, MOMENT)
    assert [line.sku for line in merged.lines] == ["B", "A"]
    assert (merged.version, merged.owner, merged.currency) == (1, "user", "EUR")


async def test_merging_over_the_wire_reports_and_the_guest_cart_is_gone(
    client: httpx.AsyncClient, people: People
) -> None:
    bearer = people.bearer("user")
    await client.post(
        "/carts", json={"lines": [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 2}]}, headers=bearer
    )
    guest = await new_guest(client, ("B", 3), ("C", 4))
    answer = await client.post("/carts/merge", json={"mode": "sum"}, headers=bearer | guest.headers)
    assert answer.status_code == 200
    assert quantities(answer.json()["cart"]) == {"A": 1, "B": 5, "C": 4}
    assert {line["sku"]: line["outcome"] for line in answer.json()["report"]} == {
        "A": "kept",
        "B": "summed",
        "C": "kept",
    }
    assert (await guest.get()).status_code == 404
    again = await client.post("/carts/merge", json={"mode": "sum"}, headers=bearer | guest.headers)
    assert (again.status_code, again.content) == (200, answer.content)
    current = (await client.get("/carts/current", headers=bearer)).json()
    assert quantities(current) == {"A": 1, "B": 5, "C": 4}


async def test_a_merge_is_only_for_the_signed_in_with_a_token_of_a_guest_cart(
    client: httpx.AsyncClient, people: People
) -> None:
    guest = await new_guest(client, ("A", 1))
    anonymous = await client.post("/carts/merge", json={}, headers=guest.headers)
    assert (anonymous.status_code, anonymous.headers["WWW-Authenticate"]) == (401, "Bearer")
    bearer = people.bearer("user")
    assert (await client.post("/carts/merge", json={}, headers=bearer)).status_code == 422
    assert (await client.post("/carts/merge", json={}, headers=bearer | {"Cart-Token": "x"})).status_code == 404
    assert (await client.post("/carts/merge", json={}, headers=bearer | guest.headers)).status_code == 200
    thief = await client.post("/carts/merge", json={}, headers=people.bearer("thief") | guest.headers)
    assert thief.status_code == 404


async def test_a_merge_goes_on_while_products_is_down(
    client: httpx.AsyncClient, people: People, products: Products
) -> None:
    guest = await new_guest(client, ("A", 1))
    products.down = True
    answer = await client.post("/carts/merge", json={}, headers=people.bearer("user") | guest.headers)
    assert (answer.status_code, quantities(answer.json()["cart"])) == (200, {"A": 1})
    assert answer.json()["cart"]["stale"] is True
