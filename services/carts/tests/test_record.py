"""The record's text: what is written is read, in this form and in the earlier one; and what makes it cheap."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carts.cart import FRESH_MAX, LINES_MAX, Cart, Edit, Facts, close, edit, new_cart
from carts.history import HISTORY_MAX, Change, History, PriceNote
from carts.line import PackedLine
from carts.pricing import price
from carts.schemas import CartOut, cart_out
from carts.stores.record import from_texts, to_texts
from carts.undo import undo
from shopkit.errors import ShopError
from shopkit.values import Money

from .test_cart import MOMENT, SHOP, SKUS, cart_with, facts, wanted

# Each takes some ten milliseconds, but a busy machine may stop any of them for longer.
ANY_TIME = settings(deadline=None)
LATER = MOMENT + timedelta(milliseconds=123)
some_facts = st.builds(
    Facts,
    product_id=st.just("p"),
    name=st.sampled_from(
        ["Tea", "茶,\n", '"]'],
    ),
    options=st.sampled_from([{}, {"size": "M"}, {"size": "L", "": ",\n"}]),
    image_url=st.sampled_from([None, "/a.svg"]),
    price=st.builds(Money, st.integers(0, 5), st.sampled_from(["EUR", "EUR", "EUR", "USD"])),
    stock=st.sampled_from([None, 0, 1, 3, 999]),
    for_sale=st.sampled_from([True, True, True, False]),
)
shops = st.dictionaries(st.sampled_from(SKUS), st.one_of(some_facts, st.none()))
changes = st.one_of(
    st.builds(Edit, st.sampled_from(SKUS), quantity=st.integers(0, 3)),
    st.builds(Edit, st.sampled_from(SKUS), delta=st.integers(-2, 2)),
    st.integers(0, 6),
)
days = st.lists(st.tuples(changes, shops), max_size=8)


def versions_after(
    days: list[tuple[Edit | int, dict[str, Facts | None]]], price_at: Sequence[dict[str, Facts | None]] = ()
) -> list[Cart]:
    """The versions of a cart to which all happens that can; a number takes back what made that version. Each is priced
    at all of `price_at`.
    """
    versions = [cart_with(A=1, B=2)]
    for change, shop in days:
        cart = versions[-1]
        for told in price_at:
            price(cart, told, stale=False)
        try:
            cart = edit(cart, [change], shop, LATER) if isinstance(change, Edit) else undo(cart, change, shop, LATER)
        except ShopError:
            continue
        versions.append(cart)
    return versions


def after(days: list[tuple[Edit | int, dict[str, Facts | None]]]) -> Cart:
    """The last of them."""
    return versions_after(days)[-1]


def kept(*versions: Cart) -> Cart:
    """What is read after these versions were saved."""
    written = [to_texts(version) for version in versions]
    return from_texts(written[-1].record, next((texts.base for texts in reversed(written) if texts.base), None))


@ANY_TIME
@given(days)
def test_what_is_written_is_read(days: list[tuple[Edit | int, dict[str, Facts | None]]]) -> None:
    versions = versions_after(days)
    read, cart = kept(*versions), versions[-1]
    assert read == cart
    assert read.told() == cart.told()
    assert kept(*versions, close(cart, LATER)) == close(cart, LATER)


def test_what_is_written_is_read_whichever_of_it_was_kept_whole_before() -> None:
    random = Random(7)
    shop: dict[str, Facts | None] = {f"S{number}": facts(stock=500) for number in range(30)}
    versions = [cart_with(shop, S1=1)]
    for _ in range(150):
        wish = Edit(random.choice([*shop]), quantity=random.choice([0, 0, 1, 2, 3]))
        told = shop | ({random.choice([*shop]): facts(random.randint(90, 110))} if random.random() < 0.2 else {})
        versions.append(edit(versions[-1], [wish], told, LATER))
        if versions[-1] is versions[-2]:
            del versions[-1]
        assert kept(*versions) == versions[-1]
    whole = [cart.version for cart in versions if cart.whole_at == cart.version]
    assert 3 < len(whole) < len(versions) / 3
    assert max(len(to_texts(cart).record) for cart in versions) < FRESH_MAX + 1000


@ANY_TIME
@given(days, shops, st.booleans())
def test_a_cart_is_priced_as_one_of_which_nothing_was_made_before(
    days: list[tuple[Edit | int, dict[str, Facts | None]]], shop: dict[str, Facts | None], stale: bool
) -> None:
    def wire(cart: Cart) -> tuple[bytes, str]:
        priced = price(cart, shop, stale=stale)
        return msgspec.json.encode(cart_out(priced)), priced.tag

    versions = versions_after(days)
    cart = versions[-1]
    assert wire(cart) == wire(cart) == wire(kept(*versions))


@ANY_TIME
@given(days, shops)
def test_the_encoded_answer_is_what_its_type_says(
    days: list[tuple[Edit | int, dict[str, Facts | None]]], shop: dict[str, Facts | None]
) -> None:
    priced = price(after(days), shop, stale=False)
    sent = msgspec.json.decode(msgspec.json.encode(cart_out(priced, "secret")), type=CartOut)
    assert members(sent.lines) == members(priced.lines)
    assert members(sent.notices) == members(priced.notices)
    assert sent.subtotal == priced.subtotal
    assert sent.item_count == sum(line.quantity for line in priced.lines)
    assert (sent.subtotal.amount if sent.subtotal else 0) == sum(line.total.amount for line in priced.lines)
    assert sent.token == "secret"


@ANY_TIME
@given(days, shops, st.booleans())
def test_an_answer_put_together_from_the_one_before_is_what_would_be_made_anew(
    days: list[tuple[Edit | int, dict[str, Facts | None]]], shop: dict[str, Facts | None], stale: bool
) -> None:
    shops = [shop, *(shop for _, shop in days), {}]
    versions = versions_after(days, price_at=shops)
    for told in shops:
        assert_as_anew(versions, told, stale=stale)


def test_an_answer_of_many_lines_is_put_together_right_whatever_happens_to_them() -> None:
    random = Random(11)
    sold: dict[str, Facts | None] = {f"S{number}": facts(100 + number, stock=500) for number in range(40)}
    # Texts that look like a line's own, and notices that stay.
    sold["S1"] = Facts("p", '"},{"sku":"S2"', {"sku": "S2", "product_id": "p"}, None, Money(5, "EUR"), 3, True)
    versions = [cart_with(sold, **dict.fromkeys(list(sold)[:30], 2))]
    for _ in range(120):
        told = sold | {random.choice([*sold]): random.choice([facts(7, stock=1), None]) for _ in range(2)}
        wish = Edit(random.choice([*sold]), quantity=random.choice([0, 1, 1, 2]))
        assert_as_anew(versions, told, stale=False)
        try:
            versions.append(edit(versions[-1], [wish], told, LATER))
        except ShopError:
            continue
        if versions[-1] is versions[-2]:
            del versions[-1]
        assert_as_anew(versions, told, stale=False)


def assert_as_anew(versions: list[Cart], shop: dict[str, Facts | None], *, stale: bool) -> None:
    """The last version is priced as one that was read, of which nothing was made before."""
    priced, anew = (price(cart, shop, stale=stale) for cart in (versions[-1], kept(*versions)))
    assert msgspec.json.encode(cart_out(priced)) == msgspec.json.encode(cart_out(anew))
    assert priced.tag == anew.tag


def members(structs: object) -> object:
    return msgspec.to_builtins(structs)


def test_texts_of_any_script_and_line_breaks_are_kept() -> None:
    odd = Facts('p,\n["', "日本,\n語 \u2028", {"\n": ",\n"}, "\x00", Money(1, "EUR"), 1, True)
    versions = [cart_with({"A": odd}, A=1)]
    versions.append(edit(versions[-1], [Edit("A", quantity=0)], {"A": odd}, LATER))
    for number in range(HISTORY_MAX):
        versions.append(edit(versions[-1], [Edit("B", quantity=1 + number % 2)], SHOP, LATER))
        assert kept(*versions) == versions[-1]
    cart = versions[-1]
    assert cart.history[0].version == 3
    assert len(cart.told()) == HISTORY_MAX


def test_entries_keep_their_time_to_the_millisecond_and_all_kinds() -> None:
    moments = [datetime(2026, 1, 1, 0, 0, 0, 1000 * n, tzinfo=UTC) for n in (0, 1, 499, 500, 999)]
    line = cart_with(A=1).lines[0]
    entries = [
        Change(n, at, kind, "A", 2, 3, line if kind == "removed" else None)
        for n, (at, kind) in enumerate(zip(moments, ("added", "set", "removed", "merged", "undone"), strict=True))
    ]
    note = PriceNote(9, MOMENT, "A", Money(1, "EUR"), Money(2, "USD"))
    past = History().followed_by(entries).followed_by([note])
    assert past.told() == [*entries, note]
    assert past.in_base().told() == past.told()


# As it was written between release 0.1.0 and the present form: with prices noted beside the changes.
FIRST = """{"id":"c","version":4,"owner":"u","token_hash":null,"currency":"EUR","lines":[["A",1,2,
{"amount":450,"currency":"EUR"},["p","Tea",{},null,{"amount":500,"currency":"EUR"},7,true]]],"history":[
[1,"2026-11-23T12:00:00Z","added","A",0,1,null],
[2,"2026-11-23T12:00:00.5Z","added","B",0,2,null],
[3,"2026-11-23T12:00:01Z","removed","B",2,0,["B",7,2,{"amount":450,"currency":"EUR"},
["p","Tea",{},null,{"amount":450,"currency":"EUR"},null,true]]],
[4,"2026-11-23T12:00:02Z","set","A",1,2,null]],
"price_notes":[[3,"2026-11-23T12:00:01Z","A",{"amount":450,"currency":"EUR"},{"amount":500,"currency":"EUR"}]],
"created_at":"2026-11-23T12:00:00Z","updated_at":"2026-11-23T12:00:02Z","expires_at":"2026-12-23T12:00:00Z",
"is_open":true}"""


def test_a_record_of_the_first_form_is_read_and_written_in_the_present_one() -> None:
    cart = from_texts(FIRST, None)
    assert wanted(cart) == {"A": 2}
    assert [(one.version, one.sku, one.before) for one in cart.told()] == [
        (1, "A", 0),
        (2, "B", 0),
        (3, "A", Money(450, "EUR")),
        (3, "B", 2),
        (4, "A", 1),
    ]
    assert kept(cart) == cart
    # Behind the line that was removed, which finds its place free.
    added = edit(cart, [Edit("C", delta=1)], SHOP, LATER)
    assert [line.position for line in undo(added, 3, SHOP, LATER).lines] == [1, 7, 8]


# As it was written before carts were kept whole now and then.
SECOND = """{"id":"c","version":4,"owner":"u","token_hash":null,"currency":"EUR","created_at":"2026-11-23T12:00:00Z",
"updated_at":"2026-11-23T12:00:02Z","expires_at":"2026-12-23T12:00:00Z","last_position":7,
"held":[["A",1,2,"EUR",450,"p","Tea",{},null,500,7]],"past":[[3,1763899200000,2,"B",2,0,["B",7,2,"EUR",450,"p","Tea",{},
null,450,null]],[4,1763899200000,1,"A",1,2]]}"""


def test_a_record_of_the_second_form_is_read_and_goes_on() -> None:
    cart = from_texts(SECOND, None)
    assert wanted(cart) == {"A": 2}
    assert [(one.version, one.sku, one.before) for one in cart.history] == [(3, "B", 2), (4, "A", 1)]
    versions = [cart, edit(cart, [Edit("C", delta=1)], SHOP, LATER)]
    versions.append(undo(versions[-1], 3, SHOP, LATER))
    assert [line.position for line in kept(*versions).lines] == [1, 7, 8]
    assert kept(*versions) == versions[-1]


def test_a_release_that_knows_no_base_does_not_take_what_is_fresh_for_the_whole_cart() -> None:
    class Before(msgspec.Struct):
        held: tuple[PackedLine, ...] = ()

    assert msgspec.json.decode(SECOND, type=Before).held[0].sku == "A"
    with pytest.raises(msgspec.ValidationError, match="held"):
        msgspec.json.decode(to_texts(cart_with(A=1)).record, type=Before)


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_a_history_that_somebody_has_laid_out_anew_is_told_and_stays_bounded(indent: int | None) -> None:
    versions = [cart_with(A=1)]
    for number in range(HISTORY_MAX + 10):
        versions.append(edit(versions[-1], [Edit("A", quantity=2 + number % 2)], SHOP, LATER))
    cart = versions[-1]
    base = next(texts.base for texts in map(to_texts, reversed(versions)) if texts.base)
    record, base = (json.dumps(json.loads(text), indent=indent) for text in (to_texts(cart).record, base))
    anew = from_texts(record, base)
    assert anew.told() == cart.told()
    for number in range(2 * HISTORY_MAX):
        anew = edit(anew, [Edit("A", quantity=4 + number % 2)], SHOP, LATER)
        assert anew.told()[-1].version == anew.version
    assert len(anew.told()) == HISTORY_MAX


def full_cart() -> tuple[Cart, dict[str, Facts | None]]:
    shop: dict[str, Facts | None] = {f"S{number}": facts(stock=500) for number in range(LINES_MAX)}
    cart = cart_with(shop, **dict.fromkeys(shop, 1))
    price(cart, shop, stale=False)
    return cart, shop


def test_a_change_makes_anew_only_the_line_it_touches() -> None:
    cart, shop = full_cart()
    changed = edit(cart, [Edit("S7", delta=1)], shop, LATER)
    assert [line.sku for line, was in zip(changed.lines, cart.lines, strict=True) if line is not was] == ["S7"]
    texts = to_texts(changed)
    assert texts.base is None
    assert [line[0] for line in json.loads(texts.record)["held"]["fresh"]] == ["S7"]


def test_a_change_adopts_another_price() -> None:
    cart, shop = full_cart()
    changed = edit(cart, [Edit("S7", delta=1)], shop | {"S3": facts(200, stock=500)}, LATER)
    assert [line.sku for line, was in zip(changed.lines, cart.lines, strict=True) if line is not was] == ["S3", "S7"]
    assert changed.fresh == {"S3", "S7"}


def test_a_cart_that_was_read_shares_the_facts_of_the_catalogue_after_its_next_change() -> None:
    cart, shop = full_cart()
    changed = edit(kept(cart), [Edit("S7", delta=1)], shop, LATER)
    assert all(line.seen is shop[line.sku] for line in changed.lines)
    assert changed.fresh == {"S7"}


def test_a_full_record_is_small() -> None:
    cart = new_cart("c", None, "hash", MOMENT)
    cart = edit(cart, [Edit("A", delta=1)], SHOP, LATER)
    sizes = []
    for number in range(2 * HISTORY_MAX):
        cart = edit(cart, [Edit("A", quantity=2 + number % 2)], SHOP, LATER)
        texts = to_texts(cart)
        sizes.append(len(texts.record))
        assert len(texts.base or "") < 40 * HISTORY_MAX
    assert max(sizes) < FRESH_MAX + 500
