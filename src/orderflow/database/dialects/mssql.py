"""Microsoft SQL Server, through mssql-python.

No statement here has been run by a SQL Server yet: `docs/databases.md` says how to do so.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.dialects.dialect import (
    ROWS,
    TABLE_LOCK_WAIT_MS,
    Changes,
    Dialect,
    Failure,
    Query,
    as_json,
    unchanged,
)
from orderflow.database.dialects.transact_sql import COLLATION, TransactSql, collated

_COMPILER = TransactSql(paramstyle="qmark")
_QUOTE = _COMPILER.identifier_preparer.quote

_KEY_LOCK = "WITH (UPDLOCK, SERIALIZABLE)"
"""Locks a key until the transaction ends, and if it is absent, the gap where it would be. So nobody else can
insert it between the look and the insert."""

LOCK_REFUSED = "Lock request time out period exceeded"
"""What the server says when a lock time-out has passed (1222), and so do we for a lock by name."""


def _one_of(column: str, parameter: str, kind: str) -> str:
    value = collated("value")
    return f"{column} IN (SELECT {value} FROM OPENJSON({parameter}) WITH (value {kind} '$'))"  # noqa: S608


def _lock_timeout(_milliseconds: str) -> str:
    return "1 = 1"  # `mssql_engine` sets the bound in front of the statement


def _lock_rows(query: Query, table: sa.Table, skip_locked: bool) -> Query:
    # With READ_COMMITTED_SNAPSHOT on, READPAST is only documented to work beside READCOMMITTEDLOCK.
    more = ", READPAST, READCOMMITTEDLOCK" if skip_locked else ""
    return query.with_hint(table, f"WITH (UPDLOCK, ROWLOCK{more})", "mssql")


def _rows(columns: Sequence[sa.Column[Any]]) -> Query:
    fields = ", ".join(_field(column) for column in columns)
    schema = ", ".join(_in_json(column, position) for position, column in enumerate(columns))
    given = sa.text(f"SELECT {fields} FROM OPENJSON(:{ROWS}) WITH ({schema})")  # noqa: S608
    typed = [sa.column(column.name, column.type) for column in columns]
    rows = given.bindparams(sa.bindparam(ROWS, type_=sa.Text)).columns(*typed).subquery("given")
    return sa.select(*rows.c)


def _in_json(column: sa.Column[Any], position: int) -> str:
    is_bytes = isinstance(column.type, sa.LargeBinary)
    kind = "NVARCHAR(max)" if is_bytes else column.type.compile(dialect=_COMPILER)
    return f"{_QUOTE(column.name)} {kind} '$[{position:d}]'"


def _field(column: sa.Column[Any]) -> str:
    """The column's value. A text needs the collation of the tables, or it could not be compared with them."""
    name = _QUOTE(column.name)
    if isinstance(column.type, sa.LargeBinary):
        return f"CAST(CAST({name} COLLATE {COLLATION}_UTF8 AS VARCHAR(max)) AS VARBINARY(max)) AS {name}"
    return f"{collated(name)} AS {name}" if isinstance(column.type, sa.String) else name


def _insert_absent(table: sa.Table, names: Sequence[str], source: Query) -> sa.Insert:
    values = [
        # A parameter has no type of its own, and NULL is no binary string.
        (sa.cast(value, table.c[name].type) if isinstance(value, sa.BindParameter) else value).label(name)
        for name, value in zip(names, source.selected_columns, strict=True)
    ]
    given = source.with_only_columns(*values).subquery("given")
    absent = [~_is_there(table, given, *key) for key in _unique_keys(table) if {*key[0]} <= {*names}]
    return sa.insert(table).from_select(list(names), sa.select(*given.c).where(*absent))


def _unique_keys(table: sa.Table) -> list[tuple[list[str], str]]:
    """The columns of each unique key, and the condition of those rows that it applies to."""
    keys = [([column.name for column in table.primary_key], "")]
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        if index.unique:
            where = index.dialect_options["mssql"]["where"]
            keys.append(([column.name for column in index.columns], "" if where is None else str(where)))
    return keys


def _is_there(table: sa.Table, given: sa.Subquery, key: list[str], where: str) -> sa.ColumnElement[bool]:
    there = table.alias("there")
    query = sa.select(sa.literal_column("1", sa.Integer)).with_hint(there, _KEY_LOCK, "mssql")
    query = query.where(*(there.c[name] == given.c[name] for name in key))
    for name in (there.name, given.name) if where else ():
        query = query.where(sa.literal_column(_of(name, table, where)))
    return sa.exists(query.correlate(given))


