"""Writes of many rows, each one statement, whose rows are one parameter: a JSON array of arrays.

A round trip costs more than a row, so a statement here is as good for one row as for a thousand. Rows hold
texts, numbers, times and None; bytes are given as UTF-8 text, ids are texts, no key comes twice in a call.
Expressions and conditions are SQL of ours.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

Rows = Sequence[Sequence[object]]


class Writes:
    """Writes to different tables, sent together: on PostgreSQL as a single statement, one round trip."""

    def __init__(self, connection: Connection) -> None:
        self.dialect = connection.dialect.name
        self._connection = connection
        self._parts: list[tuple[str, Rows]] = []

    def insert(
        self,
        table: sa.Table,
        columns: Sequence[str],
        rows: Rows,
        *,
        computed: Mapping[str, str] | None = None,
    ) -> None:
        """INSERT; `computed` are columns with an SQL expression, the same for all rows."""
        if rows:
            statement = _insert_statement(table, tuple(columns), _pairs(computed), self.dialect)
            self._parts.append((statement, rows))

    def add(self, table: sa.Table, *, keys: Sequence[str], value: str, rows: Rows) -> None:
        """Add to `value` of the rows with these keys, which are inserted where they are missing. `rows` hold
        keys, then what to add."""
        if rows:
            self._parts.append((_add_statement(table, tuple(keys), value, self.dialect), rows))

    def update(
        self,
        table: sa.Table,
        *,
        keys: Sequence[str],
        values: Sequence[str],
        rows: Rows,
        computed: Mapping[str, str] | None = None,
        where: str = "true",
    ) -> None:
        """UPDATE rows by key, each with values of its own. `rows` hold keys, then values; `computed` and
        `where` as in `update`, for whoever need not know which rows were there."""
        if rows:
            statement = _update_statement(
                table, tuple(keys), tuple(values), _pairs(computed), where=where, dialect=self.dialect
            )
            self._parts.append((statement, rows))

    def send(self) -> None:
        parts, self._parts = self._parts, []
        if self.dialect == "postgresql" and len(parts) > 1:
            named = ", ".join([f"w{number} AS ({part})" for number, (part, _) in enumerate(parts)])
            parameters = tuple([_json(rows, self.dialect) for _, rows in parts])
            self._connection.exec_driver_sql(f"WITH {named} SELECT", parameters)
            return
        for statement, rows in parts:
            self._connection.exec_driver_sql(statement, (_json(rows, self.dialect),))


def insert_ignore(
    connection: Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Rows,
    *,
    computed: Mapping[str, str] | None = None,
) -> set[tuple[Any, ...]]:
    """INSERT the rows that break no unique key; the keys of those."""
    dialect = connection.dialect.name
    statement = _insert_ignore_statement(table, tuple(columns), _pairs(computed), dialect)
    return {tuple(row) for row in connection.exec_driver_sql(statement, (_json(rows, dialect),))}


def update(
    connection: Connection,
    table: sa.Table,
    *,
    keys: Sequence[str],
    values: Sequence[str],
    rows: Rows,
    computed: Mapping[str, str] | None = None,
    where: str = "true",
) -> set[tuple[Any, ...]]:
    """UPDATE rows by key, each with values of its own; the keys, as far as they remain, of those that were
    there.

    `rows` hold keys, then values. `computed` are columns with an SQL expression, the same for all rows, keys
    among them too. `where` is about the row as it was (`t`).
    """
    dialect = connection.dialect.name
    statement = _update_statement(
        table, tuple(keys), tuple(values), _pairs(computed), where=where, dialect=dialect, returning=True
    )
    return {tuple(row) for row in connection.exec_driver_sql(statement, (_json(rows, dialect),))}


def _pairs(computed: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple((computed or {}).items())


def _json(rows: Rows, dialect: str) -> str:
    return to_json(rows if dialect == "postgresql" else list(map(_sqlite_row, rows))).decode()


def _sqlite_row(row: Sequence[object]) -> tuple[object, ...]:
    return tuple(_sqlite_time(value) if isinstance(value, datetime) else value for value in row)


def _sqlite_time(value: datetime) -> str:
    """As SQLAlchemy's DateTime stores it."""
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def _source(
    table: sa.Table,
    columns: Sequence[str],
    dialect: str,
    *,
    computed: Sequence[tuple[str, str]] = (),
) -> str:
    """A SELECT of the columns from the parameter."""
    kinds = [_type_of(table, name) for name in columns]
    if dialect == "postgresql":
        fields = [
            f"convert_to(row->>{i}, 'UTF8')" if kind == "BYTEA" else f"(row->>{i})::{kind}"
            for i, kind in enumerate(kinds)
        ]
        # Binary JSON is read once; the textual form again for every field.
        source = "jsonb_array_elements(%s::jsonb) AS rows(row)"
    else:
        fields = [
            f"CAST({field} AS BLOB)" if kind == "BYTEA" else field
            for kind, field in zip(
                kinds, (f"json_extract(value, '$[{i}]')" for i in range(len(kinds))), strict=True
            )
        ]
        source = "json_each(?) WHERE true"
    named = [f"{field} AS {_quoted(name)}" for field, name in zip(fields, columns, strict=True)]
    named += [f"{expression} AS {_quoted(name)}" for name, expression in computed]
    return f"SELECT {', '.join(named)} FROM {source}"  # noqa: S608


