"""Catalogue files of every kind, good and bad: what is read, and what is said of the rest."""

import io
import json
from typing import Any

import pytest

from shopfiles.lines import LINE_MAX, count_lines
from shopfiles.reading import Entry, Fault, WrongFile, read
from shopfiles.records import RECORD_MAX
from shopfiles.wire import Product, check

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
# More than Python makes a number of.
MANY_DIGITS = "9" * 5000
SHIRT = {"name": "Shirt", "sku": "S-1", "price": {"amount": 1999, "currency": "EUR"}}


def found(content: str | bytes, name: str = "file.csv", currency: str = "EUR") -> list[Entry | Fault]:
    """All that the file holds; every item is one that the shop takes."""
    entries = list(read(io.BytesIO(content.encode() if isinstance(content, str) else content), name, currency))
    for entry in entries:
        if isinstance(entry, Entry):
            check(entry.item, Product)
    return entries


def one(*rows: str, **options: str) -> Any:
    """The only product of a CSV file of these lines."""
    [entry] = found("\n".join(rows) + "\n", **options)
    return entry


def table(**cells: str) -> tuple[str, str]:
    """A heading and a row: a whole product, and what the test adds or takes other."""
    row = {"Handle": "shirt", "Title": "Shirt", "Variant SKU": "S-1", "Variant Price": "19.99"}
    row |= {name.replace("_", " "): value for name, value in cells.items()}
    return ",".join(row), ",".join('"' + value.replace('"', '""') + '"' for value in row.values())


def test_rows_of_one_handle_are_one_product_with_variants() -> None:
    shirt, mug = found(
        "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,"
        "Option2 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Image Src,Gift Card,"
        "Status\n"
        'shirt,Shirt,<p>Soft &amp; <b>warm</b></p>,Acme,Clothing > Tops,,"soft, warm",TRUE,Size,S,Colour,red,S-1,'
        "shopify,3,19.99,https://example.com/a.png,FALSE,active\n"
        "shirt,,,,,,,,,M,,red,S-2,,,21,https://example.com/b.png,,\n"
        "shirt,,,,,,,,,,,,,,,,https://example.com/c.png,,\n"
        "mug,Mug,,,,Kitchen,,FALSE,Title,Default Title,,,,shopify,-2,5,,,active\n"
    )
    assert shirt == Entry(
        2,
        "shirt",
        {
            "name": "Shirt",
            "slug": "shirt",
            "description": "Soft & warm",
            "category": "Tops",
            "tags": ["soft", "warm"],
            "attributes": {"Vendor": "Acme"},
            "image_url": "https://example.com/a.png",
            "variants": [
                variant("S-1", 1999, 3, Size="S", Colour="red"),
                variant("S-2", 2100, None, Size="M", Colour="red"),
            ],
        },
        "active",
    )
    assert isinstance(mug, Entry)
    assert (mug.line, mug.status, mug.item["category"]) == (5, "archived", "Kitchen")
    assert mug.item["variants"] == [variant("mug", 500, 0)]


def variant(sku: str, amount: int, stock: int | None, currency: str = "EUR", **options: str) -> dict[str, Any]:
    return {"sku": sku, "options": options, "price": {"amount": amount, "currency": currency}, "stock": stock}


