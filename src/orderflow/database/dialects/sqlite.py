"""SQLite, through Python's own driver.

Every transaction that writes takes the file's only write lock when it begins (`sqlite_engine`). So rows and
names need no locks of their own, and there are no waits within a transaction to bound.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from orderflow.database.dialects.dialect import (
    ROWS,
    Changes,
    Dialect,
    Failure,
    Query,
    as_json,
    unchanged,
)


def _one_of(column: str, parameter: str, _kind: str) -> str:
    return f"{column} IN (SELECT value FROM json_each({parameter}))"  # noqa: S608


def _lock_timeout(_milliseconds: str) -> str:
    return "true"


def _lock_rows(query: Query, _table: sa.Table, _skip_locked: bool) -> Query:
    return query


def _rows(columns: Sequence[sa.Column[Any]]) -> Query:
    given = sa.func.json_each(sa.bindparam(ROWS, type_=sa.Text)).table_valued("value", name="given").c.value
    fields: list[sa.ColumnElement[Any]] = []
    for position, column in enumerate(columns):
        field = sa.func.json_extract(given, sa.literal_column(f"'$[{position:d}]'"))
        if isinstance(column.type, sa.LargeBinary):
            field = sa.cast(field, sa.BLOB)
        fields.append(field.label(column.name))
    return sa.select(*fields)


def _insert_absent(table: sa.Table, names: Sequence[str], source: Query) -> sa.Insert:
    return sqlite.insert(table).from_select(names, _unambiguous(source)).on_conflict_do_nothing()


def _insert_or_update(
    table: sa.Table, names: Sequence[str], source: Query, keys: Sequence[str], changes: Changes
) -> list[sa.Insert]:
    insert = sqlite.insert(table).from_select(names, _unambiguous(source))
    given: Mapping[str, sa.ColumnElement[Any]] = {name: insert.excluded[name] for name in names}
    return [insert.on_conflict_do_update(index_elements=keys, set_=dict(changes(given)))]


def _unambiguous(source: Query) -> Query:
    """Add a WHERE to the query, without which the parser takes the ON of ON CONFLICT for that of a join."""
    return source.where(sa.literal_column("true"))


def _append_only(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_refuses_{event.lower()} BEFORE {event} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for event in ("UPDATE", "DELETE")
    ]


def _try_lock(_connection: Connection, _name: str) -> bool:
    return True


def _lock(_connection: Connection, _number: int, _seconds_max: float) -> None:
    return


def _take_time(_connection: Connection) -> None:
    return


_FAILURES = {
    "SQLITE_BUSY": Failure.RETRY,
    "SQLITE_LOCKED": Failure.RETRY,
    "SQLITE_SCHEMA": Failure.RETRY,
    "SQLITE_PROTOCOL": Failure.RETRY,
    "SQLITE_CONSTRAINT": Failure.DATA,
    "SQLITE_MISMATCH": Failure.DATA,
    "SQLITE_TOOBIG": Failure.DATA,
    "SQLITE_READONLY": Failure.UNAVAILABLE,
    "SQLITE_FULL": Failure.UNAVAILABLE,
    "SQLITE_IOERR": Failure.UNAVAILABLE,
    "SQLITE_CANTOPEN": Failure.UNAVAILABLE,
    "SQLITE_NOMEM": Failure.UNAVAILABLE,
    "SQLITE_PERM": Failure.UNAVAILABLE,
    "SQLITE_AUTH": Failure.UNAVAILABLE,
    "SQLITE_INTERRUPT": Failure.UNAVAILABLE,
    "SQLITE_CORRUPT": Failure.UNAVAILABLE,
    "SQLITE_NOTADB": Failure.UNAVAILABLE,
}
"""The failures by primary result code."""


def _failure(error: BaseException) -> Failure | None:
    name: str | None = getattr(error, "sqlite_errorname", None)
    if name is None:
        return None
    primary = "_".join(name.split("_")[:2])
    return _FAILURES.get(primary, Failure.UNKNOWN)


SQLITE = Dialect(
    name="sqlite",
    driver="sqlite3",
    compiler=sqlite.dialect(paramstyle="qmark"),
    keeps_time_zone=False,
    now_ms="cast((julianday('now') - 2440587.5) * 86400000 as integer)",
    one_of=_one_of,
    by_another_index=lambda column: f"+{column}",
    lock_timeout=_lock_timeout,
    lock_rows=_lock_rows,
    rows=_rows,
    encode=partial(as_json, before_time=" "),  # as SQLAlchemy's DateTime stores times
    returned=unchanged,
    insert_absent=_insert_absent,
    insert_or_update=_insert_or_update,
    together=None,
    append_only=_append_only,
    try_lock=_try_lock,
    lock=_lock,
    take_time=_take_time,
    failure=_failure,
    lasting_refusals=("not a database", "unable to open", "readonly database", "disk image is malformed"),
)
