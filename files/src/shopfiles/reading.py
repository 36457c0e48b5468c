"""Reads catalogue files, CSV and JSON Lines: one product at a time, so that memory stays flat whatever the size."""

import codecs
import csv
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import msgspec

from shopfiles.columns import Columns, WrongColumns, headings_of
from shopfiles.lines import BOM, Lines
from shopfiles.records import Broken, Record, records
from shopfiles.rows import ProductRows, Status, short
from shopfiles.seen import Seen
from shopfiles.wire import Misfit, Product, check

HEAD = 64 * 1024
PROBLEMS_TOLD = 10
OTHER_FILES = {
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"RIFF": "a picture or a sound",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a spreadsheet or an archive; save it as CSV in UTF-8",
    b"\x1f\x8b": "compressed; unpack it first",
    b"\xff\xfe": "in UTF-16; save it in UTF-8",
    b"\xfe\xff": "in UTF-16; save it in UTF-8",
}
# What GET /products answers beside what POST takes.
IGNORED = frozenset(("id", "version", "created_at", "updated_at", "price_from", "in_stock"))


class WrongFile(Exception):
    """This is no catalogue file; one sentence for the person who gave it."""


class Entry(NamedTuple):
    """One product. `line` is its first in the file, from 1; `name` is for reports; `item` as POST /products takes it.

    `status` is None where the file says nothing about it.
    """

    line: int
    name: str
    item: dict[str, Any]
    status: Status | None


class Fault(NamedTuple):
    """A product, or a row that belongs to none, that cannot be taken, and why."""

    line: int
    name: str
    detail: str


def read(file: BinaryIO, filename: str, currency: str) -> Iterator[Entry | Fault]:
    """All products of the file in their order. It must be able to seek; `currency` is for prices that come without.

    WrongFile, at once, where it is no catalogue file at all. What is wrong with one product is a Fault.
    """
    head = file.read(HEAD)
    file.seek(0)
    _require_text(head, filename)
    lines = Lines(file)
    if is_json_lines(head, filename):
        return _read_json_lines(lines)
    first = next(lines)
    try:
        headings, delimiter = headings_of(first.text)
        columns = Columns(headings)
    except csv.Error as error:
        raise WrongFile(f"{filename} is no catalogue: its first line is not CSV.") from error
    except WrongColumns as wrong:
        raise WrongFile(f"{filename} is no catalogue: {wrong}.") from wrong
    return _Reader(columns, currency, delimiter).read(records(lines, delimiter))


def is_json_lines(head: bytes, filename: str) -> bool:
    """Told by its name, or by how it begins where the name says nothing."""
    if filename.lower().endswith((".jsonl", ".ndjson")):
        return True
    return not filename.lower().endswith(".csv") and head.removeprefix(BOM).lstrip().startswith(b"{")


def _require_text(head: bytes, filename: str) -> None:
    if not head.removeprefix(BOM).strip():
        raise WrongFile(f"{filename} is empty.")
    for beginning, what in OTHER_FILES.items():
        if head.startswith(beginning):
            raise WrongFile(f"{filename} is no catalogue: it is {what}.")
    first_line = head.removeprefix(BOM).partition(b"\n")[0]
    if b"\0" in first_line:
        raise WrongFile(f"{filename} is no catalogue: it is not a text.")
    if first_line.lstrip().startswith(b"["):
        raise WrongFile(f"{filename} is no catalogue: JSON must come as JSON Lines, one product on each line.")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD)
    except UnicodeDecodeError as error:
        line = head[: error.start].count(b"\n") + 1
        raise WrongFile(f"{filename} is not in UTF-8 (line {line}); save it as CSV in UTF-8.") from error


class _Group:
    """The rows of one product, as far as they were read; what is wrong with them, by line."""

    def __init__(self, line: int, rows: ProductRows) -> None:
        self.line = line
        self.rows = rows
        self.problems: list[tuple[int, str]] = []
        # Broken rows that came last: whether they are this product's, the next row tells.
        self.undecided: list[Fault] = []

    def attempt(self, line: int, cells: list[str], seen: Seen) -> None:
        """Adds a row; what is wrong with it is kept."""
        try:
            sku = self.rows.add(cells)
            before = seen.add(f"sku {sku}", line) if sku else 0
            if before:
                raise Misfit("SKU", f"{sku} stands on line {before} already")
        except Misfit as wrong:
            self.problems.append((line, f"{wrong.member} {wrong.detail}."))

    def result(self) -> Entry | Fault:
        """The product, or all that is wrong with it."""
        item: dict[str, Any] = {}
        if not self.problems:
            try:
                item = self.rows.item()
            except Misfit as wrong:
                self.problems.append((self.line, f"{wrong.member} {wrong.detail}."))
        if not self.problems:
            return Entry(self.line, self.rows.name, item, self.rows.status)
        line = self.problems[0][0]
        told = [text if at == line else f"Line {at}: {text}" for at, text in self.problems[:PROBLEMS_TOLD]]
        if len(self.problems) > PROBLEMS_TOLD:
            told.append(f"And {len(self.problems) - PROBLEMS_TOLD} more.")
        return Fault(line, self.rows.name, " ".join(told))