def test_the_newer_names_of_the_columns_mean_the_same() -> None:
    entry = one(
        "Title,URL handle,Description,Vendor,Type,Tags,Published on online store,Status,SKU,Option1 name,Option1 value,"
        "Price,Inventory tracker,Inventory quantity,Continue selling when out of stock,Product image URL",
        "Shirt,shirt,Soft,Acme,Tops,soft,TRUE,Active,S-1,Size,S,19.99,shopify,3,DENY,https://example.com/a.png",
        ",shirt,,,,,,,S-2,,M,19.99,shopify,0,continue,",
    )
    assert entry.item["variants"] == [variant("S-1", 1999, 3, Size="S"), variant("S-2", 1999, None, Size="M")]
    assert entry.item["image_url"] == "https://example.com/a.png"
    assert entry.status == "active"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("beginning", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(ending: str, beginning: bytes) -> None:
    text = ending.join(["Title,SKU,Price,Description", 'Tée,S-1,5,"two', 'lines"', "Mug,S-2,6,"])
    tee, mug = found(beginning + text.encode())
    assert isinstance(tee, Entry)
    assert isinstance(mug, Entry)
    assert tee.item["name"] == "Tée"
    assert tee.item["description"] == f"two{ending}lines"
    assert (mug.line, mug.item["description"]) == (4, "")


def test_semicolons_separate_where_the_first_line_says_so_and_commas_are_decimals_then() -> None:
    assert one("Title;SKU;Price", "Shirt, long;S-1;19,99").item == {
        "name": "Shirt, long",
        "variants": [variant("S-1", 1999, None)],
    }


@pytest.mark.parametrize(
    ("price", "currency", "amount"),
    [("19.99", "EUR", 1999), ("5", "EUR", 500), ("1000", "JPY", 1000), ("1.5", "KWD", 1500), ("0.07", "EUR", 7)],
)
def test_a_price_becomes_minor_units_of_its_currency(price: str, currency: str, amount: int) -> None:
    expected = {"amount": amount, "currency": currency}
    assert one(*table(Variant_Price=price), currency=currency).item["variants"][0]["price"] == expected
    assert one(*table(Variant_Price=price, Currency=currency)).item["variants"][0]["price"] == expected


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"Variant_Price": "19.999"}, "Variant Price `19.999` has more decimals than EUR, which has 2."),
        (
            {"Variant_Price": "10.5", "Currency": "JPY"},
            "Variant Price `10.5` has more decimals than JPY, which has none.",
        ),
        ({"Variant_Price": "1,999.00"}, "Variant Price `1,999.00` is not a price"),
        ({"Variant_Price": "١٢"}, "is not a price"),
        ({"Variant_Price": "-5"}, "is not a price"),
        ({"Variant_Price": ""}, "Variant Price is empty."),
        ({"Variant_Price": "9" * 15}, "Variant Price is more than 1000000000000."),
        ({"Currency": "euro"}, "Currency `EURO` is not three capital letters"),
        ({"Title": " "}, "Title is empty"),
        ({"Title": "x" * 201}, "Title has more than 200 characters."),
        ({"Body_(HTML)": "x" * 20_001}, "Body (HTML) has more than 20000 characters."),
        ({"Variant_SKU": "S 1"}, "Variant SKU is not 1 to 64 of A-Z"),
        ({"Variant_Inventory_Qty": "three"}, "Variant Inventory Qty `three` is not a whole number."),
        ({"Variant_Inventory_Tracker": "shopify", "Variant_Inventory_Qty": ""}, "Variant Inventory Qty is empty"),
        ({"Image_Src": "javascript:alert(1)"}, "Image Src is neither a web address"),
        ({"Tags": "x" * 51}, "Tags has more than 50 characters."),
        ({"Status": "sold"}, "Status `sold` is none of active, draft, archived."),
        ({"Published": "perhaps"}, "Published `perhaps` is neither TRUE nor FALSE."),
        ({"Attributes": "[1]"}, "Attributes is not a JSON object."),
        ({"Attributes": '{"a": 1}'}, "Attributes does not fit: expected `str`, got `int`."),
        ({"Trolley_Data": '{"id": "1"}'}, "unknown field `id`"),
        ({"Option1_Value": "S"}, "Option1 Name is empty although there is a value."),
        ({"Body_(HTML)": f"&#{MANY_DIGITS};"}, "Body (HTML) is HTML that cannot be read."),
        ({"Body_(HTML)": f'<p title="&#{MANY_DIGITS}">Tea'}, "Body (HTML) is HTML that cannot be read."),
        ({"Body_(HTML)": "<p>Tea<![x[y]]>"}, "Body (HTML) is HTML that cannot be read."),
        ({"Variant_Price": MANY_DIGITS}, "...` is not a price"),
        ({"Variant_Inventory_Qty": MANY_DIGITS}, "...` is not a whole number."),
        ({"Attributes": f'{{"a": {MANY_DIGITS}}}'}, "Attributes is not a JSON object."),
        ({"Attributes": r'{"a": "\ud800"}'}, "Attributes is not a JSON object."),
    ],
)
def test_what_a_row_cannot_have_is_told_with_its_line_and_its_column(cells: dict[str, str], words: str) -> None:
    heading, row = table(**cells)
    fault, entry = found(f"{heading}\n{row}\n{table(Handle='mug', Variant_SKU='M-1')[1]}\n")
    assert isinstance(fault, Fault)
    assert (fault.line, fault.name) == (2, "shirt")
    assert words in fault.detail
    assert isinstance(entry, Entry)


