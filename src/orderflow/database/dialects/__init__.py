"""The databases that Orderflow works with. Each has a Dialect; the types and expressions here mean the same
in all of them.

A statement made of these is written once, as a constant, and compiled for each database that runs it.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Self, TypeVar, cast

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Dialect as SqlAlchemyDialect
from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

from orderflow.database.dialects.dialect import LOCK_TIMEOUT, Dialect, Failure, Query
from orderflow.database.dialects.mssql import MSSQL
from orderflow.database.dialects.postgresql import POSTGRESQL
from orderflow.database.dialects.sqlite import SQLITE
from orderflow.database.errors import TransactionEnded

__all__ = ["DIALECTS", "Dialect", "Failure", "classify", "of"]

DIALECTS = {dialect.name: dialect for dialect in (POSTGRESQL, SQLITE, MSSQL)}
_BY_DRIVER = {dialect.driver: dialect for dialect in DIALECTS.values()}

T = TypeVar("T")
Q = TypeVar("Q", bound=Query)

# A UUID is native on PostgreSQL and its usual text elsewhere, so that reports read the same everywhere.
UuidText = sa.CHAR(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


def exact_text(chars_max: int) -> sa.String:
    """The type of texts that are equal only if every character is, and sorted by code point, as in Python,
    whatever the database's own collation is."""
    return sa.String(chars_max).with_variant(sa.String(chars_max, collation="C"), "postgresql")


def partial(condition: str) -> dict[str, Any]:
    """The arguments of an index that has only the rows for which the condition is true."""
    return {f"{name}_where": sa.text(condition) for name in DIALECTS}


def of(connection: Connection) -> Dialect:
    """The dialect of the connection's database. Raises KeyError for one that Orderflow does not know."""
    return DIALECTS[connection.dialect.name]


class UtcTime(sa.TypeDecorator[datetime]):
    """An aware UTC datetime in Python. It is stored with a time zone if the database has such a type,
    otherwise as UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: SqlAlchemyDialect) -> Any:
        if value is None or DIALECTS[dialect.name].keeps_time_zone:
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: SqlAlchemyDialect) -> datetime | None:
        if value is None or DIALECTS[dialect.name].keeps_time_zone:
            return value
        return value.replace(tzinfo=UTC)


class _Expression(FunctionElement[T]):
    """An expression that each dialect writes in its own SQL."""

    inherit_cache = True

    def render(self, dialect: Dialect, *arguments: str) -> str:
        """The SQL of this expression, made from the SQL of its arguments."""
        raise NotImplementedError

    def self_group(self, against: OperatorType | None = None) -> Self:  # noqa: ARG002
        """As it is. SQLAlchemy would put `= 1` behind a condition where the database has no booleans, and no
        index serves that."""
        return self


@compiles(_Expression)
def _render(element: _Expression[Any], compiler: SQLCompiler, **options: Any) -> str:
    arguments = [compiler.process(clause, **options) for clause in element.clauses]
    return element.render(DIALECTS[compiler.dialect.name], *arguments)


class now_ms(_Expression[int]):
    """The database's own clock in Unix milliseconds. Leases use it, so the clocks of the processes do not
    matter."""

    type = sa.BigInteger()
    inherit_cache = True

    def render(self, dialect: Dialect, *_arguments: str) -> str:
        return dialect.now_ms


class one_of(_Expression[bool]):
    """Whether a column of ids or texts is in the JSON array that a parameter is bound to. So the statement
    and its plan are the same for any number of values."""

    type = sa.Boolean()
    inherit_cache = True

    def __init__(self, column: sa.ColumnElement[str], parameter: str) -> None:
        super().__init__(column, sa.bindparam(parameter, type_=sa.Text))

    def render(self, dialect: Dialect, *arguments: str) -> str:
        column, parameter = arguments
        kind = next(iter(self.clauses)).type.compile(dialect=dialect.compiler)
        return dialect.one_of(column, parameter, kind)


def ids_parameter(ids: Iterable[str]) -> dict[str, str]:
    """The parameter `ids` of a statement that asks for `one_of(…, "ids")`."""
    return {"ids": to_json(list(ids)).decode()}


class by_another_index(_Expression[str]):
    """The column of a condition that chooses among rows which an index of another column finds."""

    type = sa.String()
    inherit_cache = True

    def render(self, dialect: Dialect, *arguments: str) -> str:
        return dialect.by_another_index(*arguments)


class _lock_timeout(_Expression[bool]):
    """The condition that bounds the wait for locked rows, in milliseconds."""

    type = sa.Boolean()
    inherit_cache = True

    def __init__(self, milliseconds: int) -> None:
        super().__init__(sa.literal_column(f"'{milliseconds:d}'"))

    def render(self, dialect: Dialect, *arguments: str) -> str:
        return dialect.lock_timeout(*arguments)


def has_passed(
    at_ms: sa.ColumnElement[int], *, longest_ms: int | sa.ColumnElement[int]
) -> sa.ColumnElement[bool]:
    """Whether a time of the database's clock has passed. When it was written it was at most `longest_ms`
    ahead. A time that is further ahead was written before the clock was set back, and counts as passed, so
    that nobody waits for it."""
    return sa.or_(at_ms <= now_ms(), at_ms > now_ms() + longest_ms)


def locked(query: Q, table: sa.Table, *, skip_locked: bool = False, lock_timeout_ms: int | None = None) -> Q:
    """The query, which locks its rows of the table until the transaction ends, in the way of each database.
    With `skip_locked` it leaves out rows that others have locked; otherwise it waits for them for
    `lock_timeout_ms` at most, by default for the session's lock time-out."""
    if lock_timeout_ms is not None:
        query = query.where(_lock_timeout(lock_timeout_ms))
        query = query.execution_options(**{LOCK_TIMEOUT: lock_timeout_ms})
    for dialect in DIALECTS.values():
        query = cast("Q", dialect.lock_rows(query, table, skip_locked))
    return query


def insert_absent(connection: Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """INSERT one row. Returns False, and changes nothing, if that would break a unique key."""
    row = sa.select(*(_value(value, table.c[name]) for name, value in values.items()))
    insert = of(connection).insert_absent(table, list(values), row)
    inserted = connection.execute(insert.returning(sa.literal_column("1", sa.Integer)))
    return inserted.first() is not None


def _value(value: Any, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    if isinstance(value, sa.ColumnElement):
        return cast("sa.ColumnElement[Any]", value)
    return sa.literal(value, column.type)


def classify(error: BaseException) -> Failure:
    """What the error means. An error that does not come from the database is a defect."""
    if isinstance(error, TransactionEnded):
        return Failure.RETRY
    if isinstance(error, (PoolTimeout, DisconnectionError)):
        return Failure.UNAVAILABLE
    if not isinstance(error, DBAPIError):
        return Failure.DEFECT
    if error.connection_invalidated:
        return Failure.UNAVAILABLE
    dialect = _BY_DRIVER.get(type(error.orig).__module__.partition(".")[0])
    if dialect is not None and error.orig is not None and (known := dialect.failure(error.orig)) is not None:
        return known
    if isinstance(error, (IntegrityError, DataError)):
        return Failure.DATA  # the driver itself refused to send it
    return Failure.UNAVAILABLE if isinstance(error, OperationalError) else Failure.UNKNOWN
