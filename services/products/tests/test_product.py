"""The rules of products, variants and words. No I/O."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products import product as rules
from products.product import LastVariant, VariantLimit
from products.words import is_slug, name_key, slug_candidates, slug_of, words_of
from shopkit.errors import InvalidRequest, NotFound
from shopkit.values import Money

from .conftest import START, product, variant

LATER = START + timedelta(minutes=1)


def test_the_price_from_is_that_of_the_cheapest_variant() -> None:
    assert product("Shirt", variant("A", 300), variant("B", 200), variant("C", 250)).price_from == Money(200, "EUR")


@pytest.mark.parametrize(
    ("stocks", "in_stock"), [((0,), False), ((0, 0), False), ((0, 1), True), ((None,), True), ((0, None), True)]
)
def test_a_product_is_in_stock_if_any_variant_is(stocks: tuple[int | None, ...], in_stock: bool) -> None:
    variants = [variant(f"S{number}", stock=stock) for number, stock in enumerate(stocks)]
    assert product("Shirt", *variants).in_stock is in_stock


def test_a_sku_cannot_stand_twice_in_a_product() -> None:
    with pytest.raises(InvalidRequest) as refused:
        product("Shirt", variant("A"), variant("B"), variant("A"))
    assert refused.value.errors[0].pointer == "#/variants/2/sku"


def test_a_change_makes_the_next_version_and_none_makes_none() -> None:
    before = product()
    after = rules.next_version(before, LATER, name="Other")
    assert (after.version, after.updated_at, after.created_at) == (2, LATER, START)
    assert rules.next_version(before, LATER, name=before.name) is before


def test_a_revision_without_a_slug_keeps_the_one_there_is() -> None:
    before = product(slug="kept")
    draft = rules.draft_of(before)
    assert rules.revise(before, draft, "active", LATER) is before
    changed = rules.revise(before, rules.draft_of(product("Hat", *before.variants)), "active", LATER)
    assert (changed.name, changed.id, changed.version) == ("Hat", before.id, 2)


def test_a_replaced_variant_keeps_its_place_and_a_new_one_comes_last() -> None:
    before = product("Shirt", variant("A"), variant("B"))
    replaced = rules.put_variant(before, variant("A", 7), LATER)
    assert [(v.sku, v.price.amount) for v in replaced.variants] == [("A", 7), ("B", 1000)]
    added = rules.put_variant(replaced, variant("C"), LATER)
    assert [v.sku for v in added.variants] == ["A", "B", "C"]
    assert added.version == 3


def test_the_only_variant_may_change_the_currency_but_one_of_several_may_not() -> None:
    dollars = rules.Variant("A", {}, Money(1, "USD"), None)
    assert rules.put_variant(product("Shirt", variant("A")), dollars, LATER).price_from.currency == "USD"
    with pytest.raises(InvalidRequest):
        rules.put_variant(product("Shirt", variant("A"), variant("B")), dollars, LATER)
    with pytest.raises(InvalidRequest):
        rules.put_variant(product("Shirt", variant("B")), dollars, LATER)


def test_a_product_has_at_most_a_hundred_variants() -> None:
    full = product("Many", *(variant(f"S{number}") for number in range(99)))
    full = rules.put_variant(full, variant("S99"), LATER)
    assert len(full.variants) == 100
    with pytest.raises(VariantLimit):
        rules.put_variant(full, variant("S100"), LATER)


def test_the_last_variant_stays() -> None:
    one = rules.remove_variant(product("Shirt", variant("A"), variant("B")), "A", LATER)
    assert [v.sku for v in one.variants] == ["B"]
    with pytest.raises(LastVariant):
        rules.remove_variant(one, "B", LATER)
    with pytest.raises(NotFound):
        rules.remove_variant(one, "A", LATER)


def test_archiving_twice_is_archiving_once() -> None:
    gone = rules.archive(product(), LATER)
    assert (gone.status, gone.version) == ("archived", 2)
    assert rules.archive(gone, LATER) is gone


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Red T-Shirt, Größe M!", "red-t-shirt-grosse-m"),
        ("Crème brûlée  №5", "creme-brulee-no5"),
        ("Œuvre & Smørrebrød", "oeuvre-smorrebrod"),
        ("Чайник", "чайник"),
        ("人参 茶", "人参-茶"),
        ("कमीज", "कमीज"),
        ("ハンガー", "ハンガー"),
        ("!!!", "product"),
        ("Batch", "product-batch"),
        ("0190a0a0-0000-7000-8000-000000000000", "product-0190a0a0-0000-7000-8000-000000000000"),
    ],
)
def test_a_slug_is_the_words_of_the_name(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@given(st.text(min_size=1, max_size=200))
def test_every_name_gives_slugs_that_a_caller_could_have_chosen(name: str) -> None:
    candidates = list(slug_candidates(name, "0190a0a0-0000-7000-8000-000000000000"))
    assert all(is_slug(slug) for slug in candidates)
    assert len(set(candidates)) == 4


@pytest.mark.parametrize(
    "text", ["", "A", "a b", "a--b", "-a", "a-", "a_b", "a.b", "a/b", "batch", "e\u0301", "x" * 201]
)
def test_what_is_no_slug(text: str) -> None:
    assert not is_slug(text)


def test_a_slug_may_be_as_long_as_allowed() -> None:
    assert is_slug("x" * 200)
    assert is_slug("é")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Crème—BRÛLÉE!", ["the", "creme", "brulee"]),
        ("Ёлка ΆΛΦΑ", ["елка", "αλφα"]),
        ('NEAR("a" -b*) OR $where', ["near", "a", "b", "or", "where"]),
        ("ﬁne ２０２４", ["fine", "2024"]),
        ("\"'*-:^()", []),
    ],
)
def test_words_have_no_case_accents_or_punctuation(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text())
def test_folding_words_again_changes_nothing(text: str) -> None:
    words = words_of(text)
    assert words_of(" ".join(words)) == words


def test_names_sort_without_case() -> None:
    assert sorted(["b", "A", "a", "B", "Ä"], key=name_key) == ["A", "a", "b", "B", "Ä"]