def test_all_problems_of_a_product_are_told_and_no_part_of_it_is_taken() -> None:
    heading = "Handle,Title,Option1 Name,Option1 Value,SKU,Price"
    [fault] = found(f"{heading}\na,A,Size,S,A-1,1\na,,,M,A 2,1\na,,,L,A-3,x\n")
    assert isinstance(fault, Fault)
    assert (fault.line, fault.name) == (3, "a")
    assert fault.detail.startswith("SKU is not 1 to 64")
    assert "Line 4: Price `x` is not a price" in fault.detail


def test_a_sku_that_the_file_had_already_is_told_with_the_line_of_the_first() -> None:
    first, second, third = found("Handle,Title,SKU,Price\na,A,X,1\nb,B,X,1\nc,C,Y,1\n")
    assert second == Fault(3, "b", "SKU X stands on line 2 already.")
    assert isinstance(first, Entry)
    assert isinstance(third, Entry)


def test_rows_of_one_handle_that_stand_apart_are_told() -> None:
    _, _, fault = found("Handle,Title,SKU,Price\na,A,X,1\nb,B,Y,1\na,A,Z,1\n")
    assert isinstance(fault, Fault)
    assert fault.line == 4
    assert "Handle a is that of line 2 too" in fault.detail


def test_without_handles_a_row_without_a_title_belongs_to_the_product_above() -> None:
    entry = one("Title,Option1 Name,Option1 Value,Price", "Shirt,Size,S,5", ",,M,6")
    assert [each["sku"] for each in entry.item["variants"]] == ["Shirt.S", "Shirt.M"]
    assert "slug" not in entry.item


def test_a_product_has_at_most_100_variants() -> None:
    def rows(count: int) -> str:
        return "Handle,Title,Option1 Name,Option1 Value,Price\n" + "".join(
            f"a,{'A' if number == 0 else ''},Size,{number},1\n" for number in range(count)
        )

    [entry], [fault] = found(rows(100)), found(rows(101))
    assert isinstance(entry, Entry)
    assert len(entry.item["variants"]) == 100
    assert isinstance(fault, Fault)
    assert (fault.line, fault.detail) == (102, "The product has more than 100 variants.")


def test_a_missing_sku_is_made_of_handle_and_options_and_is_always_the_same() -> None:
    def sku(handle: str, option: str) -> str:
        heading, row = table(Handle=handle, Variant_SKU="", Option1_Name="Size", Option1_Value=option)
        made: str = one(heading, row).item["variants"][0]["sku"]
        return made

    assert sku("shirt", "S") == "shirt.S"
    handles = ["shirt", "shirt-red", "hemd-größe", "東京", "x" * 200, "a b", "a.b"]
    options = ["S", "red-S", "½ l", "S.S", "大"]
    made = [sku(handle, option) for handle in handles for option in options]
    assert len(set(made)) == len(made)
    assert made == [sku(handle, option) for handle in handles for option in options]


@pytest.mark.parametrize(
    ("handle", "slug"),
    [("Red_Shirt", "red-shirt"), ("a--b", "a-b"), ("tee’s", "tee-s"), ("東京-x", "東京-x"), ("!", None)],
)
def test_a_handle_becomes_a_slug(handle: str, slug: str | None) -> None:
    assert one(*table(Handle=handle)).item.get("slug") == slug


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ({}, None),
        ({"Status": "active"}, "active"),
        ({"Status": "Draft"}, "archived"),
        ({"Status": "archived", "Published": "TRUE"}, "archived"),
        ({"Status": "active", "Published": "false"}, "archived"),
        ({"Published": "true"}, "active"),
    ],
)
def test_draft_archived_and_unpublished_are_not_for_sale(cells: dict[str, str], status: str | None) -> None:
    assert one(*table(**cells)).status == status


