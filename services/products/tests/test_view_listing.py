"""THE CONTRACT of the read view, lists: filters, words, orders, pages and facets, the same for every store."""

from datetime import timedelta
from typing import Any

import pytest

from products import product as rules
from products.listing import Facet, Query, Sort
from products.product import Product
from products.words import words_of

from .conftest import START, Catalogue, Listed, product, variant

SORTS: list[Sort] = ["relevance", "price", "-price", "name", "-created_at"]


def q(text: str, **rest: Any) -> Query:
    return Query(words=tuple(words_of(text)), sort="relevance", **rest)


def names(listing: Listed) -> list[str]:
    return [found.name for found in listing.products]


async def test_an_empty_catalogue_is_an_empty_page(catalogue: Catalogue) -> None:
    for query in (Query(), q("shirt"), Query(sort="name", category="x", tags=("y",))):
        assert catalogue.page(query) == Listed([], None, 0, [], [])


async def test_a_listed_product_is_whole(catalogue: Catalogue) -> None:
    added = product("Shirt", variant("A", size="M"), attributes={"a": "b"}, tags=("t",), description="word")
    await catalogue.add(added)
    assert catalogue.page(Query()).products == [added]
    assert catalogue.page(q("word")).products == [added]


async def test_filters_narrow_together(catalogue: Catalogue) -> None:
    await catalogue.add(
        product("A", variant("1", 100, 0), category="Tops", tags=("x", "y")),
        product("B", variant("2", 200, 0), variant("3", 900, 1), category="Tops", tags=("x",)),
        product("C", variant("4", 300, None), category="Hats", tags=("y",)),
        product("D", variant("5", 400, 0)),
    )

    async def found(**filters: Any) -> str:
        return "".join(names(catalogue.page(Query(sort="name", **filters))))

    assert await found() == "ABCD"
    assert await found(category="Tops") == "AB"
    assert await found(category="tops") == ""
    assert await found(category="$ne") == ""
    assert await found(tags=("x",)) == "AB"
    assert await found(tags=("x", "y")) == "A"
    assert await found(tags=("x", "x")) == "AB"
    assert await found(min_price=200) == "BCD"
    assert await found(max_price=200) == "AB"
    assert await found(min_price=200, max_price=300) == "BC"
    assert await found(min_price=301, max_price=300) == ""
    assert await found(in_stock=True) == "BC"
    assert await found(in_stock=False) == "AD"
    assert await found(category="Tops", tags=("y",), in_stock=False) == "A"


async def test_archived_products_are_in_no_list_and_no_count(catalogue: Catalogue) -> None:
    kept, gone = product("Kept shirt", tags=("x",), category="c"), product("Gone shirt", tags=("x",), category="c")
    await catalogue.add(kept, gone)
    await catalogue.save(rules.archive(gone, START))
    one = Listed([kept], None, 1, [Facet("c", 1)], [Facet("x", 1)])
    for query in (Query(), q("shirt"), Query(tags=("x",)), Query(category="c"), Query(sort="price")):
        assert catalogue.page(query) == one
    await catalogue.save(rules.next_version(rules.archive(gone, START), START, status="active"))
    assert catalogue.page(q("shirt")).total == 2


async def test_all_words_must_be_there_wherever(catalogue: Catalogue) -> None:
    await catalogue.add(
        product("Party Shirt", description="A shirt for the artist.", category="Evening Wear", tags=("Très chic",)),
        product("Crème Brûlée", description="Für Gäste"),
        product("ЧАЙНИК", description="Ёлка"),
        product("人参 茶"),
        product("Don't-stop 3000", description="NEAR and far"),
    )

    async def found(text: str) -> list[str]:
        return names(catalogue.page(q(text)))

    for text in ("party", "PARTY shirt", "shirt evening", "tres artist", "chic TRÈS shirt", "Wear!"):
        assert await found(text) == ["Party Shirt"], text
    for text in ("irt", "sirt", "party brulee", "art hat", "y", "evening dress"):
        assert await found(text) == [], text
    assert await found("creme BRULEE") == ["Crème Brûlée"]
    assert await found("gaste") == ["Crème Brûlée"]
    assert await found("чайник елка") == ["ЧАЙНИК"]
    assert await found("茶 人参") == ["人参 茶"]
    assert await found("don't stop, 3000") == ["Don't-stop 3000"]


