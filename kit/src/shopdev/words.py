"""The texts of a package that speaks several languages: collected from its templates and its Python.

In templates they stand in `_()` and `{% trans %}`. In Python they are what a call of `say` may be given first: a text,
or a name that the function gives texts to, be it by a condition or out of a dictionary.
"""

import ast
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from babel.messages import Catalog
from jinja2 import Environment
from jinja2.ext import babel_extract

OPTIONS = {"silent": "false", "trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# Attributes that people are shown, or read to.
SPOKEN = re.compile(r'\b(?:aria-label|title|alt|placeholder|content)="[^"\0{]*[A-Za-z]{2,}')
# What a browser is told, not a person.
TECHNICAL = re.compile(r'<meta name="(?:viewport|htmx-config|color-scheme|theme-color)"[^>]*>', re.DOTALL)
Functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Module


class Text(NamedTuple):
    """A text, its plural where it has one, and where it stands."""

    singular: str
    plural: str | None
    place: str


def collect(package: Path) -> Catalog:
    """All texts of a package, in the order of the files."""
    catalog = Catalog(charset="utf-8")
    for text in [*_in_templates(package / "templates"), *_in_code(package)]:
        catalog.add((text.singular, text.plural) if text.plural else text.singular, locations=[(text.place, 0)])
    return catalog


def _in_templates(folder: Path) -> Iterator[Text]:
    for path in sorted(folder.rglob("*.html")):
        source = BytesIO(path.read_bytes())
        for _, function, message, _ in babel_extract(source, ("_", "gettext", "ngettext"), (), OPTIONS):
            parts = message if isinstance(message, tuple) else (message,)
            if parts[0]:
                plural = parts[1] if function == "ngettext" else None
                yield Text(parts[0], plural, str(path.relative_to(folder.parent)))


def _in_code(package: Path) -> Iterator[Text]:
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for scope in ast.walk(tree):
            if isinstance(scope, Functions):
                for text in _said(scope):
                    yield Text(text, None, str(path.relative_to(package)))


def _said(scope: Functions) -> Iterator[str]:
    """What calls of `say` directly in this function are given."""
    for node in _own(scope):
        if isinstance(node, ast.Call) and node.args and _name_of(node.func) in {"say", "_"}:
            yield from _texts(node.args[0], scope)


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """Everything in a function that is not in a function inside it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own(child)


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _texts(node: ast.expr | None, scope: Functions) -> Iterator[str]:
    """The texts that an expression may be."""
    match node:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, scope)
            yield from _texts(other, scope)
        case ast.Dict(values=values) | ast.BoolOp(values=values):
            for value in values:
                yield from _texts(value, scope)
        case ast.Call(func=ast.Attribute(value=source, attr="get"), args=args):
            for given in (source, *args[1:]):
                yield from _texts(given, scope)
        case ast.Subscript(value=source):
            yield from _texts(source, scope)
        case ast.Name(id=name):
            for assigned in _given_to(name, scope):
                yield from _texts(assigned, scope)
        case _:
            return


def _given_to(name: str, scope: Functions) -> Iterator[ast.expr | None]:
    for node in _own(scope):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in map(_name_of, targets):
                yield node.value


def faults(known: Catalog, wanted: Catalog) -> list[str]:
    """What is wrong with a language's texts: missing, not translated, doubtful, other placeholders, or used no more."""
    found = [f"used no more: {entry.id!r}" for entry in known if entry.id and _key(entry.id) not in _keys(wanted)]
    found += [f"used no more: {name!r}" for name in known.obsolete]
    for entry in wanted:
        if not entry.id:
            continue
        there = known.get(_key(entry.id))
        string = there.string if there is not None else ""
        texts = [string] if isinstance(string, str) else list(string or ())
        if not texts or not all(texts):
            found.append(f"not translated: {entry.id!r}")
        elif there is not None and there.fuzzy:
            found.append(f"doubtful: {entry.id!r}")
        elif not all(_needed(entry.id) <= _placeholders(text) <= _needed(entry.id) | {"num"} for text in texts):
            found.append(f"other placeholders: {entry.id!r}: {texts!r}")
    return found


def _key(message_id: str | tuple[str, ...] | list[str]) -> str:
    return message_id if isinstance(message_id, str) else message_id[0]


def _keys(catalog: Catalog) -> set[str]:
    return {_key(entry.id) for entry in catalog if entry.id}


def _placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text))


def _needed(message_id: str | tuple[str, ...] | list[str]) -> set[str]:
    # Of a plural, the singular may do without the number.
    return _placeholders(message_id) if isinstance(message_id, str) else _placeholders(message_id[1])


def untold(package: Path) -> list[str]:
    """Words in templates that no language can be given: they stand outside of any text."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    found = []
    for path in sorted((package / "templates").rglob("*.html")):
        html, depth = "", 0
        for _, kind, value in environment.lex(path.read_text("utf-8")):
            if kind == "name" and value in {"trans", "endtrans"}:
                depth += 1 if value == "trans" else -1
            # What an expression puts there is one character without a meaning.
            html += value if kind == "data" and not depth else "\0" if kind.endswith("_end") else ""
        html = TECHNICAL.sub("", html)
        words = re.findall(r"[^\W\d_]{2,}", re.sub(r"<!--.*?-->|<[^>]*>", " ", html, flags=re.DOTALL))
        found += [f"{path.name}: {word}" for word in [*words, *SPOKEN.findall(html)]]
    return found
