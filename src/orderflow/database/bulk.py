"""Statements that write many rows each. The rows are one parameter: a JSON array of arrays.

A round trip costs more than a row, so a statement here serves one row as well as a thousand. Rows hold texts,
numbers, times and None; bytes are given as UTF-8 text, ids are texts. No key may occur twice in a call.

A statement is a constant of the module that uses it, and is compiled once for each database. A `Transaction`
sends it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from orderflow.database.dialects import DIALECTS, Dialect
from orderflow.database.dialects.dialect import ROWS, Query

Computed = Mapping[str, sa.ColumnElement[Any]]
"""Columns whose value is an expression that is the same for all rows."""

Built = Sequence[sa.Insert | sa.Update]
"""What a statement is made of in one database; several are sent together."""


@dataclass(frozen=True, eq=False)
class Insert:
    """INSERT of rows; each row holds `columns`."""

    table: sa.Table
    columns: Sequence[str]
    computed: Computed = field(default_factory=dict[str, sa.ColumnElement[Any]])

    def build(self, dialect: Dialect) -> Built:
        return [sa.insert(self.table).from_select(*_source(dialect, self.table, self.columns, self.computed))]


@dataclass(frozen=True, eq=False)
class InsertAbsent:
    """INSERT of the rows that break no unique key; returns the primary keys of the inserted rows."""

    table: sa.Table
    columns: Sequence[str]
    computed: Computed = field(default_factory=dict[str, sa.ColumnElement[Any]])

    def build(self, dialect: Dialect) -> Built:
        insert = dialect.insert_absent(self.table, *_source(dialect, self.table, self.columns, self.computed))
        return [insert.returning(*map(dialect.returned, self.table.primary_key))]


@dataclass(frozen=True, eq=False)
class InsertOrUpdate:
    """INSERT of rows; each row holds `keys`, then `values`, then `added`. A row whose keys exist already gets
    the new `values` and `computed`; to its `added` the new numbers are added."""

    table: sa.Table
    keys: Sequence[str]
    values: Sequence[str] = ()
    added: Sequence[str] = ()
    computed: Computed = field(default_factory=dict[str, sa.ColumnElement[Any]])

    def build(self, dialect: Dialect) -> Built:
        columns = (*self.keys, *self.values, *self.added)
        names, source = _source(dialect, self.table, columns, self.computed)
        return dialect.insert_or_update(self.table, names, source, self.keys, self._changes)

    def _changes(self, given: Mapping[str, sa.ColumnElement[Any]]) -> dict[str, sa.ColumnElement[Any]]:
        changes = {name: given[name] for name in (*self.values, *self.computed)}
        return changes | {name: self.table.c[name] + given[name] for name in self.added}


@dataclass(frozen=True, eq=False)
class Update:
    """UPDATE of rows by key, each with its own values; each row holds `keys`, then `values`, then `added`.
    The numbers of `added` are added to those in the table.

    `where` applies to the row before the update. With `returning`, the keys of the rows that were found are
    returned, except keys that `computed` changes.
    """

    table: sa.Table
    keys: Sequence[str]
    values: Sequence[str] = ()
    computed: Computed = field(default_factory=dict[str, sa.ColumnElement[Any]])
    where: sa.ColumnElement[bool] | None = None
    returning: bool = False
    added: Sequence[str] = ()

    def build(self, dialect: Dialect) -> Built:
        columns = self.table.c
        new = dialect.rows([columns[name] for name in (*self.keys, *self.values, *self.added)]).subquery(
            "new"
        )
        update = (
            sa.update(self.table)
            .where(*(columns[name] == new.c[name] for name in self.keys))
            .values(
                {name: new.c[name] for name in self.values}
                | {name: columns[name] + new.c[name] for name in self.added}
                | dict(self.computed)
            )
        )
        if self.where is not None:
            update = update.where(self.where)
        if not self.returning:
            return [update]
        remaining = [columns[name] for name in self.keys if name not in self.computed]
        return [update.returning(*map(dialect.returned, remaining))]


Statement = Insert | InsertAbsent | InsertOrUpdate | Update


def _source(
    dialect: Dialect, table: sa.Table, columns: Sequence[str], computed: Computed
) -> tuple[list[str], Query]:
    """The names of all columns, and a query that reads them from the parameter."""
    rows = dialect.rows([table.c[name] for name in columns])
    same = [expression.label(name) for name, expression in computed.items()]
    return [*columns, *computed], rows.add_columns(*same)


@dataclass(frozen=True, slots=True)
class Text:
    """A statement as the driver takes it. In `parameters`, None stands for the rows."""

    sql: str
    parameters: tuple[Any, ...]

    def with_rows(self, rows: str) -> tuple[Any, ...]:
        return tuple([rows if parameter is None else parameter for parameter in self.parameters])


@cache
def compiled(statement: Statement, dialect_name: str) -> Text:
    """The statement in the SQL of that database."""
    dialect = DIALECTS[dialect_name]
    parts = [_text(part.compile(dialect=dialect.compiler)) for part in statement.build(dialect)]
    if len(parts) == 1:
        return parts[0]
    if dialect.together is None:
        raise TypeError(f"{dialect_name} cannot send the statements of {statement} together")
    sql = dialect.together([part.sql for part in parts])
    return Text(sql, tuple([parameter for part in parts for parameter in part.parameters]))


def _text(compiled: SQLCompiler) -> Text:
    names = compiled.positiontup or ()
    return Text(str(compiled), tuple([None if name == ROWS else compiled.params[name] for name in names]))
