"""Reads the orders of a file, checks them as far as sending needs, gives them keys and puts them in batches.

They are read one by one: memory is bounded however long the file is.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import cast

from pydantic_core import from_json

from orderflow.cli.json_array import BrokenArray, elements
from orderflow.cli.order_csv import BrokenCsv, Dialect, dialect, orders

LINE_BYTES_MAX = 1 << 20
BATCH_ORDERS_MAX = 200
BATCH_BYTES_MAX = 4 << 20
NAME_CHARS_MAX = 100
SHOWN_MAX = 10
STDIN = Path("-")

_GZIP = b"\x1f\x8b"
_BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class OrderLine:
    """`number` counts from 1; `text` is the line as it is in the file; `entry` is what is sent."""

    number: int
    text: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """A line that cannot be sent. `text` is None where it is too long to be kept. `names_lines`: the reason
    says which line is wrong, as in CSV, where an order may have many."""

    number: int
    text: bytes | None
    status: int
    reason: str
    names_lines: bool = False

    @property
    def told(self) -> str:
        return self.reason if self.names_lines else f"line {self.number}: {self.reason}"


Line = OrderLine | UnreadableLine


@dataclass(frozen=True, slots=True)
class Reading:
    """What a look through the whole file found; `shown` are the first unreadable lines, SHOWN_MAX at most.
    `failure` says why it ended before the file's end, if it did."""

    readable: int
    unreadable: int
    shown: list[UnreadableLine]
    failure: str | None


