"""Moves all rows of one database to another, of whatever kind, and verifies that they have arrived."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.archive import encoded

ROWS_A_BATCH = 200
"""Each may have a dead letter of 4 MiB."""
_DIGEST_BYTES = 16
_MODULUS = 1 << (8 * _DIGEST_BYTES)


class NotEmpty(Exception):
    """The target has rows that the source does not have; the text says in which table."""


class NotTheSame(Exception):
    """What has arrived is not what was sent; the text says in which table."""


class Content(NamedTuple):
    """What a table holds: its number of rows, and a checksum that does not depend on their order."""

    rows: int
    checksum: str


def content(connection: Connection, table: sa.Table) -> Content:
    rows, total = 0, 0
    for batch in _batches(connection, table):
        for row in batch:
            digest = hashlib.blake2b(encoded(table, row), digest_size=_DIGEST_BYTES).digest()
            total = (total + int.from_bytes(digest)) % _MODULUS
            rows += 1
    return Content(rows, f"{total:0{2 * _DIGEST_BYTES}x}")


def move(source: Connection, target: Connection, tables: Sequence[sa.Table]) -> dict[str, int]:
    """Copy the rows of these tables in the target's transaction, and compare what both have afterwards.
    Returns how many rows each table has. The target must be empty, or have exactly these rows already.

    Raises NotEmpty and NotTheSame; then nothing may be committed.
    """
    sent = {table.name: content(source, table) for table in tables}
    found = {table.name: content(target, table) for table in tables}
    if found != sent:
        for name, there in found.items():
            if there.rows:
                raise NotEmpty(f"table {name} has {there.rows} rows already: name an empty database")
        for table in tables:
            for batch in _batches(source, table):
                target.execute(sa.insert(table), [dict(row) for row in batch])
        found = {table.name: content(target, table) for table in tables}
    for name, there in found.items():
        if there != sent[name]:
            raise NotTheSame(f"table {name} has {there.rows} rows of {sent[name].rows}, or others")
    return {name: there.rows for name, there in sent.items()}


def _batches(connection: Connection, table: sa.Table) -> Iterator[list[Mapping[str, Any]]]:
    """The rows of a table by its key, without what the database numbers by itself."""
    generated = table.autoincrement_column
    columns = [column for column in table.columns if column is not generated]
    key = list(table.primary_key.columns)
    behind: Sequence[Any] | None = None
    while True:
        query = sa.select(*columns, *(column.label(f"key_{column.name}") for column in key)).order_by(*key)
        if behind is not None:
            query = query.where(_is_behind(key, behind))
        rows = connection.execute(query.limit(ROWS_A_BATCH)).mappings().all()
        if not rows:
            return
        yield [{column.name: row[column.name] for column in columns} for row in rows]
        behind = [rows[-1][f"key_{column.name}"] for column in key]


def _is_behind(key: Sequence[sa.Column[Any]], behind: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Whether the key is larger, compared column by column: not every database compares rows."""
    alternatives: list[sa.ColumnElement[bool]] = []
    for number, (column, value) in enumerate(zip(key, behind, strict=True)):
        same = [earlier == given for earlier, given in zip(key[:number], behind[:number], strict=True)]
        alternatives.append(sa.and_(*same, column > value))
    return sa.or_(*alternatives)
