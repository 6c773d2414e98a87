"""Orders from CSV: a header row, then a line for each item. Memory is bounded by one order, however long the
file is."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from orderflow.cli.minor_units import minor_units
from orderflow.contracts.orders_api import ITEMS_MAX

LINE_CHARS_MAX = 1 << 20
HEADER_BYTES_MAX = 1 << 14
CHUNK_BYTES = 1 << 18
WRONG_CELLS_MAX = 5

_ITEM = ("productId", "quantity", "unitPrice", "amountMinor", "currency")
_ADDRESS = {
    "shipToName": "name",
    "shipToCity": "city",
    "shipToRegion": "region",
    "shipToPostalCode": "postalCode",
    "shipToCountry": "country",
}
_LINES = [f"shipToLine{number}" for number in range(1, 11)]
_ORDER = ("order", "customerId", "customerName", "idempotencyKey", *_ADDRESS, *_LINES)
REQUIRED = ("customerId", "customerName", "productId", "quantity")
COLUMNS = {name.lower(): name for name in (*_ITEM, *_ORDER)}
"""Every column by its name in small letters. Case, blanks and `_` and `-` in a header do not matter."""

_DELIMITERS = ",;\t|"
_QUANTITY = re.compile(r"[0-9]{1,9}")
_LINE_END = re.compile(r"[\r\n]")
_NOT_IN_NAMES = re.compile(r"[\s_-]")


class BrokenCsv(Exception):
    """The file cannot be read any further; the text says why, and names the line."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the file is written. `columns` are names of COLUMNS, in the order of its header."""

    encoding: str
    delimiter: str
    columns: list[str]


@dataclass(slots=True)
class CsvOrder:
    """An order and the number of its first line. `wrong` says which of its cells are wrong, by line and
    column."""

    number: int
    rows: list[list[str]] = field(default_factory=list[list[str]])
    cells: dict[str, str] = field(default_factory=dict[str, str])
    items: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    wrong: list[str] = field(default_factory=list[str])

    def text(self) -> bytes:
        """The order as a line of JSON."""
        cells = self.cells
        order: dict[str, object] = {
            "customer": {"customerId": cells.get("customerId", ""), "name": cells.get("customerName", "")},
            "items": self.items,
        }
        address: dict[str, object] = {
            name: cells[column] for column, name in _ADDRESS.items() if column in cells
        }
        if lines := [cells[column] for column in _LINES if column in cells]:
            address["lines"] = lines
        if address:
            order["shipTo"] = address
        if "idempotencyKey" in cells:
            order["idempotencyKey"] = cells["idempotencyKey"]
        return json.dumps(order, ensure_ascii=False).encode()

    def source(self) -> bytes:
        """Its lines as CSV with commas."""
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerows(self.rows)
        return written.getvalue().encode()


def dialect(stream: BinaryIO, *, named_csv: bool) -> Dialect | None:
    """How the CSV file is written, or None if it is no CSV: its header lacks our columns, and it has no name
    of one either. Raises BrokenCsv for a header that cannot be used. Where the whole file is not UTF-8, it
    counts as Windows-1252."""
    head = stream.read(HEADER_BYTES_MAX)
    encoding = _marked(head)
    text = head.decode(encoding or "utf-8", errors="replace")
    header = _LINE_END.split(text.lstrip("\r\n"), maxsplit=1)[0]
    delimiter = max(_DELIMITERS, key=lambda one: len(_known(_cells(header, one))))
    cells = _cells(header, delimiter)
    if named_csv and not header.strip():
        raise BrokenCsv("it is empty")
    if not named_csv and not {"productId", "quantity"} <= set(_known(cells)):
        return None
    unknown = [cell for cell in cells if _name(cell) not in COLUMNS]
    if unknown:
        raise BrokenCsv(
            f"line 1: the column {unknown[0]!r} is not known; there are {', '.join(COLUMNS.values())}"
        )
    columns = [COLUMNS[_name(cell)] for cell in cells]
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise BrokenCsv(f"line 1: the column {twice[0]} is there twice")
    if missing := [name for name in REQUIRED if name not in columns]:
        raise BrokenCsv(f"line 1: the column {missing[0]} is missing")
    return Dialect(encoding or _unmarked(head, stream), delimiter, columns)


