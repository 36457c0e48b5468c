"""The sample catalogue keeps to the bounds of the API and looks like a shop's."""

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from trolley.sample import catalogue, pictures

SVG = "{http://www.w3.org/2000/svg}"
ITEMS = catalogue.products()
VARIANTS = [variant for item in ITEMS for variant in item.body["variants"]]


def test_it_has_about_200_products_in_about_ten_categories_of_equal_rank() -> None:
    categories = Counter(item.body["category"] for item in ITEMS)
    assert 190 <= len(ITEMS) <= 220
    assert 8 <= len(categories) <= 10
    assert min(categories.values()) >= 15


def test_it_is_the_same_every_time() -> None:
    assert catalogue.products() == ITEMS


def test_skus_and_slugs_are_unique_and_well_formed() -> None:
    skus = [variant["sku"] for variant in VARIANTS]
    slugs = [item.slug for item in ITEMS]
    assert len(set(skus)) == len(skus)
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", sku) for sku in skus)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) for slug in slugs)


def test_names_and_descriptions_differ() -> None:
    assert len({item.name for item in ITEMS}) == len(ITEMS)
    assert len({item.body["description"] for item in ITEMS}) == len(ITEMS)


def test_every_price_is_a_positive_amount_in_euros() -> None:
    assert all(variant["price"]["currency"] == "EUR" and variant["price"]["amount"] > 0 for variant in VARIANTS)


def test_variants_of_a_product_have_the_same_options_with_different_values() -> None:
    for item in ITEMS:
        options = [variant["options"] for variant in item.body["variants"]]
        assert len({tuple(option) for option in options}) == 1
        assert len({tuple(option.items()) for option in options}) == len(options) <= 100


def test_some_are_out_of_stock_some_are_not_counted_most_can_be_had() -> None:
    kinds = Counter(
        "none" if variant["stock"] == 0 else "counted" if variant["stock"] else "open" for variant in VARIANTS
    )
    assert kinds["none"] > 20
    assert kinds["open"] > 5
    assert kinds["counted"] > len(VARIANTS) / 2
    sold_out = [item for item in ITEMS if not any(variant["stock"] != 0 for variant in item.body["variants"])]
    assert len(sold_out) >= 5


@pytest.mark.parametrize("script", ["一-鿿", "぀-ヿ", "؀-ۿ", "Ͱ-Ͽ", "Ѐ-ӿ"])
def test_names_outside_latin_have_descriptions_in_the_same_script(script: str) -> None:
    named = [item for item in ITEMS if re.search(f"[{script}]", item.name)]
    assert named
    assert all(re.search(f"[{script}]", item.body["description"]) for item in named)


def test_every_picture_is_small_well_formed_and_named(tmp_path: Path) -> None:
    pictures.draw_all(ITEMS, tmp_path)
    for item in ITEMS:
        path = tmp_path / Path(item.body["image_url"]).name
        root = ElementTree.fromstring(path.read_text("utf-8"))
        assert root.tag == f"{SVG}svg"
        assert root.findtext(f"{SVG}title") == item.name
        assert path.stat().st_size < 4096


def test_pictures_use_no_colour_that_was_left_open_and_load_nothing() -> None:
    for item in ITEMS:
        drawn = pictures.draw(item)
        assert "{" not in drawn
        assert "href" not in drawn
        assert "<script" not in drawn


def test_every_category_has_motifs_of_its_own() -> None:
    shared = {"gift"}
    seen: dict[str, str] = {}
    for item in ITEMS:
        if item.motif not in shared and item.motif not in {"clock"}:
            assert seen.setdefault(item.motif, item.body["category"]) == item.body["category"]


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Chef's Knife Nordhavn", "chefs-knife-nordhavn"), ("Hanging Planter Macramé", "hanging-planter-macrame")],
)
def test_a_slug_is_the_plain_name(name: str, slug: str) -> None:
    assert catalogue.slug_of(name) == slug


def test_an_option_outside_latin_is_numbered_in_the_sku() -> None:
    assert catalogue.code("青", ["赤", "青"]) == "2"
    assert catalogue.code("0.5 l", ["0.5 l"]) == "0.5L"
