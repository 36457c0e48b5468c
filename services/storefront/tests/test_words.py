"""Every text of the pages is in every language, whole, and nothing is shown that no language could be given."""

from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import storefront
from shopdev.words import collect, faults, untold
from storefront.words import OTHERS

PACKAGE = Path(storefront.__file__).parent


def test_no_words_stand_in_a_template_outside_of_texts() -> None:
    assert untold(PACKAGE) == []


@pytest.mark.parametrize("tag", OTHERS)
def test_a_language_has_each_text_with_the_same_placeholders_and_nothing_else(tag: str) -> None:
    """After `make words`, what is missing stands in the file without a translation."""
    known = read_po(BytesIO((PACKAGE / "locales" / f"{tag}.po").read_bytes()))
    assert faults(known, collect(PACKAGE)) == []


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")


def test_texts_are_found_in_templates_and_in_code_however_they_are_chosen(tmp_path: Path) -> None:
    write(
        tmp_path,
        "templates/a.html",
        "{{ _('One') }}{% trans n=n %}{{ n }} two{% pluralize %}{{ n }} twos{% endtrans %}",
    )
    code = """
def page(visit, kind, code):
    visit.say("Three", who=1)
    text = "Four" if kind else "Five"
    visit.say(text)
    known = {"code": "Six", "other": "Se" "ven"}
    visit.say(known.get(code, "Eight"))
    visit.say(code)
    def inner():
        text = "Not this one"
        return text
"""
    write(tmp_path, "page.py", code)
    found = {entry.id if isinstance(entry.id, str) else entry.id[0] for entry in collect(tmp_path) if entry.id}
    assert found == {"One", "%(n)s two", "Three", "Four", "Five", "Six", "Seven", "Eight"}


def test_what_is_wrong_with_a_language_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a.py", 'say("A %(name)s")\nsay("B")\nsay("C")\nsay("D")\n')
    (tmp_path / "templates").mkdir()
    entries = """
msgid "A %(name)s"
msgstr "a %(nmae)s"

msgid "B"
msgstr ""

#, fuzzy
msgid "C"
msgstr "c"

msgid "E"
msgstr "e"
"""
    known = read_po(BytesIO(entries.encode()))
    told = {fault.partition(":")[0] for fault in faults(known, collect(tmp_path))}
    assert told == {"other placeholders", "not translated", "doubtful", "used no more"}
    assert len(faults(known, collect(tmp_path))) == 5


@pytest.mark.parametrize(
    "html",
    ["<p>Hello</p>", '<a aria-label="Hello there">{{ x }}</a>', "{% if x %}yes{% endif %}", '<img alt="Tea pot">'],
)
def test_words_outside_of_texts_are_found(tmp_path: Path, html: str) -> None:
    write(tmp_path, "templates/a.html", html)
    assert untold(tmp_path)


@pytest.mark.parametrize(
    "html",
    [
        "<p>{{ _('Hello') }}</p>",
        '<a aria-label="{{ _("x") }}" class="wide">×</a>',
        "{# note #}<br>",
        "{{ x }} · {{ y }}",
    ],
)
def test_what_is_no_word_is_left_alone(tmp_path: Path, html: str) -> None:
    write(tmp_path, "templates/a.html", html)
    assert untold(tmp_path) == []