async def test_beginnings_of_words_and_words_with_one_slip_are_found(catalogue: Catalogue) -> None:
    await catalogue.add(
        product("Teapot of copper"), product("Kettle 12345"), product("Tea"), product("Kette"), product("Чайник")
    )

    def found(text: str) -> list[str]:
        return names(catalogue.page(q(text)))

    assert found("tea") == ["Tea", "Teapot of copper"]
    assert found("t") == []
    assert set(found("te")) == {"Tea", "Teapot of copper"}
    for text in ("coper", "coppper", "cooper", "copepr", "copper", "teapto copper"):
        assert found(text) == ["Teapot of copper"], text
    for text in ("cpr", "coopr", "opper coprpr", "coppre hat", "tepa", "12354", "kettle 12344"):
        assert found(text) == [], text
    assert found("kettle")[0] == "Kettle 12345"
    assert found("чайнек") == ["Чайник"]
    await catalogue.add(product("हिन्दी किताब"))
    assert found("हिन्दि") == ["हिन्दी किताब"]


async def test_chinese_is_found_by_any_part_of_it(catalogue: Catalogue) -> None:
    await catalogue.add(
        product("青花瓷茶壶", tags=("陶瓷",)), product("iPhone手机壳"), product("茶壶青花"), product("お茶のセット")
    )

    def found(text: str) -> set[str]:
        return set(names(catalogue.page(q(text))))

    assert found("茶壶") == {"青花瓷茶壶", "茶壶青花"}
    assert found("花瓷茶") == found("陶瓷") == {"青花瓷茶壶"}
    assert found("茶") == {"青花瓷茶壶", "茶壶青花", "お茶のセット"}
    assert found("手机") == found("iphone") == found("IPHONE 手机壳") == {"iPhone手机壳"}
    assert found("壶茶") == found("机手") == set()


async def test_words_are_never_query_syntax(catalogue: Catalogue) -> None:
    await catalogue.add(product("Shirt"), product("Hat"))
    alone = ("-shirt", "shirt*", "(shirt", "^shirt", '"shirt', "+shirt", "shirt:")
    others = ('"', "name:shirt", "shirt AND hat", "shirt OR hat", "shirt NEAR(", "{$gt}", "'; --", "\\", "\0")
    for text in (*alone, *others):
        assert names(catalogue.page(q(text))) == (["Shirt"] if text in alone else []), text


async def test_a_changed_product_is_found_by_its_new_words_only(catalogue: Catalogue) -> None:
    before = product("Shirt", description="cotton", tags=("old",), category="Tops")
    await catalogue.add(before)
    await catalogue.save(
        rules.next_version(before, START, name="Hat", description="wool", tags=("new",), category=None)
    )
    for text in ("shirt", "cotton", "old", "tops"):
        assert catalogue.page(q(text)).total == 0
    for text in ("hat", "wool", "new"):
        assert catalogue.page(q(text)).total == 1
    listing = catalogue.page(Query())
    assert (listing.categories, listing.tags) == ([], [Facet("new", 1)])


async def test_a_word_in_the_name_comes_before_one_elsewhere(catalogue: Catalogue) -> None:
    await catalogue.add(
        product("Wool hat"),
        product("Scarf", description="wool wool wool, nothing but wool", category="wool", tags=("wool",)),
        product("Hat of wool"),
        product("Cap", description="Like a hat."),
    )
    found = names(catalogue.page(q("wool")))
    assert (set(found[:2]), found[2:]) == ({"Wool hat", "Hat of wool"}, ["Scarf"])
    assert names(catalogue.page(q("hat")))[-1] == "Cap"


