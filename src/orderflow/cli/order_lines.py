"""The lines of an order file: checked as far as sending them needs, given keys, and put in batches.

They are read one by one: memory is bounded however long the file is.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from pydantic_core import from_json

LINE_BYTES_MAX = 1 << 20
BATCH_ORDERS_MAX = 200
BATCH_BYTES_MAX = 4 << 20

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class OrderLine:
    """`number` counts from 1; `text` is the line as it stands in the file; `entry` is what is sent."""

    number: int
    text: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """A line that cannot be sent. `text` is None where it is too long to be kept."""

    number: int
    text: bytes | None
    status: int
    reason: str


Line = OrderLine | UnreadableLine


class OrderFile:
    """A file of orders, one a line in the form of a `POST /api/orders/batch` item; gzip is recognized.

    A line without a key gets one from the file's name, its content and how often that came before in the
    file: the same file again is the same orders, the same line in another file is another order.

    Raises OSError if it cannot be opened. `failure` says why reading ended before the file's end, if it did.
    """

    def __init__(self, path: Path) -> None:
        self.bytes_total = path.stat().st_size
        self.failure: str | None = None
        self._name = path.name.removesuffix(".gz").encode()
        self._raw = path.open("rb")
        packed = self._raw.read(2) == _GZIP
        self._raw.seek(0)
        # A GzipFile reads as any binary file does.
        self._lines = cast("BinaryIO", gzip.GzipFile(fileobj=self._raw)) if packed else self._raw

    def close(self) -> None:
        self._raw.close()

    @property
    def bytes_read(self) -> int:
        return self._raw.tell()

    def batches(self) -> Iterator[list[Line]]:
        """At most BATCH_ORDERS_MAX lines and, but for a single line, BATCH_BYTES_MAX bytes each."""
        batch: list[Line] = []
        size = 0
        for line in self._read():
            length = len(line.entry if isinstance(line, OrderLine) else line.text or b"") + 1
            if batch and (len(batch) == BATCH_ORDERS_MAX or size + length > BATCH_BYTES_MAX):
                yield batch
                batch, size = [], 0
            batch.append(line)
            size += length
        if batch:
            yield batch

    def _read(self) -> Iterator[Line]:
        with closing(_Repeats()) as repeats:
            number = 0
            while True:
                number += 1
                try:
                    text = self._lines.readline(LINE_BYTES_MAX + 1)
                    whole = len(text) <= LINE_BYTES_MAX or text.endswith(b"\n")
                    if not whole:
                        self._skip_line()
                except (OSError, EOFError, zlib.error) as error:
                    self.failure = f"line {number} cannot be read: {error}"
                    return
                if not text:
                    return
                if not whole:
                    yield UnreadableLine(number, None, 413, "The line is longer than 1 MiB.")
                    continue
                text = text.rstrip(b"\r\n")
                if number == 1:
                    text = text.removeprefix(_BYTE_ORDER_MARK)
                if text.strip():
                    yield _line(number, text, self._name, repeats)

    def _skip_line(self) -> None:
        while (rest := self._lines.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
            pass


def _line(number: int, text: bytes, file_name: bytes, repeats: _Repeats) -> Line:
    try:
        text.decode("utf-8")
        order: object = from_json(text, allow_inf_nan=False)
        if not isinstance(order, dict):
            return UnreadableLine(number, text, 422, "The line is JSON, but not an object.")
        fields = cast("dict[str, object]", order)
        if not fields or fields.get("idempotencyKey") is not None:
            return OrderLine(number, text, text)
        fields.pop("idempotencyKey", None)
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeDecodeError as error:
        return UnreadableLine(number, text, 400, f"The line is not UTF-8: byte {error.start + 1}.")
    except ValueError as error:
        return UnreadableLine(number, text, 400, f"The line is not JSON: {error}.")
    digest = sha256(file_name + b"\n" + canonical).hexdigest()
    # Last, because of a repeated JSON key the last one counts, and `null` is no key.
    key = b',"idempotencyKey":"import-%s-%d"}' % (digest.encode(), repeats.count(digest))
    return OrderLine(number, text, text.rstrip()[:-1] + key)


class _Repeats:
    """How often each line was met, kept in a temporary file that SQLite removes: files may be long."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("CREATE TABLE met (digest TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID")
        self._file.execute("BEGIN")

    def count(self, digest: str) -> int:
        """1 for the first time."""
        statement = (
            "INSERT INTO met VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times"
        )
        return self._file.execute(statement, (digest,)).fetchone()[0]

    def close(self) -> None:
        self._file.close()