def _of(name: str, table: sa.Table, condition: str) -> str:
    return re.sub(r"\w+", lambda word: f"{name}.{word[0]}" if word[0] in table.c else word[0], condition)


def _insert_or_update(
    table: sa.Table, names: Sequence[str], source: Query, keys: Sequence[str], changes: Changes
) -> list[sa.Insert | sa.Update]:
    given = source.subquery("given")
    values: Mapping[str, sa.ColumnElement[Any]] = {name: given.c[name] for name in names}
    update = (
        sa.update(table)
        .where(*(table.c[name] == given.c[name] for name in keys))
        .values(dict(changes(values)))
        .with_hint(_KEY_LOCK, dialect_name="mssql")
    )
    # The update comes first, because it would also find what was just inserted.
    return [update, _insert_absent(table, names, source)]


def batch(statements: Sequence[str]) -> str:
    """One message with several statements. The first error ends it, and is all that is answered: with the
    count of a statement before it, the driver would take the message for a success."""
    lines = ";\n".join(statements)
    return f"SET NOCOUNT ON;\nBEGIN TRY\n{lines};\nEND TRY\nBEGIN CATCH\nTHROW;\nEND CATCH"


def _append_only(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_is_append_only ON {table} INSTEAD OF UPDATE, DELETE AS "
        f"THROW 50000, '{table} is append-only', 1"
    ]


# The driver begins a transaction with the first statement that reads a table, and the lock belongs to it.
LOCK_BY_NAME = batch(
    [
        "DECLARE @schemas INT, @granted INT",
        "SELECT @schemas = COUNT(*) FROM sys.schemas",
        "EXEC @granted = sys.sp_getapplock @Resource = ?, @LockMode = 'Exclusive',"
        " @LockOwner = 'Transaction', @LockTimeout = ?",
        "SELECT @granted AS granted",
    ]
)


def _try_lock(connection: Connection, name: str) -> bool:
    return connection.exec_driver_sql(LOCK_BY_NAME, (name, 0)).scalar_one() >= 0


def _bound(connection: Connection, statement_s: int) -> None:
    # The driver bounds statements; the engine gives the session its usual bound when it is returned.
    connection.connection.driver_connection.timeout = statement_s  # pyright: ignore[reportOptionalMemberAccess]


def _take_time(connection: Connection) -> None:
    _bound(connection, 0)


def _lock(connection: Connection, number: int, seconds_max: float) -> None:
    _bound(connection, round(10 * seconds_max))
    connection.exec_driver_sql(f"SET LOCK_TIMEOUT {TABLE_LOCK_WAIT_MS}")
    granted = connection.exec_driver_sql(LOCK_BY_NAME, (f"orderflow-{number}", round(seconds_max * 1000)))
    if granted.scalar_one() < 0:
        connection.exec_driver_sql(f"THROW 50000, '{LOCK_REFUSED}', 1")


