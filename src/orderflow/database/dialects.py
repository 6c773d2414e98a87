"""The true differences between the databases, all in one place."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
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
    if not isinstance(error, DBAPIError):
        return Failure.DEFECT
    if error.connection_invalidated:
        return Failure.UNAVAILABLE
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return _POSTGRESQL_FAILURES.get(state) or _POSTGRESQL_FAILURES.get(state[:2], Failure.DEFECT)
    name: str | None = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        primary = "_".join(name.split("_")[:2])
        return _SQLITE_FAILURES.get(primary, Failure.UNAVAILABLE)
    if isinstance(error, IntegrityError):
        return Failure.DATA
    # psycopg names no SQLSTATE when there was no server to give one.
    return Failure.UNAVAILABLE if isinstance(error, OperationalError) else Failure.DEFECT
