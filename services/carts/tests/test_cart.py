"""The rules of carts, without any I/O: against a model, and at their limits."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carts.cart import (
    GUEST_LIFE,
    HISTORY_MAX,
    LINES_MAX,
    OWNED_LIFE,
    QUANTITY_MAX,
    Cart,
    CatalogueUnavailable,
    CurrencyMismatch,
    Edit,
    Facts,
    InsufficientStock,
    LineLimit,
    QuantityLimit,
    UnknownSku,
    edit,
    new_cart,
)
from carts.pricing import price
from carts.undo import CannotUndo, undo
from shopkit.values import Money

MOMENT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SKUS = ("A", "B", "C", "D")


def facts(amount: int = 100, stock: int | None = None, currency: str = "EUR", *, for_sale: bool = True) -> Facts:
    return Facts("product", "Name", {}, None, Money(amount, currency), stock, for_sale)


SHOP = {sku: facts(amount) for amount, sku in enumerate(SKUS, start=100)}


def cart_with(catalogue: dict[str, Facts | None] | None = None, **quantities: int) -> Cart:
    empty = new_cart("cart", None, "hash", MOMENT)
    return edit(empty, [Edit(sku, delta=count) for sku, count in quantities.items()], catalogue or SHOP, MOMENT)


def wanted(cart: Cart) -> dict[str, int]:
    return {line.sku: line.wanted for line in cart.lines}


edits = st.lists(
    st.one_of(
        st.builds(Edit, st.sampled_from(SKUS), quantity=st.integers(0, QUANTITY_MAX)),
        st.builds(Edit, st.sampled_from(SKUS), delta=st.integers(-50, 50)),
    ),
    max_size=8,
)


Prices = dict[str, int]
prices = st.fixed_dictionaries({sku: st.integers(1, 5) for sku in SKUS})
# What is asked of a cart, each time at the prices of the day.
days = st.tuples(edits, prices)


def shop_at(amounts: Prices) -> dict[str, Facts | None]:
    return {sku: facts(amount) for sku, amount in amounts.items()}


def held(cart: Cart) -> list[tuple[str, int, int, Money]]:
    """All of a cart's lines but the catalogue's last word."""
    return [(line.sku, line.position, line.wanted, line.added_price) for line in cart.lines]


@given(st.lists(days, max_size=12))
def test_set_add_and_remove_agree_with_a_model_whatever_the_prices(batches: list[tuple[list[Edit], Prices]]) -> None:
    cart, shop = cart_with(), SHOP
    model: dict[str, int] = {}
    for batch, amounts in batches:
        shop = shop_at(amounts)
        after = dict(model)
        for wish in batch:
            count = after.get(wish.sku, 0) + wish.delta if wish.quantity is None else wish.quantity
            after[wish.sku] = max(0, count)
            if after[wish.sku] > QUANTITY_MAX:
                break
        if max(after.values(), default=0) > QUANTITY_MAX:
            with pytest.raises(QuantityLimit):
                edit(cart, batch, shop, MOMENT)
            continue
        model = {sku: count for sku, count in after.items() if count}
        before, cart = cart, edit(cart, batch, shop, MOMENT)
        assert wanted(cart) == model
        assert cart.version == before.version + (wanted(before) != model)
    priced = price(cart, shop, stale=False)
    total = sum(facts_.price.amount * model.get(sku, 0) for sku, facts_ in shop.items() if facts_)
    assert (priced.subtotal.amount if priced.subtotal else 0) == total
    assert priced.item_count == sum(model.values())


@given(st.lists(days, min_size=1, max_size=6), prices, prices)
def test_undoing_the_last_change_gives_the_lines_before_it_whatever_the_prices(
    batches: list[tuple[list[Edit], Prices]], tomorrow: Prices, in_two_days: Prices
) -> None:
    cart = cart_with(A=1, B=2, C=3)
    for batch, amounts in batches:
        try:
            after = edit(cart, batch, shop_at(amounts), MOMENT)
        except QuantityLimit:
            continue
        if after is not cart:
            back = undo(after, after.version, shop_at(tomorrow), MOMENT)
            assert held(back) == held(cart)
            assert back.version == after.version + 1
            assert held(undo(back, back.version, shop_at(in_two_days), MOMENT)) == held(after)
        cart = after


def test_a_change_that_changes_nothing_makes_no_version() -> None:
    cart = cart_with(A=2)
    assert edit(cart, [Edit("A", quantity=2), Edit("B", quantity=0), Edit("A", delta=0)], SHOP, MOMENT) is cart


def test_a_line_holds_999_and_not_one_more() -> None:
    assert wanted(cart_with(A=QUANTITY_MAX)) == {"A": 999}
    with pytest.raises(QuantityLimit):
        cart_with(A=QUANTITY_MAX + 1)
    with pytest.raises(QuantityLimit):
        edit(cart_with(A=QUANTITY_MAX), [Edit("A", delta=1)], SHOP, MOMENT)


def test_a_cart_holds_100_lines_and_not_one_more() -> None:
    shop: dict[str, Facts | None] = {f"S{number}": facts() for number in range(LINES_MAX + 1)}
    full = cart_with(shop, **{f"S{number}": 1 for number in range(LINES_MAX)})
    assert len(full.lines) == 100
    with pytest.raises(LineLimit):
        edit(full, [Edit("S100", delta=1)], shop, MOMENT)
    assert edit(full, [Edit("S0", quantity=0), Edit("S100", delta=1)], shop, MOMENT).line("S100")


def test_stock_may_be_bought_to_the_last_piece_and_not_beyond() -> None:
    shop: dict[str, Facts | None] = {"A": facts(stock=3)}
    cart = cart_with(shop, A=3)
    with pytest.raises(InsufficientStock) as refused:
        edit(cart, [Edit("A", delta=1)], shop, MOMENT)
    assert refused.value.facts == {"sku": "A", "available": 3}


def test_when_stock_has_shrunk_counting_begins_at_what_can_be_bought() -> None:
    cart = cart_with(A=5)
    shop: dict[str, Facts | None] = {"A": facts(stock=3)}
    assert wanted(edit(cart, [Edit("A", delta=-1)], shop, MOMENT)) == {"A": 2}
    assert wanted(edit(cart, [Edit("A", quantity=3)], shop, MOMENT)) == {"A": 3}
    with pytest.raises(InsufficientStock):
        edit(cart, [Edit("A", quantity=4)], shop, MOMENT)


def test_what_is_not_sold_cannot_be_added_but_can_be_removed() -> None:
    cart = cart_with(A=2)
    for gone in (None, facts(for_sale=False)):
        with pytest.raises(UnknownSku):
            edit(cart, [Edit("A", delta=1)], {"A": gone}, MOMENT)
        assert wanted(edit(cart, [Edit("A", quantity=0)], {"A": gone}, MOMENT)) == {}


def test_a_silent_catalogue_stops_only_what_was_never_seen() -> None:
    cart = cart_with(A=2)
    assert wanted(edit(cart, [Edit("A", delta=1)], {}, MOMENT)) == {"A": 3}
    with pytest.raises(CatalogueUnavailable):
        edit(cart, [Edit("B", delta=1)], {}, MOMENT)


def test_all_lines_are_in_one_currency() -> None:
    shop: dict[str, Facts | None] = {"A": facts(), "U": facts(currency="USD")}
    with pytest.raises(CurrencyMismatch):
        cart_with(shop, A=1, U=1)
    assert cart_with(shop, U=1).currency == "USD"


def test_a_line_keeps_the_price_when_added_and_tells_the_present_one() -> None:
    cart = edit(cart_with(A=2), [Edit("A", delta=1)], {"A": facts(150)}, MOMENT)
    priced = price(cart, {"A": facts(150)}, stale=False)
    line, notice = priced.lines[0], priced.notices[0]
    assert (line.added_price.amount, line.unit_price.amount, line.total.amount) == (100, 150, 450)
    assert (notice.code, notice.old, notice.new) == ("price_changed", Money(100, "EUR"), Money(150, "EUR"))


@pytest.mark.parametrize(
    ("now", "code", "quantity"),
    [
        (facts(stock=2), "quantity_reduced", 2),
        (facts(stock=0), "unavailable", 0),
        (facts(for_sale=False), "unavailable", 0),
        (facts(currency="USD"), "unavailable", 0),
        (None, "unavailable", 0),
    ],
)
def test_what_cannot_be_bought_any_more_is_told_and_not_counted(now: Facts | None, code: str, quantity: int) -> None:
    priced = price(cart_with(A=5, B=1), SHOP | {"A": now}, stale=False)
    notice = priced.notices[0]
    assert (notice.code, notice.sku, notice.old, notice.new) == (code, "A", 5, quantity)
    assert priced.lines[0].quantity == quantity
    assert priced.item_count == quantity + 1
    assert priced.subtotal == Money(quantity * 100 + 101, "EUR")


def test_the_tag_is_the_version_and_differs_where_the_answer_does() -> None:
    cart = cart_with(A=1)
    plain = price(cart, SHOP, stale=False).tag
    others = {price(cart, SHOP | {"A": facts(101)}, stale=False).tag, price(cart, SHOP, stale=True).tag}
    assert plain == str(cart.version)
    assert len(others | {plain}) == 3
    assert all(tag.startswith(f"{cart.version}-") for tag in others)


def test_the_history_tells_what_each_version_did() -> None:
    cart = cart_with(A=1)
    cart = edit(cart, [Edit("A", delta=1), Edit("B", delta=2)], SHOP, MOMENT)
    cart = edit(cart, [Edit("A", quantity=1)], SHOP, MOMENT)
    cart = edit(cart, [Edit("B", quantity=0)], SHOP, MOMENT)
    told = [(change.version, change.kind, change.sku, change.before, change.after) for change in cart.history]
    assert told == [
        (1, "added", "A", 0, 1),
        (2, "added", "A", 1, 2),
        (2, "added", "B", 0, 2),
        (3, "set", "A", 2, 1),
        (4, "removed", "B", 2, 0),
    ]


def test_the_history_is_bounded_by_whole_versions() -> None:
    cart = cart_with(A=1)
    for number in range(HISTORY_MAX):
        cart = edit(cart, [Edit("A", quantity=2 + number % 2), Edit("B", quantity=1 + number % 2)], SHOP, MOMENT)
    assert HISTORY_MAX - 2 < len(cart.history) <= HISTORY_MAX
    assert sum(change.version == cart.history[0].version for change in cart.history) == 2
    with pytest.raises(CannotUndo):
        undo(cart, 1, SHOP, MOMENT)


def test_a_change_whose_lines_were_changed_again_cannot_be_undone() -> None:
    cart = edit(cart_with(A=1), [Edit("A", delta=1)], SHOP, MOMENT)
    cart = edit(cart, [Edit("B", delta=1)], SHOP, MOMENT)
    with pytest.raises(CannotUndo):
        undo(cart, 1, SHOP, MOMENT)
    assert wanted(undo(cart, 2, SHOP, MOMENT)) == {"A": 1, "B": 1}
    with pytest.raises(CannotUndo):
        undo(cart, cart.version + 1, SHOP, MOMENT)


def test_an_undone_removal_finds_its_old_place_and_price() -> None:
    cart = cart_with(A=1, B=2, C=3)
    removed = edit(cart, [Edit("A", quantity=0)], SHOP, MOMENT)
    removed = edit(removed, [Edit("D", delta=1)], SHOP | {"A": facts(999)}, MOMENT)
    back = undo(removed, 2, SHOP, MOMENT)
    assert [line.sku for line in back.lines] == ["A", "B", "C", "D"]
    assert back.lines[0].added_price.amount == 100


def test_undo_never_mixes_currencies() -> None:
    shop: dict[str, Facts | None] = {"A": facts(), "U": facts(currency="USD")}
    emptied = edit(cart_with(shop, A=1), [Edit("A", quantity=0)], shop, MOMENT)
    other = edit(emptied, [Edit("U", delta=1)], shop, MOMENT)
    with pytest.raises(CurrencyMismatch):
        undo(other, emptied.version, shop, MOMENT)


def test_undo_never_makes_a_101st_line() -> None:
    shop: dict[str, Facts | None] = {f"S{number}": facts() for number in range(LINES_MAX + 1)}
    full = cart_with(shop, **{f"S{number}": 1 for number in range(LINES_MAX)})
    full = edit(full, [Edit("S0", quantity=0)], shop, MOMENT)
    full = edit(full, [Edit("S100", delta=1)], shop, MOMENT)
    with pytest.raises(LineLimit):
        undo(full, 2, shop, MOMENT)


@pytest.mark.parametrize(("owner", "life"), [(None, GUEST_LIFE), ("user", OWNED_LIFE)])
def test_a_change_puts_off_the_end(owner: str | None, life: timedelta) -> None:
    cart = new_cart("cart", owner, None, MOMENT)
    later = MOMENT + timedelta(days=5)
    assert cart.expires_at == MOMENT + life
    assert edit(cart, [Edit("A", delta=1)], SHOP, later).expires_at == later + life
    assert (GUEST_LIFE.days, OWNED_LIFE.days) == (30, 90)