FAILURES_BY_TEXT: dict[str, Failure] = {
    "deadlock victim": Failure.RETRY,  # 1205
    LOCK_REFUSED: Failure.LOCKED,  # 1222
    "Query timeout expired": Failure.RETRY,
    "Snapshot isolation transaction aborted": Failure.RETRY,  # 3960
    "has no corresponding BEGIN TRANSACTION": Failure.RETRY,  # 3902, 3903: the transaction has ended
    "No transaction or savepoint of that name": Failure.RETRY,  # 6401: as well
    "The current transaction cannot be committed": Failure.RETRY,  # 3930, 3931: after an error
    "because the database is read-only": Failure.UNAVAILABLE,  # 3906
    "Could not run BEGIN TRANSACTION in database": Failure.UNAVAILABLE,  # 3908
    "Cannot open database": Failure.UNAVAILABLE,  # 4060
    "Login failed for user": Failure.UNAVAILABLE,  # 18456: a password may be being changed
    "The service has encountered an error processing your request": Failure.UNAVAILABLE,  # 40197
    "The service is currently busy": Failure.UNAVAILABLE,  # 40501
    "is not currently available": Failure.UNAVAILABLE,  # 40613
    "Not enough resources to process request": Failure.UNAVAILABLE,  # 49918
    "Too many create or update operations in progress": Failure.UNAVAILABLE,  # 49919
    "Too many operations in progress": Failure.UNAVAILABLE,  # 49920
    "No process is on the other end of the pipe": Failure.UNAVAILABLE,  # 233
    "an error occurred during the login process": Failure.UNAVAILABLE,  # 233
    "connection was aborted": Failure.UNAVAILABLE,  # 10053
    "forcibly closed": Failure.UNAVAILABLE,  # 10054
    "TCP Provider": Failure.UNAVAILABLE,
    "SHUTDOWN is in progress": Failure.UNAVAILABLE,  # 6005
    "session is in the kill state": Failure.UNAVAILABLE,  # 596
    "Could not allocate space": Failure.UNAVAILABLE,  # 1101, 1105: disk full
    "The transaction log for database": Failure.UNAVAILABLE,  # 9002: full
    "insufficient system memory": Failure.UNAVAILABLE,  # 701
    "cannot obtain a LOCK resource": Failure.UNAVAILABLE,  # 1204
    "is participating in an availability group": Failure.UNAVAILABLE,  # 976, 983: a secondary
    "is being recovered": Failure.UNAVAILABLE,  # 922
    "Server is in script upgrade mode": Failure.UNAVAILABLE,  # 18401
    "HADR_DATABASE_WAIT_FOR_TRANSITION": Failure.UNAVAILABLE,  # 4221: a secondary after a failover
    "failed to resume the transaction": Failure.UNAVAILABLE,  # 3971
    "waiting for memory resources": Failure.UNAVAILABLE,  # 8645
    "limit for the database is": Failure.UNAVAILABLE,  # 10928: Azure
    "the server is currently too busy": Failure.UNAVAILABLE,  # 10929
    "is in the middle of a restore": Failure.UNAVAILABLE,  # 927
    "Failed to load the driver": Failure.UNKNOWN,  # a library that it needs is missing: no outage
    "JSON text is not properly formatted": Failure.DATA,  # 13609
    "String or binary data would be truncated": Failure.DATA,  # 2628, 8152
    "exceeds the maximum length": Failure.DATA,  # 1946: an entry of an index is too long
}
"""The failures by a part of the server's message in English, which every session of ours has as its language:
the driver does not tell the numbers beside them."""

FAILURES_BY_KIND: dict[str, Failure] = {
    "Serialization failure": Failure.RETRY,  # 40001
    "Timeout expired": Failure.RETRY,  # HYT00
    "Integrity constraint violation": Failure.DATA,  # 23000
    "String data, right-truncated": Failure.DATA,  # 22001
    "Numeric value out of range": Failure.DATA,  # 22003
    "Invalid datetime format": Failure.DATA,  # 22007
    "Datetime field overflow": Failure.DATA,  # 22008
    "Invalid character value for cast specification": Failure.DATA,  # 22018
    "String data, length mismatch": Failure.DATA,  # 22026
    "Disconnect error": Failure.UNAVAILABLE,  # 01002
    "Client unable to establish connection": Failure.UNAVAILABLE,  # 08001
    "Connection not open": Failure.UNAVAILABLE,  # 08003
    "Server rejected the connection": Failure.UNAVAILABLE,  # 08004
    "Connection failure during transaction": Failure.UNAVAILABLE,  # 08007
    "Communication link failure": Failure.UNAVAILABLE,  # 08S01
    "Invalid authorization specification": Failure.UNAVAILABLE,  # 28000
    "Statement completion unknown": Failure.UNAVAILABLE,  # 40003
    "Memory allocation error": Failure.UNAVAILABLE,  # HY001
    "Connection timeout expired": Failure.UNAVAILABLE,  # HYT01
    "Connection operation failed": Failure.UNAVAILABLE,
}
"""The failures by what the driver calls their SQLSTATE. They count if the text says nothing."""


def _failure(error: BaseException) -> Failure | None:
    kind: str | None = getattr(error, "driver_error", None)
    if kind is None:
        return None
    by_text = (failure for words, failure in FAILURES_BY_TEXT.items() if words in str(error))
    return next(by_text, None) or FAILURES_BY_KIND.get(kind, Failure.UNKNOWN)


MSSQL = Dialect(
    name="mssql",
    driver="mssql_python",
    compiler=_COMPILER,
    keeps_time_zone=False,
    now_ms="DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME())",
    one_of=_one_of,
    by_another_index=str,
    lock_timeout=_lock_timeout,
    lock_rows=_lock_rows,
    rows=_rows,
    encode=partial(as_json, before_time="T"),
    returned=unchanged,
    insert_absent=_insert_absent,
    insert_or_update=_insert_or_update,
    together=batch,
    append_only=_append_only,
    try_lock=_try_lock,
    lock=_lock,
    take_time=_take_time,
    failure=_failure,
    lasting_refusals=("Login failed for user", "certificate verify failed"),
)