@cache
def _insert_statement(
    table: sa.Table, columns: tuple[str, ...], computed: tuple[tuple[str, str], ...], dialect: str
) -> str:
    names = ", ".join(map(_quoted, (*columns, *dict(computed))))
    return f"INSERT INTO {table.name} ({names}) {_source(table, columns, dialect, computed=computed)}"


@cache
def _insert_ignore_statement(
    table: sa.Table,
    columns: tuple[str, ...],
    computed: tuple[tuple[str, str], ...],
    dialect: str,
) -> str:
    names = ", ".join(map(_quoted, (*columns, *dict(computed))))
    key = ", ".join(_returned(table, column.name, dialect) for column in table.primary_key)
    source = _source(table, columns, dialect, computed=computed)
    return f"INSERT INTO {table.name} AS t ({names}) {source} ON CONFLICT DO NOTHING RETURNING {key}"


@cache
def _add_statement(table: sa.Table, keys: tuple[str, ...], value: str, dialect: str) -> str:
    names, key, added = ", ".join(map(_quoted, (*keys, value))), ", ".join(map(_quoted, keys)), _quoted(value)
    target = f"INSERT INTO {table.name} AS t ({names}) {_source(table, (*keys, value), dialect)}"
    return f"{target} ON CONFLICT ({key}) DO UPDATE SET {added} = t.{added} + excluded.{added}"


@cache
def _update_statement(
    table: sa.Table,
    keys: tuple[str, ...],
    values: tuple[str, ...],
    computed: tuple[tuple[str, str], ...],
    *,
    where: str,
    dialect: str,
    returning: bool = False,
) -> str:
    new = ", ".join(
        [f"{_quoted(name)} = new.{_quoted(name)}" for name in values]
        + [f"{_quoted(name)} = {expression}" for name, expression in computed]
    )
    same = " AND ".join(f"t.{_quoted(name)} = new.{_quoted(name)}" for name in keys)
    source = _source(table, (*keys, *values), dialect)
    statement = f"UPDATE {table.name} AS t SET {new} FROM ({source}) AS new WHERE {same} AND ({where})"  # noqa: S608
    if not returning:
        return statement
    # SQLite's RETURNING knows neither `t` nor `new`, and both return the row as it is afterwards.
    unchanged = [name for name in keys if name not in dict(computed)]
    return f"{statement} RETURNING {', '.join(_returned(table, name, dialect) for name in unchanged)}"


def _returned(table: sa.Table, column: str, dialect: str) -> str:
    """A column of `t` as Python has it: ids are texts."""
    if dialect != "postgresql":
        return _quoted(column)
    return f"t.{_quoted(column)}" + ("::text" if _type_of(table, column) == "UUID" else "")


def _type_of(table: sa.Table, column: str) -> str:
    return str(table.c[column].type.compile(postgresql.dialect()))


def _quoted(column: str) -> str:
    return f'"{column}"'