class _Reader:
    """Puts the rows of a CSV file together to products."""

    def __init__(self, columns: Columns, currency: str, delimiter: str) -> None:
        self._columns = columns
        self._currency = currency
        self._delimiter = delimiter
        # Where a semicolon separates the cells, a comma separates the decimals.
        self._point = "," if delimiter == ";" else "."
        self._seen = Seen()
        self._group: _Group | None = None

    def read(self, found: Iterator[Record | Broken]) -> Iterator[Entry | Fault]:
        """All products."""
        for record in found:
            if isinstance(record, Broken):
                yield from self._broken(record)
            elif self._group and self._continues(record.cells):
                group = self._group
                group.problems += [(fault.line, fault.detail) for fault in group.undecided]
                group.undecided = []
                group.attempt(record.line, record.cells, self._seen)
            else:
                yield from self._finish()
                self._begin(record)
        yield from self._finish()

    def _continues(self, cells: list[str]) -> bool:
        """Whether the row belongs to the product before: the same handle, or neither handle nor title."""
        handle = self._columns.cell(cells, "handle").strip()
        if handle:
            return self._group is not None and handle == self._group.rows.handle
        return not self._columns.cell(cells, "title").strip()

    def _begin(self, record: Record) -> None:
        rows = ProductRows(self._columns, record.cells, self._currency, self._point)
        self._group = _Group(record.line, rows)
        before = self._seen.add(f"handle {rows.handle}", record.line) if rows.handle else 0
        if before:
            detail = f"is that of line {before} too; the rows of one product stand one after the other."
            self._group.problems.append((record.line, f"{self._columns.label('handle')} {short(rows.handle)} {detail}"))
        self._group.attempt(record.line, record.cells, self._seen)

    def _broken(self, record: Broken) -> Iterator[Entry | Fault]:
        group = self._group
        if group is None:
            yield Fault(record.line, "", record.detail)
        elif group.rows.handle in {cell.strip('" ') for cell in record.text.split(self._delimiter)} - {""}:
            group.problems.append((record.line, record.detail))
        else:
            group.undecided.append(Fault(record.line, "", record.detail))
            if len(group.undecided) > PROBLEMS_TOLD:
                # In the order of the file: who goes on after these faults must have had the product before them.
                yield from self._finish()

    def _finish(self) -> Iterator[Entry | Fault]:
        if self._group:
            yield self._group.result()
            yield from self._group.undecided
            self._group = None


def _read_json_lines(lines: Lines) -> Iterator[Entry | Fault]:
    seen = Seen()
    for line in lines:
        if line.fault:
            yield Fault(line.number, "", line.fault)
        elif line.text.strip():
            yield _product_of(line.number, line.text, seen)


def _product_of(number: int, text: str, seen: Seen) -> Entry | Fault:
    try:
        content = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return Fault(number, "", f"The line is not JSON: {error}.")
    if not isinstance(content, dict):
        return Fault(number, "", "The line is not a JSON object.")
    item = {name: value for name, value in content.items() if name not in IGNORED}
    status = item.pop("status", None)
    name = next((value for key in ("slug", "sku", "name") if isinstance(value := item.get(key), str)), "")
    try:
        if status not in (None, "active", "archived"):
            raise Misfit("status", "is neither active nor archived")
        check(item, Product)
        skus = _skus_of(item)
        before = {sku: seen.add(f"sku {sku}", number) for sku in skus}
        for sku, line in before.items():
            if line:
                raise Misfit("sku", f"{sku} stands on line {line} already")
    except Misfit as wrong:
        return Fault(number, short(name), f"{wrong.member or 'The product'} {wrong.detail}.")
    return Entry(number, name, item, status)


def _skus_of(item: dict[str, Any]) -> list[str]:
    """All SKUs; Misfit where there is none, or where its two forms are mixed."""
    single = [member for member in ("sku", "price", "stock") if member in item]
    if "variants" in item:
        if single:
            raise Misfit(single[0], "does not go with variants")
        skus = [variant["sku"] for variant in item["variants"]]
        currencies = {variant["price"]["currency"] for variant in item["variants"]}
        if len(currencies) > 1:
            raise Misfit("variants", f"have prices in {' and '.join(sorted(currencies))}: a product has one currency")
        if len(set(skus)) < len(skus):
            raise Misfit("variants", "name the same SKU twice")
        return skus
    for member in ("sku", "price"):
        if member not in item:
            raise Misfit(member, "is missing, and so are variants")
    return [item["sku"]]
