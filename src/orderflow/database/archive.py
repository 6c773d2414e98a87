"""Archives: files to which rows are written before they are deleted, and that are read back.

A file has a line of JSON for each row, `{"table":…,"row":{…}}`, and is compressed: each step of deletions
adds a member of gzip to it. A member is on disk before its rows are deleted, so no row is missing; after a
crash or an outage in between, a row is in the archive twice. A process that was killed may leave half a
member at the end, whose rows were not deleted.
"""

import base64
import gzip
import json
import os
import secrets
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from orderflow.database.dialects import UtcTime
from orderflow.runtime.settings_error import SettingsError

SUFFIX = ".ndjson.gz"
FILE_BYTES_MAX = 64 << 20
CHUNK_BYTES = 1 << 16
_GZIP = zlib.MAX_WBITS | 16
LINE_BYTES_MAX = 64 << 20
"""The longest line that is read: a dead letter's row has 4 MiB of bytes at most."""


class BrokenArchive(Exception):
    """The file is no archive, or was changed since."""


class Row(NamedTuple):
    """A row with its table's name. Its values are as JSON has them."""

    table: str
    values: dict[str, Any]


class Archive:
    """Writes archives of `name` into a directory, which must exist. A file that has more than
    `file_bytes_max` gets no further member. One thread uses it."""

    def __init__(self, directory: Path, name: str, *, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        self._directory = directory
        self._name = name
        self._file_bytes_max = file_bytes_max
        self._file: int | None = None
        self._bytes = 0

    def append(self, rows: Sequence[tuple[sa.Table, Mapping[Any, Any]]]) -> None:
        """Write the rows; returns when they are on disk. Raises OSError: then nothing may be deleted."""
        lines = [encoded(table, values) for table, values in rows]
        member = gzip.compress(b"".join(lines), compresslevel=6)
        if self._file is not None and self._bytes > self._file_bytes_max:
            self.close()
        file = self._file if self._file is not None else self._begin()
        try:
            _write_all(file, member)
            os.fsync(file)
        except OSError:
            # Half a member ends a file: whatever followed it could not be read.
            self.close()
            raise
        self._bytes += len(member)

    def _begin(self) -> int:
        at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = self._directory / f"{self._name}-{at}-{secrets.token_hex(4)}{SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._bytes = 0
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return self._file

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_archive(directory: Path | None, name: str) -> Archive | None:
    """The archive in the directory that ORDERFLOW_ARCHIVE_DIR names, which is made if need be; None if it
    names none. Raises SettingsError if no file can be made there."""
    if directory is None:
        return None
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise SettingsError(f"ORDERFLOW_ARCHIVE_DIR: {directory}: {error.strerror}") from None
    return Archive(directory, name)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def encoded(table: sa.Table, values: Mapping[Any, Any]) -> bytes:
    """The line of a row."""
    row = {name: _encoded(value) for name, value in values.items()}
    return json.dumps({"table": table.name, "row": row}, ensure_ascii=False).encode() + b"\n"


def _encoded(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def decoded(table: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row as the table takes them. Raises BrokenArchive."""
    try:
        row = {name: _decoded(table.c[name], value) for name, value in values.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenArchive(f"a row does not fit the table {table.name}: {error}") from None
    for column in table.columns:
        if not column.nullable and column.server_default is None and row.get(column.name) is None:
            raise BrokenArchive(f"a row does not fit the table {table.name}: it has no {column.name}")
    return row


def _decoded(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if type(value) is not _stored_as(column):
        raise TypeError(f"{column.name} is a {type(value).__name__}")
    if isinstance(column.type, UtcTime):
        return datetime.fromisoformat(value).astimezone(UTC)
    return base64.b64decode(value, validate=True) if isinstance(column.type, sa.LargeBinary) else value


def _stored_as(column: sa.Column[Any]) -> type:
    if isinstance(column.type, sa.Integer):
        return int
    return bool if isinstance(column.type, sa.Boolean) else str


def read(path: Path) -> Iterator[Row]:
    """The rows of an archive, in the order in which they were written. Half a member at its end is left out.
    Raises BrokenArchive and OSError."""
    rest = b""
    for text in _decompressed(path):
        *lines, rest = (rest + text).split(b"\n")
        for line in lines:
            yield _row(path, line)
        if len(rest) > LINE_BYTES_MAX:
            raise BrokenArchive(f"{path}: a line is too long")


def _decompressed(path: Path) -> Iterator[bytes]:
    """The text of the file's members, in parts."""
    with path.open("rb") as file:
        member = zlib.decompressobj(_GZIP)
        data = b""
        while data or (data := file.read(CHUNK_BYTES)):
            try:
                yield member.decompress(data)
            except zlib.error as error:
                raise BrokenArchive(f"{path}: {error}") from None
            data = member.unused_data
            if member.eof:
                member = zlib.decompressobj(_GZIP)


def _row(path: Path, line: bytes) -> Row:
    try:
        document = json.loads(line)
        return Row(str(document["table"]), dict(document["row"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenArchive(f"{path}: a line is no row: {error}") from None
