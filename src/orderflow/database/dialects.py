"""The true differences between the databases, all in one place."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

# A UUID is native on PostgreSQL and its usual text elsewhere, so that reports read the same everywhere.
UuidText = sa.CHAR(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


class UtcTime(sa.TypeDecorator[datetime]):
    """An aware UTC datetime in Python; `timestamptz` on PostgreSQL, ISO text on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.replace(tzinfo=UTC)


class now_ms(FunctionElement[int]):
    """The database's own clock in Unix milliseconds. Leases use it, so that no process's clock matters."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(now_ms, "postgresql")
def _now_ms_postgresql(_element: now_ms, _compiler: SQLCompiler, **_: Any) -> str:
    return "(extract(epoch from clock_timestamp()) * 1000)::bigint"


@compiles(now_ms, "sqlite")
def _now_ms_sqlite(_element: now_ms, _compiler: SQLCompiler, **_: Any) -> str:
    return "cast((julianday('now') - 2440587.5) * 86400000 as integer)"


def insert(connection: Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT and RETURNING in the connection's dialect."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def bulk_insert(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """INSERT many rows of texts, numbers, times and None, the fastest way the database has; a transaction has
    begun. On PostgreSQL that is COPY: a third of the cost of an INSERT per row on either side."""
    if connection.dialect.name == "postgresql":
        cursor = cast("psycopg.Cursor[Any]", connection.connection.cursor())
        with cursor, cursor.copy(_copy_statement(table, tuple(columns)).encode()) as copy:
            copy.write(_copy_text(rows))
    else:
        connection.exec_driver_sql(_insert_statement(table, tuple(columns)), list(map(_sqlite_row, rows)))


def bulk_insert_ignore(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> set[tuple[Any, ...]]:
    """INSERT the rows, of texts, numbers, times and None, that break no unique key; the keys of those."""
    statement = _insert_ignore_statement(table, tuple(columns), connection.dialect.name)
    values = rows if connection.dialect.name == "postgresql" else list(map(_sqlite_row, rows))
    parameter = to_json(values).decode()
    return {tuple(row) for row in connection.exec_driver_sql(statement, (parameter,))}


def bulk_add(
    connection: Connection,
    table: sa.Table,
    *,
    keys: Sequence[str],
    value: str,
    rows: Sequence[Sequence[object]],
) -> None:
    """Add to `value` of the rows with these keys, which are inserted where they are missing.

    `rows` hold keys, then what to add; no key twice.
    """
    statement = _add_statement(table, tuple(keys), value, connection.dialect.name)
    connection.exec_driver_sql(statement, (to_json(rows).decode(),))


def bulk_update(
    connection: Connection,
    table: sa.Table,
    *,
    keys: Sequence[str],
    values: Sequence[str],
    rows: Sequence[Sequence[object]],
    nulls: Sequence[str] = (),
    where: str = "true",
) -> set[tuple[Any, ...]]:
    """UPDATE rows by key, each with values of its own, as one statement; the keys, as far as they remain, of
    those that were there.

    `rows` hold keys, then values; no key twice. `nulls` become NULL, keys among them too. `where` is SQL of
    ours about the row as it was (`t`).
    """
    statement = _update_statement(
        table, tuple(keys), tuple(values), tuple(nulls), where=where, dialect=connection.dialect.name
    )
    plain = rows if connection.dialect.name == "postgresql" else list(map(_sqlite_row, rows))
    parameter = to_json(plain).decode()
    return {tuple(row) for row in connection.exec_driver_sql(statement, (parameter,))}


@cache
def _update_statement(
    table: sa.Table,
    keys: tuple[str, ...],
    values: tuple[str, ...],
    nulls: tuple[str, ...],
    *,
    where: str,
    dialect: str,
) -> str:
    new = ", ".join(
        [f"{_quoted(name)} = new.{_quoted(name)}" for name in values]
        + [f"{_quoted(name)} = NULL" for name in nulls]
    )
    same = " AND ".join(f"t.{_quoted(name)} = new.{_quoted(name)}" for name in keys)
    # SQLite's RETURNING knows neither `t` nor `new`, and both return the row as it is afterwards.
    unchanged = [name for name in keys if name not in nulls]
    back = ", ".join(_returned(table, name, dialect) for name in unchanged)
    source = _json_rows(table, (*keys, *values), dialect)
    target = f"UPDATE {table.name} AS t SET {new} FROM ({source}) AS new"  # noqa: S608
    return f"{target} WHERE {same} AND ({where}) RETURNING {back}"


def _json_rows(table: sa.Table, columns: Sequence[str], dialect: str) -> str:
    """A SELECT of the columns from one parameter, a JSON array of arrays; bytes are given as UTF-8 text."""
    kinds = [_type_of(table, name) for name in columns]
    if dialect == "postgresql":
        fields = [
            f"convert_to(row->>{i}, 'UTF8')" if kind == "BYTEA" else f"(row->>{i})::{kind}"
            for i, kind in enumerate(kinds)
        ]
        source = "json_array_elements(%s::json) AS rows(row)"
    else:
        fields = [
            f"CAST({field} AS BLOB)" if kind == "BYTEA" else field
            for kind, field in zip(
                kinds, (f"json_extract(value, '$[{i}]')" for i in range(len(kinds))), strict=True
            )
        ]
        source = "json_each(?) WHERE true"
    named = (f"{field} AS {_quoted(name)}" for field, name in zip(fields, columns, strict=True))
    return f"SELECT {', '.join(named)} FROM {source}"  # noqa: S608


@cache
def _insert_ignore_statement(table: sa.Table, columns: tuple[str, ...], dialect: str) -> str:
    names = ", ".join(map(_quoted, columns))
    key = ", ".join(_returned(table, column.name, dialect) for column in table.primary_key)
    source = _json_rows(table, columns, dialect)
    return f"INSERT INTO {table.name} AS t ({names}) {source} ON CONFLICT DO NOTHING RETURNING {key}"


def _returned(table: sa.Table, column: str, dialect: str) -> str:
    """A column of `t` as Python has it: ids are texts."""
    if dialect != "postgresql":
        return _quoted(column)
    return f"t.{_quoted(column)}" + ("::text" if _type_of(table, column) == "UUID" else "")


def _type_of(table: sa.Table, column: str) -> str:
    return str(table.c[column].type.compile(postgresql.dialect()))


@cache
def _add_statement(table: sa.Table, keys: tuple[str, ...], value: str, dialect: str) -> str:
    names, key, added = ", ".join(map(_quoted, (*keys, value))), ", ".join(map(_quoted, keys)), _quoted(value)
    source = _json_rows(table, (*keys, value), dialect)
    target = f"INSERT INTO {table.name} AS t ({names}) {source} ON CONFLICT ({key})"
    return f"{target} DO UPDATE SET {added} = t.{added} + excluded.{added}"


@cache
def _copy_statement(table: sa.Table, columns: tuple[str, ...]) -> str:
    return f"COPY {table.name} ({', '.join(map(_quoted, columns))}) FROM STDIN"


@cache
def _insert_statement(table: sa.Table, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(map(_quoted, columns))}) VALUES ({marks})"  # noqa: S608


def _quoted(column: str) -> str:
    return f'"{column}"'


def _copy_text(rows: Sequence[Sequence[object]]) -> str:
    """PostgreSQL's text format (manual, COPY). Few rows need an escape: one look at all of them tells."""
    fields = ["\0" if value is None else str(value) for row in rows for value in row]
    width = len(rows[0]) if rows else 0
    lines = ["\t".join(fields[start : start + width]) for start in range(0, len(fields), width or 1)]
    text = "\n".join(lines) + "\n"
    separators = (text.count("\t"), text.count("\n"), text.count("\0"))
    expected = (len(fields) - len(lines), len(lines), sum(row.count(None) for row in rows))
    if separators != expected or "\\" in text or "\r" in text:
        return "".join(["\t".join(map(_copy_field, row)) + "\n" for row in rows])
    return text.replace("\0", "\\N")


