"""Finds a statement that is sent while the answer to the one before it is not read to its end.

SQL Server refuses that ("Connection is busy with results for another command"), and no other database does.
So whatever runs on SQLite or SQL Server is watched. PostgreSQL is not: its dialect leaves the answers to
settings and locks unread on purpose, and all other code is the same.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

_LAST = "the last statement with its cursor"
_WATCHED = ("sqlite", "mssql")


@contextmanager
def watched() -> Generator[list[str]]:
    """Collects the statements that were sent too early, in all threads of this process."""
    early: list[str] = []

    def sent(
        connection: Connection, cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
    ) -> None:
        if connection.dialect.name not in _WATCHED:
            return
        last, answered = connection.info.get(_LAST, (cursor, ""))
        if last is not cursor and _is_open(last):
            early.append(f"{statement} -- while unread: {answered}")
        connection.info[_LAST] = (cursor, statement)

    event.listen(Engine, "before_cursor_execute", sent)
    try:
        yield early
    finally:
        event.remove(Engine, "before_cursor_execute", sent)


def _is_open(cursor: Any) -> bool:
    """SQLAlchemy closes a cursor when the last row was read."""
    if not isinstance(cursor, sqlite3.Cursor):
        return not cursor.closed
    try:
        cursor.fetchone()
    except sqlite3.ProgrammingError:
        return False
    return True
