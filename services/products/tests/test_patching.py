"""JSON Merge Patch and changes of stock as rules. No I/O."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.patching import apply_patch, merge
from products.product import STOCK_MAX, Product
from products.schemas import ProductPatch
from products.stock import InsufficientStock, StockChange, StockLimit, UnknownSku, change_stock
from shopkit.errors import InvalidRequest

from .conftest import START, product, variant

LATER = START + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # The examples of RFC 7396, appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging_is_as_in_the_rfc(target: Any, patch: Any, result: Any) -> None:
    assert merge(target, patch) == result


def patched(before: Product, of_sku: str | None = None, **changes: Any) -> Product:
    return apply_patch(before, msgspec.convert(changes, ProductPatch), LATER, of_sku)


def test_a_patch_changes_what_it_names_and_nothing_else() -> None:
    before = product("Shirt", variant("A", size="M"), tags=("a", "b"), attributes={"x": "1", "y": "2"}, category="Tops")
    after = patched(before, name="Hat", tags=["c"], attributes={"x": None, "z": "3"}, image_url="/hat.svg")
    assert (after.name, after.tags, after.attributes, after.image_url) == (
        "Hat",
        ("c",),
        {"y": "2", "z": "3"},
        "/hat.svg",
    )
    assert (after.variants, after.category, after.slug, after.id) == (
        before.variants,
        "Tops",
        before.slug,
        before.id,
    )
    assert (after.version, after.updated_at) == (2, LATER)


def test_null_takes_a_member_back_to_its_default() -> None:
    before = product(description="d", category="c", tags=("t",), attributes={"a": "b"}, image_url="/x")
    after = patched(before, description=None, category=None, tags=None, attributes=None, image_url=None, slug=None)
    assert (after.description, after.category, after.tags, after.attributes, after.image_url) == (
        "",
        None,
        (),
        {},
        None,
    )
    assert after.slug == before.slug


def test_a_patch_of_nothing_is_no_change() -> None:
    before = product("Shirt", variant("A", size="M"), attributes={"a": "b"})
    assert patched(before) is before
    assert patched(before, name="Shirt", attributes={"a": "b", "c": None}, price={"amount": 1000}) is before


def test_price_and_stock_of_the_only_variant_change_without_its_options() -> None:
    after = patched(product("Shirt", variant("A", 5, size="M")), price={"amount": 7}, stock=None)
    assert after.variants == (variant("A", 7, None, size="M"),)
    assert patched(after, stock=0).variants == (variant("A", 7, 0, size="M"),)


def test_the_sku_of_the_only_variant_changes() -> None:
    before = product("Shirt", variant("A"))
    assert patched(before, sku="B").variants == (variant("B"),)


def test_of_several_variants_the_one_meant_must_be_named() -> None:
    before = product("Shirt", variant("A"), variant("B", size="M"))
    for changes in ({"stock": 1}, {"price": {"amount": 1}}, {"sku": "B"}):
        with pytest.raises(InvalidRequest) as refused:
            patched(before, **changes)
        assert refused.value.errors[0].pointer == f"#/{next(iter(changes))}"
    after = patched(before, of_sku="B", sku="B", stock=9)
    assert after.variants == (variant("A"), variant("B", stock=9, size="M"))


def test_one_variant_cannot_leave_the_currency_of_the_others() -> None:
    before = product("Shirt", variant("A"), variant("B"))
    with pytest.raises(InvalidRequest) as refused:
        patched(before, of_sku="A", price={"currency": "USD"})
    assert refused.value.errors[0].pointer == "#/price/currency"


def test_variants_are_replaced_whole_and_not_mixed_with_the_short_form() -> None:
    before = product("Shirt", variant("A"))
    new = {"sku": "B", "price": {"amount": 1, "currency": "USD"}}
    assert [v.sku for v in patched(before, variants=[new]).variants] == ["B"]
    with pytest.raises(InvalidRequest):
        patched(before, variants=[new], stock=1)


def test_attributes_are_counted_after_the_merge() -> None:
    before = product(attributes={f"a{number}": "" for number in range(100)})
    with pytest.raises(InvalidRequest) as refused:
        patched(before, attributes={"one-more": ""})
    assert refused.value.errors[0].pointer == "#/attributes"
    assert len(patched(before, attributes={"one-more": "", "a0": None}).attributes) == 100


def test_stock_changes_are_summed_and_leave_what_is_not_counted() -> None:
    products = [
        product("Shirt", variant("A", stock=5), variant("B", stock=None)),
        product("Hat", variant("C", stock=1)),
    ]
    changes = [StockChange("A", -3), StockChange("B", -9), StockChange("C", 2), StockChange("A", -2)]
    changed, stocks = change_stock(products, changes, LATER)
    assert stocks == {"A": 0, "B": None, "C": 3}
    assert [(p.version, p.updated_at, [v.stock for v in p.variants]) for p in changed] == [
        (2, LATER, [0, None]),
        (2, LATER, [3]),
    ]


def test_a_change_that_touches_nothing_makes_no_version() -> None:
    shirt = product("Shirt", variant("A", stock=None), variant("B", stock=1))
    assert change_stock([shirt], [StockChange("A", -1), StockChange("B", 0)], LATER) == ([], {"A": None, "B": 1})


def test_every_sku_that_falls_short_is_named() -> None:
    products = [product("Shirt", variant("A", stock=1), variant("B", stock=2), variant("C", stock=3))]
    with pytest.raises(InsufficientStock) as refused:
        change_stock(products, [StockChange("A", -2), StockChange("B", -2), StockChange("C", -4)], LATER)
    assert msgspec.to_builtins(refused.value.facts["skus"]) == [
        {"sku": "A", "available": 1, "wanted": 2},
        {"sku": "C", "available": 3, "wanted": 4},
    ]


def test_every_unknown_sku_is_pointed_at() -> None:
    with pytest.raises(UnknownSku) as refused:
        change_stock([product("Shirt", variant("A"))], [StockChange(sku, 1) for sku in ("X", "A", "Y")], LATER)
    assert [fault.pointer for fault in refused.value.errors] == ["#/changes/0/sku", "#/changes/2/sku"]


def test_a_stock_has_an_upper_bound() -> None:
    shirt = product("Shirt", variant("A", stock=STOCK_MAX - 1))
    assert change_stock([shirt], [StockChange("A", 1)], LATER)[1] == {"A": STOCK_MAX}
    with pytest.raises(StockLimit):
        change_stock([shirt], [StockChange("A", 2)], LATER)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(-6, 6)), min_size=1, max_size=12))
def test_stock_agrees_with_a_plain_sum(given_changes: list[tuple[str, int]]) -> None:
    before = {"A": 4, "B": 0, "C": 7}
    after = {sku: before[sku] + sum(d for named, d in given_changes if named == sku) for sku, _ in given_changes}
    shirt = product("Shirt", *(variant(sku, stock=stock) for sku, stock in before.items()))
    changes = [StockChange(sku, delta) for sku, delta in given_changes]
    if min(after.values()) < 0:
        with pytest.raises(InsufficientStock):
            change_stock([shirt], changes, LATER)
    else:
        assert change_stock([shirt], changes, LATER)[1] == after