_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _copy_field(value: object) -> str:
    if value is None:
        return "\\N"
    return value.translate(_COPY_ESCAPES) if isinstance(value, str) else str(value)


def _sqlite_row(row: Sequence[object]) -> tuple[object, ...]:
    return tuple(_sqlite_time(value) if isinstance(value, datetime) else value for value in row)


def _sqlite_time(value: datetime) -> str:
    """As SQLAlchemy's DateTime stores it."""
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def try_lock(connection: Connection, name: str) -> bool:
    """Whether this transaction alone now has the lock of that name, until it ends. SQLite has one writer."""
    if connection.dialect.name == "postgresql":
        statement = sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtext(name)))
        return bool(connection.scalar(statement))
    return True


def set_lock_timeout(connection: Connection, milliseconds: int) -> None:
    """Bound the wait for other transactions' rows in this transaction. SQLite has one writer and never
    waits."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds:d}")


class Failure(Enum):
    """What a database error means for the transaction it ended."""

    DATA = "a row that the database will never take"
    LOCKED = "another transaction held a row for longer than the lock time-out"
    RETRY = "a conflict with another transaction, gone when tried again"
    UNAVAILABLE = "the database cannot be reached or cannot write now"
    DEFECT = "our mistake: a statement the database does not understand"


_POSTGRESQL_FAILURES = {
    "22": Failure.DATA,
    "23": Failure.DATA,
    "40": Failure.RETRY,
    "08": Failure.UNAVAILABLE,
    "25P03": Failure.UNAVAILABLE,  # idle in transaction for too long: we were stopped, the session is gone
    "28": Failure.UNAVAILABLE,
    "3D": Failure.UNAVAILABLE,
    "53": Failure.UNAVAILABLE,
    "55P03": Failure.LOCKED,
    "55006": Failure.UNAVAILABLE,
    "57": Failure.UNAVAILABLE,
    "57014": Failure.RETRY,  # statement time-out
    "58": Failure.UNAVAILABLE,
    "XX": Failure.UNAVAILABLE,
}

_SQLITE_FAILURES = {
    "SQLITE_BUSY": Failure.RETRY,
    "SQLITE_LOCKED": Failure.RETRY,
    "SQLITE_CONSTRAINT": Failure.DATA,
    "SQLITE_MISMATCH": Failure.DATA,
    "SQLITE_TOOBIG": Failure.DATA,
    "SQLITE_ERROR": Failure.DEFECT,
}


def classify(error: BaseException) -> Failure:
    """What the error means; anything that is no database error is a defect."""
    if isinstance(error, (PoolTimeout, DisconnectionError)):
        return Failure.UNAVAILABLE
    if isinstance(error, psycopg.Error):  # from COPY, which SQLAlchemy does not wrap
        driver: BaseException | None = error
    elif not isinstance(error, DBAPIError):
        return Failure.DEFECT
    elif error.connection_invalidated:
        return Failure.UNAVAILABLE
    else:
        driver = error.orig
    state: str | None = getattr(driver, "sqlstate", None)
    if state is not None:
        return _POSTGRESQL_FAILURES.get(state) or _POSTGRESQL_FAILURES.get(state[:2], Failure.DEFECT)
    name: str | None = getattr(driver, "sqlite_errorname", None)
    if name is not None:
        primary = "_".join(name.split("_")[:2])
        return _SQLITE_FAILURES.get(primary, Failure.UNAVAILABLE)
    if isinstance(error, IntegrityError):
        return Failure.DATA
    # psycopg names no SQLSTATE when there was no server to give one.
    unreachable = (OperationalError, psycopg.OperationalError)
    return Failure.UNAVAILABLE if isinstance(error, unreachable) else Failure.DEFECT
