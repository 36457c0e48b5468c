"""HTML as plain text: descriptions are text in the shop, and shown as text."""

import re
from html.parser import HTMLParser

LOOKS_LIKE_HTML = re.compile(r"</?[A-Za-z][^<>]*>|&(?:#\d+|#x[0-9a-fA-F]+|[A-Za-z]+\d*);")
BLOCKS = re.compile("p|div|h[1-6]|[uo]l|li|table|tr|section|article|blockquote|pre|br|hr")
NEVER_SHOWN = frozenset(("script", "style", "title"))


class NotHtml(Exception):
    """Something that looks like HTML and cannot be read as such."""


def plain(text: str) -> str:
    """The text without tags and entities, a line for each block; a text without any is left exactly as it is.

    NotHtml where it holds what no browser could show: a character number of thousands of digits, say.
    """
    if not LOOKS_LIKE_HTML.search(text):
        return text
    reader = _Reader()
    # What opens behind the last > is no tag. The parser would look for an end from each of them.
    tags, end, rest = text.rpartition(">")
    try:
        reader.feed(tags + end + rest.replace("<", "&lt;"))
        reader.close()
    except (ValueError, AssertionError) as error:
        raise NotHtml from error
    lines = (re.sub(r"\s+", " ", line).strip() for line in "".join(reader.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    """Collects what a browser would show. Line breaks in the source are spaces, as they are there."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in NEVER_SHOWN:
            self._hidden += 1
        elif BLOCKS.fullmatch(tag):
            self.parts.append("\n- " if tag == "li" else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in NEVER_SHOWN:
            self._hidden = max(0, self._hidden - 1)
        elif tag == "p":
            self.parts.append("\n\n")
        elif tag != "li" and BLOCKS.fullmatch(tag):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))