def test_cells_that_look_like_formulas_are_kept_as_they_are() -> None:
    entry = one(*table(Title="=cmd|' /C calc'!A0", Tags="+1, @x", Attributes='{"a": "-1"}'))
    assert entry.item["name"] == "=cmd|' /C calc'!A0"
    assert entry.item["tags"] == ["+1", "@x"]
    assert entry.item["attributes"] == {"a": "-1"}


def test_a_text_without_tags_is_left_exactly_as_it_is() -> None:
    text = "a < b, c > d & so on\n  indented"
    assert one(*table(Description=text)).item["description"] == text


def test_html_becomes_the_text_that_a_browser_shows() -> None:
    html = "<style>p {}</style><h1>Tea</h1>\n<p>Green&nbsp;&amp;\n fresh<br>and &lt;hot&gt;</p><ul><li>one<li>two</ul>"
    expected = "Tea\n\nGreen & fresh\nand <hot>\n\n- one\n- two"
    assert one(*table(Description=html)).item["description"].replace("\n\n\n", "\n\n") == expected


def test_what_opens_and_never_ends_is_text_and_read_in_no_time() -> None:
    assert one(*table(Description="<b>1</b> <a &amp; <b")).item["description"] == "1 <a & <b"
    fault = one(*table(Description="<p>" + "<a " * 100_000))
    assert "more than 20000 characters" in fault.detail


@pytest.mark.parametrize(
    "broken",
    [
        'b,"B"ad,B-1,5',
        'b,"Bad,B-1,5',
        "b,B\0ad,B-1,5",
        'b,"' + "x" * (RECORD_MAX + 10) + '",B-1,5',
        "b," + "x" * (LINE_MAX + 10) + ",B-1,5",
        "b,B,B-1,5,more",
    ],
    ids=["quote in the middle", "open quote", "NUL", "endless cell", "endless line", "too many cells"],
)
def test_a_broken_row_costs_itself_and_none_of_its_neighbours(broken: str) -> None:
    before, fault, *after = found(f'Handle,Title,SKU,Price\na,A,A-1,5\n{broken}\nc,"C",C-1,5\nd,D,D-1,5\n')
    assert isinstance(before, Entry)
    assert isinstance(fault, Fault)
    assert fault.line == 3
    assert [(entry.line, isinstance(entry, Entry)) for entry in after] == [(4, True), (5, True)]


def test_a_broken_row_among_those_of_a_product_keeps_all_of_it_out() -> None:
    heading = "Handle,Title,Option1 Name,Option1 Value,SKU,Price"
    [named] = found(f'{heading}\na,A,Size,S,A-1,1\na,,,"M"x,A-2,1\n')
    [unnamed] = found(f'{heading}\na,A,Size,S,A-1,1\n,,,"M"x,A-2,1\na,,,L,A-3,1\n')
    assert isinstance(named, Fault)
    assert isinstance(unnamed, Fault)
    assert (named.line, named.name) == (unnamed.line, unnamed.name) == (3, "a")


def test_a_row_in_another_encoding_far_down_costs_itself() -> None:
    rows = [f"n{number},Shirt,S-{number},5".encode() for number in range(5000)]
    rows[4000] = "n4000,Größe,S-4000,5".encode("latin-1")
    entries = found(b"\n".join([b"Handle,Title,SKU,Price", *rows]))
    assert [entry for entry in entries if isinstance(entry, Fault)] == [Fault(4002, "", "The row is not in UTF-8.")]
    assert len(entries) == 5000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (PNG, "a picture"),
        (b"PK\x03\x04", "a spreadsheet"),
        ("Title,Price\n".encode("utf-16"), "UTF-16"),
        (b"\0\0\0\0", "not a text"),
        ("Title,Price\nGröße,5\n".encode("latin-1"), "is not in UTF-8 (line 2)"),
        (b"Handle,Title\na,A\n", "it has no column Variant Price"),
        (b"name,cost\na,A\n", "it has no column Title and no column Variant Price"),
        (b"Title,Price,Variant Price\n", "the columns Price and Variant Price mean the same"),
        (b'"Title,Price\n', "no column"),
        (b"[{}]", "one product on each line"),
    ],
)
def test_what_is_no_catalogue_is_told_in_one_sentence(content: bytes, words: str) -> None:
    with pytest.raises(WrongFile, match=r"^upload\.csv [^\n]*\.$") as wrong:
        found(content, "upload.csv")
    assert words in str(wrong.value)