class OrderFile:
    """A file of orders, each in the form of an entry of `POST /api/orders/batch`: one per line, or all in a
    JSON array, whose elements then count as lines; or CSV (`order_csv`), where an order has the number of its
    first line. gzip is recognized. `-` is stdin. Like any pipe, it is read to its end first.

    A line without a key gets one, made from the file's name, the line's content and how often that content
    came before in the file. So the same file again means the same orders, and the same line in another file
    means another order. Every pipe has the name "stdin".

    Raises OSError if the file cannot be read, and BrokenCsv for a header that cannot be used. `failure` says
    why reading ended before the file's end, if it did.
    """

    def __init__(self, path: Path) -> None:
        self.failure: str | None = None
        file = open(sys.stdin.fileno(), "rb", closefd=False) if path == STDIN else path.open("rb")  # noqa: SIM115
        in_place = path != STDIN and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        self.name = path.name.removesuffix(".gz") if in_place else "stdin"
        self._raw = file if in_place else _kept(file)
        self.bytes_total = os.fstat(self._raw.fileno()).st_size
        self._rewind()
        name = path.name.removesuffix(".gz").lower()
        try:
            self.csv = dialect(self._content, named_csv=name.endswith((".csv", ".tsv")))
        except (OSError, EOFError, zlib.error):
            self.csv = None  # reading the lines says what is wrong
        except BrokenCsv:
            self._raw.close()
            raise
        self._rewind()

    def close(self) -> None:
        self._raw.close()

    @property
    def bytes_read(self) -> int:
        return self._raw.tell()

    def look_through(self) -> Reading:
        """Read the whole file without sending anything, and go back to its beginning."""
        readable, unreadable, shown = 0, 0, list[UnreadableLine]()
        for text in self._texts():
            found = text if isinstance(text, UnreadableLine) else _fields(*text)
            if isinstance(found, UnreadableLine):
                unreadable += 1
                if len(shown) < SHOWN_MAX:
                    shown.append(found)
            else:
                readable += 1
        failure, self.failure = self.failure, None
        self._rewind()
        return Reading(readable, unreadable, shown, failure)

    def batches(self) -> Iterator[list[Line]]:
        """Batches of at most BATCH_ORDERS_MAX lines and BATCH_BYTES_MAX bytes; a single line may be
        longer."""
        batch: list[Line] = []
        size = 0
        for line in self._lines():
            length = len(line.entry if isinstance(line, OrderLine) else line.text or b"") + 1
            if batch and (len(batch) == BATCH_ORDERS_MAX or size + length > BATCH_BYTES_MAX):
                yield batch
                batch, size = [], 0
            batch.append(line)
            size += length
        if batch:
            yield batch

    def _lines(self) -> Iterator[Line]:
        with closing(_Repeats()) as repeats:
            for text in self._texts():
                yield text if isinstance(text, UnreadableLine) else _line(*text, self.name, repeats)

    def _rewind(self) -> None:
        self._raw.seek(0)
        packed = self._raw.read(len(_GZIP)) == _GZIP
        self._raw.seek(0)
        # A GzipFile has the methods `read`, `readline` and `peek` of a buffered binary file.
        self._content = cast("io.BufferedReader", gzip.GzipFile(fileobj=self._raw)) if packed else self._raw

    def _texts(self) -> Iterator[tuple[int, bytes | None] | UnreadableLine]:
        """Whatever may be an order, with its number: lines that are not blank, the elements of an array, or
        the orders of CSV. None stands for a line that is too long."""
        number = 0
        what = "line"
        try:
            if self.csv is not None:
                yield from self._orders_of_csv(self.csv)
            elif self._begins_an_array():
                what = "array, element"
                for text in elements(self._content, bytes_max=LINE_BYTES_MAX):
                    number += 1
                    yield number, text
            else:
                while text := self._content.readline(LINE_BYTES_MAX + 1):
                    number += 1
                    whole = len(text) <= LINE_BYTES_MAX or text.endswith(b"\n")
                    if not whole:
                        self._skip_line()
                    text = text.rstrip(b"\r\n").removeprefix(_BYTE_ORDER_MARK)
                    if text.strip():
                        yield number, text if whole else None
        except BrokenCsv as error:
            self.failure = str(error)
        except BrokenArray as error:
            self.failure = f"{what} {number + 1}: {error}"
        except (OSError, EOFError, zlib.error) as error:
            self.failure = f"{what} {number + 1} cannot be read: {error}"

    def _orders_of_csv(self, written: Dialect) -> Iterator[tuple[int, bytes | None] | UnreadableLine]:
        with closing(_Repeats()) as met:
            for order in orders(self._content, written, lambda name: met.count(name) == 1):
                if order.wrong:
                    yield UnreadableLine(
                        order.number, order.source(), 422, "; ".join(order.wrong), names_lines=True
                    )
                else:
                    text = order.text()
                    yield order.number, text if len(text) <= LINE_BYTES_MAX else None

    def _begins_an_array(self) -> bool:
        """Whether an opening bracket comes first. If so, it is consumed."""
        start = self._content.peek(1)
        before = len(start) - len(start.removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANK))
        if start[before : before + 1] != b"[":
            return False
        self._content.read(before + 1)
        return True

    def _skip_line(self) -> None:
        while (rest := self._content.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
            pass


def _kept(pipe: io.BufferedReader) -> io.BufferedReader:
    """All that comes through the pipe, in a file without a name, because it is read twice."""
    with pipe:
        file = tempfile.TemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(pipe, file)
    file.flush()
    return cast("io.BufferedReader", file)


def _fields(number: int, text: bytes | None) -> dict[str, object] | UnreadableLine:
    """The order on this line, decoded but not validated: the Order Service does that."""
    if text is None:
        return UnreadableLine(number, None, 413, "It is longer than 1 MiB.")
    try:
        text.decode("utf-8")
        order: object = from_json(text, allow_inf_nan=False)
        if not isinstance(order, dict):
            return UnreadableLine(number, text, 422, "It is JSON, but not an object.")
        fields = cast("dict[str, object]", order)
        json.dumps(fields)  # refuses a number of thousands of digits
        return fields
    except UnicodeDecodeError as error:
        return UnreadableLine(number, text, 400, f"It is not UTF-8: byte {error.start + 1}.")
    except ValueError as error:
        return UnreadableLine(number, text, 400, f"It is not JSON: {error}.")


def _line(number: int, text: bytes | None, file_name: str, repeats: _Repeats) -> Line:
    fields = _fields(number, text)
    if isinstance(fields, UnreadableLine) or text is None:
        return cast("UnreadableLine", fields)
    if not fields or fields.get("idempotencyKey") is not None:
        return OrderLine(number, text, text)
    fields.pop("idempotencyKey", None)
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    digest = sha256(file_name.encode(errors="surrogateescape") + b"\n" + canonical).hexdigest()[:32]
    key = _key(file_name, digest, repeats.count(digest))
    # The key goes last: the line may have the key `null`, and of a repeated JSON key the last one counts.
    return OrderLine(
        number, text, text.rstrip()[:-1] + b',"idempotencyKey":' + json.dumps(key).encode() + b"}"
    )


def _key(file_name: str, digest: str, times: int) -> str:
    """A key that tells what it stands for: an import, the file, the content, and which repeat of it this
    is."""
    shown = "".join(c if c.isprintable() else "_" for c in file_name[:NAME_CHARS_MAX])
    return f"import:{shown}:{digest}:{times}"


class _Repeats:
    """How often each line was met. The counts are in a temporary file that SQLite removes: files may be
    long."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("CREATE TABLE met (digest TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID")
        self._file.execute("BEGIN")

    def count(self, digest: str) -> int:
        """How often the digest was met, this time included."""
        statement = (
            "INSERT INTO met VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"
        )
        return self._file.execute(statement, (digest,)).fetchone()[0]

    def close(self) -> None:
        self._file.close()
