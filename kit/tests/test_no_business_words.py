"""The kit is machinery: no name and no text in it speaks of what a shop does.

Whose keys sign tokens, and who is staff, it must know: `users` and `staff` are not on the list.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import shopkit

# Not `item`: that is what Python's dictionaries hold.
FORBIDDEN = frozenset(
    re.findall(
        r"\w+",
        """
    article basket cart catalog catalogue category checkout coupon customer delivery discount inventory invoice
    merchant order parcel payment price product promotion purchase quantity refund sale shipment shipping sku stock
    storefront tax variant vendor warehouse wishlist
    """,
    )
)
# `order=` is an argument of msgspec.json.encode.
ALLOWED = {("idempotency.py", "order")}
FILES = sorted(Path(shopkit.__file__).parent.glob("*.py"))


def words(text: str) -> Iterator[str]:
    """The words of a name or text, in the singular: `addCartLines` and `cart_lines` hold cart."""
    for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text):
        yield word.lower()
        yield word.lower().removesuffix("s")


def docstrings(text: str) -> set[str]:
    """Comments and docstrings explain with examples, which may be of the business."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    return {ast.get_docstring(node, clean=False) or "" for node in nodes}


def business_words(text: str) -> set[str]:
    """Those of the list that stand in names and strings of a source."""
    explained = docstrings(text)
    found: set[str] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_told = token.type == tokenize.NAME or (
            token.type == tokenize.STRING and token.string.strip("\"'") not in explained
        )
        if is_told:
            found |= FORBIDDEN & set(words(token.string))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_kit_knows_no_business(file: Path) -> None:
    found = {(file.name, word) for word in business_words(file.read_text())}
    assert found - ALLOWED == set()


def test_the_search_finds_what_it_should() -> None:
    assert len(FILES) > 15
    assert business_words('"""A cart."""\nclass CartLine: pass') == {"cart"}
    assert business_words("def find_prices(sku): return 'Orders'  # stock") == {"price", "sku", "order"}
    assert business_words('def f():\n    """Of carts."""\n    return border, cartesian, productive') == set()
