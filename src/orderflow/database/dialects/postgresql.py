"""PostgreSQL, through psycopg."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection

from orderflow.database.dialects.dialect import (
    ROWS,
    TABLE_LOCK_WAIT_MS,
    Changes,
    Dialect,
    Failure,
    Query,
    Rows,
)

_COMPILER = postgresql.dialect(paramstyle="format")


def _one_of(column: str, parameter: str, kind: str) -> str:
    return f"{column} = ANY (ARRAY(SELECT jsonb_array_elements_text({parameter}::jsonb)::{kind}))"


def _lock_timeout(milliseconds: str) -> str:
    return f"(SELECT set_config('lock_timeout', {milliseconds}, true)) IS NOT NULL"


def _lock_rows(query: Query, table: sa.Table, skip_locked: bool) -> Query:
    return query.with_for_update(of=table, skip_locked=skip_locked)


def _rows(columns: Sequence[sa.Column[Any]]) -> Query:
    # Jsonb is parsed once, but textual JSON would be parsed again for every field.
    array = sa.cast(sa.bindparam(ROWS, type_=sa.Text), JSONB)
    given = sa.func.jsonb_array_elements(array).column_valued("given")
    fields = [
        _typed(given.op("->>")(sa.literal_column(f"{position:d}")), column).label(column.name)
        for position, column in enumerate(columns)
    ]
    # The planner takes this condition to leave one row of the hundred that it expects. So it looks up the
    # rows of the table one by one, even if the table was empty when it made the plan that the session keeps.
    # Otherwise it may walk through the whole index for each batch.
    return sa.select(*fields).where(sa.func.jsonb_typeof(given) == sa.literal_column("'array'"))


def _typed(field: sa.ColumnElement[Any], column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    if isinstance(column.type, sa.LargeBinary):
        return sa.func.convert_to(field, sa.literal_column("'UTF8'"))
    return sa.cast(field, column.type)


def _encode(rows: Rows) -> str:
    return to_json(rows).decode()


def _returned(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    is_id = column.type.compile(dialect=_COMPILER) == "UUID"
    return sa.cast(column, sa.Text).label(column.name) if is_id else column


def _insert_absent(table: sa.Table, names: Sequence[str], source: Query) -> sa.Insert:
    return postgresql.insert(table).from_select(names, source).on_conflict_do_nothing()


def _insert_or_update(
    table: sa.Table, names: Sequence[str], source: Query, keys: Sequence[str], changes: Changes
) -> list[sa.Insert]:
    insert = postgresql.insert(table).from_select(names, source)
    given: Mapping[str, sa.ColumnElement[Any]] = {name: insert.excluded[name] for name in names}
    return [insert.on_conflict_do_update(index_elements=keys, set_=dict(changes(given)))]


def _append_only(table: str) -> list[str]:
    refuses = f"{table}_is_append_only"
    return [
        f"CREATE FUNCTION {refuses}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$",
        f"CREATE TRIGGER {refuses} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {refuses}()",
    ]


def _together(statements: Sequence[str]) -> str:
    named = ", ".join([f"w{number} AS ({statement})" for number, statement in enumerate(statements)])
    return f"WITH {named} SELECT"


def _try_lock(connection: Connection, name: str) -> bool:
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtext(name)))))


def _lock(connection: Connection, number: int, seconds_max: float) -> None:
    for setting, seconds in (("lock_timeout", seconds_max), ("statement_timeout", 10 * seconds_max)):
        connection.execute(sa.select(sa.func.set_config(setting, f"{seconds * 1000:.0f}ms", True)))
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
    connection.execute(sa.select(sa.func.set_config("lock_timeout", f"{TABLE_LOCK_WAIT_MS}ms", True)))


def _take_time(connection: Connection) -> None:
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(sa.select(sa.func.set_config(setting, "0", True)))


_FAILURES = {
    "22": Failure.DATA,
    "23": Failure.DATA,
    "44": Failure.DATA,
    "54": Failure.DATA,  # too large for a limit of the server
    "55P03": Failure.LOCKED,
    "40": Failure.RETRY,
    "57014": Failure.RETRY,  # statement time-out
    "08": Failure.UNAVAILABLE,
    "0A000": Failure.UNAVAILABLE,  # a plan that the session kept from before a migration
    "25006": Failure.UNAVAILABLE,  # read-only: a failover, or a session that has outlived one
    "25P03": Failure.UNAVAILABLE,  # idle in transaction for too long: we were stopped, the session has ended
    "25P04": Failure.UNAVAILABLE,
    "26000": Failure.UNAVAILABLE,  # a prepared statement that the session no longer has
    "28": Failure.UNAVAILABLE,
    "3D": Failure.UNAVAILABLE,
    "53": Failure.UNAVAILABLE,  # disk full, out of memory, too many connections
    "55": Failure.UNAVAILABLE,  # in recovery, in use
    "57": Failure.UNAVAILABLE,  # shutting down, starting up
    "58": Failure.UNAVAILABLE,
    "72": Failure.UNAVAILABLE,  # the snapshot is too old
    "F0": Failure.UNAVAILABLE,
    "XX": Failure.UNAVAILABLE,
}
"""The failures by SQLSTATE, or by its class, which is the first two characters."""


def _failure(error: BaseException) -> Failure | None:
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:  # no server answered
        return None
    return _FAILURES.get(state) or _FAILURES.get(state[:2], Failure.UNKNOWN)


POSTGRESQL = Dialect(
    name="postgresql",
    driver="psycopg",
    compiler=_COMPILER,
    keeps_time_zone=True,
    now_ms="(extract(epoch from clock_timestamp()) * 1000)::bigint",
    one_of=_one_of,
    by_another_index=str,
    lock_timeout=_lock_timeout,
    lock_rows=_lock_rows,
    rows=_rows,
    encode=_encode,
    returned=_returned,
    insert_absent=_insert_absent,
    insert_or_update=_insert_or_update,
    together=_together,
    append_only=_append_only,
    try_lock=_try_lock,
    lock=_lock,
    take_time=_take_time,
    failure=_failure,
    lasting_refusals=(
        *("authentication failed", "does not exist", "no such database", "no such user", "invalid "),
        "SASL authentication",
    ),
)