def test_column_names_alone_are_a_catalogue_of_nothing() -> None:
    assert found("Title,Price") == []
    assert found("Title,Price\n\n ,\n") == []


def test_json_lines_are_products_as_the_shop_takes_or_gives_them() -> None:
    given = SHIRT | {
        "id": "1",
        "version": 3,
        "created_at": "x",
        "updated_at": "x",
        "in_stock": True,
        "status": "archived",
    }
    content = "\n".join([json.dumps(SHIRT), "", json.dumps(given | {"sku": "S-2", "slug": "shirt"})])
    for name in ("file.jsonl", "file.ndjson", "upload"):
        first, second = found(content, name)
        assert first == Entry(1, "S-1", SHIRT, None)
        assert second == Entry(3, "shirt", SHIRT | {"sku": "S-2", "slug": "shirt"}, "archived")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "The line is not JSON"),
        ("[" * 100_000, "The line is not JSON"),
        ("7", "not a JSON object"),
        (f'{{"stock": {MANY_DIGITS}}}', "The line is not JSON"),
        (r'{"name": "\ud800"}', "The line is not JSON"),
        (json.dumps({"name": "x"}), "sku is missing"),
        (json.dumps({"name": "x", "sku": "x"}), "price is missing"),
        (json.dumps(SHIRT | {"colour": "red"}), "unknown field `colour`"),
        (json.dumps(SHIRT | {"name": 7}), "name does not fit: expected `str`, got `int`."),
        (json.dumps(SHIRT | {"name": "a\0"}), "name holds a NUL character."),
        (json.dumps(SHIRT | {"status": "sold"}), "status is neither active nor archived."),
        (json.dumps(SHIRT | {"variants": [variant("A", 1, None)]}), "sku does not go with variants."),
        (json.dumps({"name": "x", "variants": []}), "variants has no entry."),
        (json.dumps({"name": "x", "variants": [variant("A", 1, None)] * 2}), "the same SKU twice"),
        (
            json.dumps({"name": "x", "variants": [variant("A", 1, None), variant("B", 1, None, "JPY")]}),
            "variants have prices in EUR and JPY",
        ),
        (json.dumps(SHIRT | {"sku": "S-0"}), "sku S-0 stands on line 1 already."),
        ('{"name": "' + "x" * LINE_MAX + '"}', "longer than 1 MiB"),
    ],
)
def test_a_bad_line_of_json_lines_costs_itself(line: str, words: str) -> None:
    lines = [json.dumps(SHIRT | {"sku": "S-0"}), line, json.dumps(SHIRT)]
    before, fault, after = found("\n".join(lines), "file.jsonl")
    assert isinstance(before, Entry)
    assert isinstance(fault, Fault)
    assert isinstance(after, Entry)
    assert (fault.line, after.line) == (2, 3)
    assert words in fault.detail


def test_lines_are_counted_as_reading_numbers_them() -> None:
    for content, count in ((b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2)):
        file = io.BytesIO(content)
        assert count_lines(file) == count
        assert file.tell() == 0


@pytest.mark.parametrize("broken", [1, 10, 11, 30])
def test_what_is_read_stands_in_the_order_of_the_file_however_many_rows_are_broken(broken: int) -> None:
    heading, row = table()
    entries = found("\n".join([heading, row, *['"x,"broken"y,1'] * broken, row.replace('"', "").upper()]) + "\n")
    lines = [entry.line for entry in entries]
    assert lines == sorted(lines)
    assert [type(entry) for entry in entries[:2]] == [Entry, Fault]
    assert len(lines) == broken + 2
