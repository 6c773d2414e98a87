"""What Orderflow must know about a database to work with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Dialect as Compiler

Rows = Sequence[Sequence[object]]

Query = sa.Select[*tuple[Any, ...]]
"""A SELECT of any columns."""

ROWS = "rows"
"""The name of the parameter that holds the rows of a statement."""

LOCK_TIMEOUT = "lock_timeout_ms"
"""The execution option of a statement that waits for locked rows for so many milliseconds at most."""

TABLE_LOCK_WAIT_MS = 1_000
"""How long a statement of a migration waits for a table; whoever comes to it later waits as well."""


class Failure(Enum):
    """What a database error means for the transaction it ended."""

    DATA = "a row that the database will never take"
    LOCKED = "another transaction held a row for longer than the lock time-out"
    RETRY = "a conflict with another transaction, gone when tried again"
    UNAVAILABLE = "the database cannot be reached or cannot write now; a new session may help"
    UNKNOWN = "an error that says nothing to us: a row's fault only where it fails alone among good ones"
    DEFECT = "no database error at all: a mistake of ours"


def unchanged(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """For RETURNING, where a column has its type in Python already."""
    return column


def as_json(rows: Rows, *, before_time: str) -> str:
    """The rows as JSON, with times as UTC without an offset, to the microsecond; `before_time` stands between
    date and time."""

    def stored(value: object) -> object:
        if not isinstance(value, datetime):
            return value
        return value.astimezone(UTC).isoformat(before_time, "microseconds")[:26]

    return to_json([tuple([stored(value) for value in row]) for row in rows]).decode()


Changes = Callable[[Mapping[str, sa.ColumnElement[Any]]], Mapping[str, sa.ColumnElement[Any]]]
"""Makes the new values of an existing row from the values that were to be inserted."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Everything that differs between databases and does not concern one table only.

    Nothing has a default: a database that cannot do one of these cannot be used.
    """

    name: str
    """The name that SQLAlchemy gives to the database."""
    driver: str
    """The package whose exceptions this database raises."""
    compiler: Compiler
    """Compiles statements with positional parameters."""
    keeps_time_zone: bool
    """Whether a stored time is returned with its offset; if not, it is UTC."""
    now_ms: str
    """SQL for the database's clock in Unix milliseconds. It must advance during a transaction."""
    one_of: Callable[[str, str, str], str]
    """SQL for the condition that `column` is in the JSON array that `parameter` is bound to. Its arguments
    are column, parameter and the column's type."""
    by_another_index: Callable[[str], str]
    """SQL for a column in a condition that shall choose among rows which an index of another column finds.
    Only a database that does not count how many rows have a value has to be told."""
    lock_timeout: Callable[[str], str]
    """SQL for a condition that is always true. From there to the end of the transaction it bounds the wait
    for rows of other transactions to the quoted number of milliseconds. A database that has no such condition
    sets the bound when the statement is sent, by its execution option LOCK_TIMEOUT."""
    lock_rows: Callable[[Query, sa.Table, bool], Query]
    """The query, which locks its rows of the table until the transaction ends. With True it skips rows that
    others have locked."""
    rows: Callable[[Sequence[sa.Column[Any]]], Query]
    """A query that reads the parameter ROWS, a JSON array of arrays, as rows with these columns."""
    encode: Callable[[Rows], str]
    """Encodes the rows as that JSON. Bytes are given as UTF-8 text."""
    returned: Callable[[sa.Column[Any]], sa.ColumnElement[Any]]
    """A column for RETURNING, with the type that it has in Python: ids are texts."""
    insert_absent: Callable[[sa.Table, Sequence[str], Query], sa.Insert]
    """INSERT of the rows that break no unique key."""
    insert_or_update: Callable[
        [sa.Table, Sequence[str], Query, Sequence[str], Changes], Sequence[sa.Insert | sa.Update]
    ]
    """INSERT of the rows whose key does not exist yet; the others are changed. The second list of columns is
    the key. If it takes several statements, they are sent together."""
    together: Callable[[Sequence[str]], str] | None
    """Joins statements into one that takes their parameters one after another. None if the database has no
    such statement, or it would save no round trip."""
    append_only: Callable[[str], Sequence[str]]
    """The statements that make the database itself refuse to change or delete a row of the table."""
    try_lock: Callable[[Connection, str], bool]
    """Try to take the lock of that name until the transaction ends. True if this transaction has it."""
    lock: Callable[[Connection, int, float], None]
    """Wait for the lock of that number for so many seconds at most, and hold it until the transaction ends.
    The statements after that may take ten times as long, and wait for a table for TABLE_LOCK_WAIT_MS."""
    take_time: Callable[[Connection], None]
    """Lift the bounds of statements, and of pauses between them, until the transaction ends: for a tool that
    runs alone, and nobody waits for."""
    failure: Callable[[BaseException], Failure | None]
    """What an exception of the driver means; None if the exception does not show it."""
    lasting_refusals: Sequence[str]
    """Words in the message of a failed connection after which waiting is no use: a wrong password, or no such
    database."""