def _marked(head: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


def _unmarked(head: bytes, stream: BinaryIO) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
        while chunk := stream.read(CHUNK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _cells(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter), list[str]())
    except csv.Error:
        return []


def _name(cell: str) -> str:
    return _NOT_IN_NAMES.sub("", cell).lower()


def _known(cells: list[str]) -> list[str]:
    return [COLUMNS[name] for name in map(_name, cells) if name in COLUMNS]


def orders(stream: BinaryIO, written: Dialect, is_new: Callable[[str], bool]) -> Iterator[CsvOrder]:
    """The orders of the file. Following lines with the same `order` are one order; without that column, or
    where it is empty, every line is an order of its own. `is_new` is asked about each value of `order`, once.
    Raises BrokenCsv."""
    text = io.TextIOWrapper(stream, written.encoding, newline="")
    try:
        current: CsvOrder | None = None
        for number, row in _rows(text, written):
            found = {
                name: cell.strip() for name, cell in zip(written.columns, row, strict=False) if cell.strip()
            }
            name = found.get("order")
            if current is None or name is None or name != current.cells.get("order"):
                if current is not None:
                    yield current
                current = CsvOrder(number, cells=found)
                if name is not None and not is_new(name):
                    current.wrong.append(
                        f"line {number}, column order: {name!r} was there before: join its lines"
                    )
            _add(current, number, row, found, written.columns)
        if current is not None:
            yield current
    finally:
        text.detach()


def _rows(text: io.TextIOWrapper, written: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Each row behind the header that is not blank, with the number of its first line."""
    reader = csv.reader(_lines(text), delimiter=written.delimiter, strict=True)
    is_header = True
    number = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row) and not is_header:
                yield number, row
            is_header = is_header and not any(row)
            number = reader.line_num + 1
    except (csv.Error, UnicodeError) as error:
        raise BrokenCsv(f"line {number}: it cannot be read: {error}") from None


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LINE_CHARS_MAX + 1):
        if len(line) > LINE_CHARS_MAX:
            raise csv.Error(f"it is longer than {LINE_CHARS_MAX} characters")
        yield line


def _add(order: CsvOrder, number: int, row: list[str], found: dict[str, str], columns: list[str]) -> None:
    """Add the row's item to the order, or what is wrong with it."""
    if len(order.rows) <= ITEMS_MAX:  # one too many: the service says so
        order.rows.append(row)
    else:
        return
    wrong = dict[str, str]()
    if len(row) != len(columns):
        order.wrong.append(f"line {number}: it has {len(row)} cells, and the header {len(columns)}")
        return
    for column in REQUIRED:
        if column not in (found if column in _ITEM else order.cells):
            wrong[column] = "it is empty"
    for column in _ORDER:
        if column in found and found[column] != order.cells.get(column):
            wrong[column] = f"it differs from line {order.number}"
    order.items.append(_item(found, wrong))
    if len(order.wrong) < WRONG_CELLS_MAX:
        order.wrong += [f"line {number}, column {column}: {text}" for column, text in wrong.items()]


def _item(found: dict[str, str], wrong: dict[str, str]) -> dict[str, object]:
    quantity, price, amount = found.get("quantity", ""), found.get("unitPrice"), found.get("amountMinor")
    if quantity and not _QUANTITY.fullmatch(quantity):
        wrong["quantity"] = f"{quantity!r} is no whole number: digits alone"
    item: dict[str, object] = {"productId": found.get("productId", "")}
    item["quantity"] = 0 if "quantity" in wrong else int(quantity or 0)
    currency = found.get("currency", "")
    try:
        if price is not None and amount is not None:
            wrong["amountMinor"] = "a price is in unitPrice or in amountMinor, not in both"
        elif price is not None:
            item["unitPrice"] = {"amountMinor": minor_units(price, currency), "currency": currency}
        elif amount is not None:
            if not amount.isascii() or not amount.isdigit() or len(amount) > 15:
                raise ValueError(f"{amount!r} is no whole number: digits alone, in the currency's minor unit")
            item["unitPrice"] = {"amountMinor": int(amount), "currency": currency}
    except ValueError as error:
        wrong["unitPrice" if price is not None else "amountMinor"] = str(error)
    return item
