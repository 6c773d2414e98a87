"""What a database must say about itself before Orderflow can work with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Dialect as Compiler

Rows = Sequence[Sequence[object]]

Query = sa.Select[*tuple[Any, ...]]
"""A SELECT of any columns."""

ROWS = "rows"
"""The name of the parameter that holds the rows of a statement."""


class Failure(Enum):
    """What a database error means for the transaction it ended."""

    DATA = "a row that the database will never take"
    LOCKED = "another transaction held a row for longer than the lock time-out"
    RETRY = "a conflict with another transaction, gone when tried again"
    UNAVAILABLE = "the database cannot be reached or cannot write now; a new session may help"
    UNKNOWN = "an error that says nothing to us: a row's fault only where it fails alone among good ones"
    DEFECT = "no database error at all: a mistake of ours"


Changes = Callable[[Mapping[str, sa.ColumnElement[Any]]], Mapping[str, sa.ColumnElement[Any]]]
"""New values of a row that was there, made of the values that were to be inserted."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Everything that differs between databases and is not about one table.

    There is no default: a database that cannot do one of these cannot be used.
    """

    name: str
    """As SQLAlchemy calls it."""
    driver: str
    """The package whose exceptions this database raises."""
    compiler: Compiler
    """Writes statements whose parameters have positions."""
    keeps_time_zone: bool
    """Whether a stored time comes back with its offset; without one it is UTC."""
    now_ms: str
    """The database's clock in Unix milliseconds, as SQL. It moves on during a transaction."""
    one_of: Callable[[str, str, str], str]
    """SQL for `column` being in the JSON array that `parameter` is bound to; `kind` is the column's type."""
    lock_timeout: Callable[[str], str]
    """A condition that always holds. From there to the end of the transaction it bounds the wait for rows of
    other transactions to the quoted number of milliseconds."""
    lock_rows: Callable[[Query, sa.Table, bool], Query]
    """The query with its rows of the table locked until the transaction ends; True skips rows that others
    have locked."""
    rows: Callable[[Sequence[sa.Column[Any]]], Query]
    """The parameter ROWS, a JSON array of arrays, as rows with these columns."""
    encode: Callable[[Rows], str]
    """The rows as that JSON. Bytes are given as UTF-8 text."""
    returned: Callable[[sa.Column[Any]], sa.ColumnElement[Any]]
    """A column in RETURNING as Python has it: ids are texts."""
    insert_absent: Callable[[sa.Table, Sequence[str], Query], sa.Insert]
    """INSERT of the rows that break no unique key."""
    insert_or_update: Callable[[sa.Table, Sequence[str], Query, Sequence[str], Changes], sa.Insert]
    """INSERT of the rows whose key, the columns named last, is not there; the others are changed."""
    together: Callable[[Sequence[str]], str] | None
    """One statement that does what these do, with their parameters one after another; None where there is no
    such statement, or no round trip to save."""
    try_lock: Callable[[Connection, str], bool]
    """Whether this transaction alone now has the lock of that name, until it ends."""
    lock: Callable[[Connection, int, float], None]
    """Wait for the lock of that number at most so many seconds, and have it until the transaction ends. Its
    statements may then take ten times as long."""
    failure: Callable[[BaseException], Failure | None]
    """What an exception of the driver means; None where it does not say."""
