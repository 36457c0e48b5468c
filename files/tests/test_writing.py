"""What is written reads back as exactly the same, whatever the product."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopfiles.columns import WRITTEN, guarded, unguarded
from shopfiles.money import decimal_text, minor_units
from shopfiles.reading import Entry, read
from shopfiles.writing import Format, heading, rows_of, written

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
NASTY = st.sampled_from(
    ["=1+1", "'=x", "''-", "a, b", " x ", "<b>x</b>", "&amp;", "\r\n", "\ta", '"', "Default Title", ""]
)
ANY = TEXT | NASTY
KEY = ANY.filter(bool)
SKU = st.text("ABab01._-", min_size=1, max_size=8)
VARIANTS = st.lists(
    st.fixed_dictionaries(
        {
            "sku": SKU,
            "options": st.dictionaries(KEY | st.just("Title"), ANY, max_size=5),
            "amount": st.integers(0, 10**12),
            "stock": st.none() | st.integers(0, 10**9),
        }
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda variant: variant["sku"],
)


@st.composite
def products(draw: st.DrawFn) -> dict[str, Any]:
    """A product as GET /products answers it."""
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
    variants = [
        {**rest, "price": {"amount": amount, "currency": currency}}
        for variant in draw(VARIANTS)
        for amount, rest in [(variant["amount"], {key: value for key, value in variant.items() if key != "amount"})]
    ]
    return {
        "id": "1",
        "slug": draw(st.sampled_from(["shirt", "東京-x", "größe-2"])),
        "name": draw(KEY),
        "description": draw(ANY),
        "category": draw(st.none() | KEY),
        "tags": draw(st.lists(KEY, max_size=3, unique=True)),
        "attributes": draw(st.dictionaries(KEY | st.just("Vendor"), ANY, max_size=3)),
        "image_url": draw(st.sampled_from([None, "/images/x.svg", "https://example.com/x.png?a=b,c"])),
        "status": draw(st.sampled_from(["active", "archived"])),
        "variants": variants,
        "version": 1,
    }


@settings(deadline=None, max_examples=300)
@given(products(), st.sampled_from(["csv", "jsonl"]))
def test_what_is_written_reads_back_as_the_same(product: dict[str, Any], format: Format) -> None:
    text = heading(format) + written(product, format)
    [entry] = read(io.BytesIO(text.encode()), f"file.{format}", "XXX")
    assert isinstance(entry, Entry)
    kept = {"category": None, "image_url": None, "attributes": {}} | entry.item
    assert kept == {name: value for name, value in product.items() if name not in ("id", "version", "status")}
    assert entry.status == product["status"]


def test_a_plain_product_needs_no_column_of_ours_but_the_currency() -> None:
    product = {
        "slug": "shirt",
        "name": "Shirt",
        "description": "Soft",
        "category": "Tops",
        "tags": ["a", "b"],
        "attributes": {"Vendor": "Acme"},
        "image_url": None,
        "status": "active",
        "variants": [
            {"sku": f"S-{size}", "options": {"Size": size}, "price": {"amount": 5, "currency": "EUR"}, "stock": 3}
            for size in ("S", "M")
        ],
    }
    first, second = (dict(zip(WRITTEN, row, strict=True)) for row in rows_of(product))
    assert {name: cell for name, cell in first.items() if cell} == {
        **{"Handle": "shirt", "Title": "Shirt", "Body (HTML)": "Soft", "Vendor": "Acme", "Type": "Tops"},
        **{"Tags": "a, b", "Published": "TRUE", "Option1 Name": "Size", "Option1 Value": "S", "Variant SKU": "S-S"},
        **{"Variant Inventory Tracker": "shopify", "Variant Inventory Qty": "3", "Variant Inventory Policy": "deny"},
        **{"Variant Price": "0.05", "Status": "active", "Currency": "EUR"},
    }
    assert (second["Handle"], second["Title"], second["Option1 Value"]) == ("shirt", "", "M")


@given(st.text(alphabet="'=+-@\t\rab", max_size=6))
def test_no_cell_begins_as_a_formula_and_none_is_changed(text: str) -> None:
    cell = guarded(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguarded(cell) == text


@given(st.integers(0, 10**12), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_an_amount_as_text_is_the_same_amount(amount: int, currency: str) -> None:
    assert minor_units(decimal_text(amount, currency), currency) == amount


@pytest.mark.parametrize(("amount", "currency", "text"), [(5, "EUR", "0.05"), (5, "JPY", "5"), (1234, "KWD", "1.234")])
def test_an_amount_is_written_as_people_write_it(amount: int, currency: str, text: str) -> None:
    assert decimal_text(amount, currency) == text