async def test_names_and_prices_sort_the_same_everywhere(catalogue: Catalogue) -> None:
    shuffled = ["b", "Ä", "a", "人", "B", "é", "A", "z", "🧵", "_", "ß", "￿", "10", "9"]
    products = [product(name, variant(f"S{n}", n % 3)) for n, name in enumerate(shuffled)]
    await catalogue.add(*products)
    listing = catalogue.page(Query(sort="name", limit=100))
    assert listing.products == sorted(products, key=lambda p: (p.name.casefold(), p.id))
    for sort in ("price", "-price"):
        prices = [p.price_from.amount for p in catalogue.page(Query(sort=sort, limit=100)).products]
        assert prices == sorted(prices, reverse=sort == "-price")


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_hold_each_product_once_also_while_others_are_added(catalogue: Catalogue, sort: Sort) -> None:
    def at(number: int) -> Product:
        moment = START + timedelta(milliseconds=number // 3)
        return product(f"Shirt {number % 4}", variant(f"S{number}", number % 5), at=moment)

    first = [at(number) for number in range(13)]
    await catalogue.add(*first)
    words = ("shirt",) if sort == "relevance" else None
    seen: list[str] = []
    query = Query(sort=sort, limit=3, words=words)
    for later in range(100, 130):
        listing = catalogue.page(query)
        assert len(listing.products) <= 3
        seen += [found.id for found in listing.products]
        if listing.next is None:
            break
        await catalogue.add(at(later), at(-later))
        query = Query(sort=sort, limit=3, words=words, after=listing.next)
    assert listing.next is None
    assert len(set(seen)) == len(seen)
    assert {p.id for p in first} <= set(seen)


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_one_after_another_are_the_whole_list(catalogue: Catalogue, sort: Sort) -> None:
    same = [product("Shirt", variant(f"S{number}", 7)) for number in range(7)]
    await catalogue.add(*same)
    words = ("shirt",) if sort == "relevance" else None
    whole = [p.id for p in catalogue.page(Query(sort=sort, words=words)).products]
    assert whole == sorted((p.id for p in same), reverse=sort in {"relevance", "-price", "-created_at"})
    for limit in (1, 3, 7):
        pages: list[list[str]] = []
        after = None
        while after is not None or not pages:
            listing = catalogue.page(Query(sort=sort, words=words, limit=limit, after=after))
            pages.append([p.id for p in listing.products])
            after = listing.next
            assert listing.total == 7
        assert [one for page in pages for one in page] == whole
        assert len(pages) == -(-7 // limit)


async def test_facets_count_the_whole_result(catalogue: Catalogue) -> None:
    await catalogue.add(
        *(product(f"A{n}", category="Tops", tags=("x", f"t{n}")) for n in range(3)),
        *(product(f"B{n}", category="Hats", tags=("x", "$y")) for n in range(3)),
        product("C", category="Caps", tags=("z",)),
        product("D", tags=("x",)),
    )
    listing = catalogue.page(Query(limit=1))
    assert listing.total == 8
    assert listing.categories == [Facet("Hats", 3), Facet("Tops", 3), Facet("Caps", 1)]
    assert listing.tags == [Facet("x", 7), Facet("$y", 3), *(Facet(v, 1) for v in ("t0", "t1", "t2", "z"))]
    tops = catalogue.page(Query(category="Tops", limit=1))
    assert (tops.total, tops.categories, tops.tags[0]) == (3, [Facet("Tops", 3)], Facet("x", 3))
    last = catalogue.page(Query(sort="name", limit=1, after=("c", "zzz")))
    assert (names(last), last.total, last.categories) == (["D"], 8, listing.categories)


async def test_facets_hold_at_most_fifty_values(catalogue: Catalogue) -> None:
    many = [tuple(f"{letter}{n:02}" for n in range(30)) for letter in "ab"]
    await catalogue.add(*(product("P", category=tags[n], tags=tags) for tags in many for n in range(26)))
    listing = catalogue.page(Query())
    assert [(f.value, f.count) for f in listing.tags[:2]] == [("a00", 26), ("a01", 26)]
    assert len(listing.tags) == 50
    assert listing.categories == [Facet(tags[n], 1) for tags in many for n in range(26)][:50]
