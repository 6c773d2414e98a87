"""One transaction, as it appears to the use cases that write in it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection

from orderflow.database.bulk import InsertAbsent, Statement, Update, compiled
from orderflow.database.dialects import of
from orderflow.database.dialects.dialect import Rows


class Transaction:
    """A transaction that several use cases share. Whoever opened it commits it.

    `may_be_committed` says that an earlier COMMIT of these very commands was sent and its answer was lost. So
    rows that exist already are a success.
    """

    def __init__(self, connection: Connection, *, may_be_committed: bool = False) -> None:
        self.dialect = of(connection)
        self.may_be_committed = may_be_committed
        self.follow_ups: list[Callable[[], object]] = []
        """The calls that `after_commit` was given, in order."""
        self._connection = connection
        self._pending: list[tuple[Statement, Rows]] = []

    @property
    def connection(self) -> Connection:
        """The connection, for all other statements. The rows added so far are written first, so these
        statements see them."""
        self.send()
        return self._connection

    def add(self, statement: Statement, rows: Rows) -> None:
        """Write the rows before this transaction commits, in one round trip with others where possible.

        One statement that wrote a table twice would do so in no defined order, so the earlier write is sent
        first.
        """
        if not rows:
            return
        if any(pending.table is statement.table for pending, _ in self._pending):
            self.send()
        self._pending.append((statement, rows))

    def write(self, statement: InsertAbsent | Update, rows: Rows) -> set[tuple[Any, ...]]:
        """Send one statement that returns keys, and return these keys."""
        text = compiled(statement, self.dialect.name)
        found = self.connection.exec_driver_sql(text.sql, text.with_rows(self.dialect.encode(rows)))
        return {tuple(row) for row in found}

    def send(self) -> None:
        """Write the added rows, with a single statement if the database supports that."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        sent = [(compiled(part, self.dialect.name), self.dialect.encode(rows)) for part, rows in pending]
        if self.dialect.together is not None and len(sent) > 1:
            parameters = tuple([p for text, rows in sent for p in text.with_rows(rows)])
            self._connection.exec_driver_sql(
                self.dialect.together([text.sql for text, _ in sent]), parameters
            )
            return
        for text, rows in sent:
            self._connection.exec_driver_sql(text.sql, text.with_rows(rows))

    def invalidate(self) -> None:
        """Close the session, so that nobody else uses it."""
        self._pending.clear()
        self._connection.invalidate()

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """If the block raises, undo what was done in it, and nothing else."""
        follow_ups = len(self.follow_ups)
        try:
            with self.connection.begin_nested():
                yield
                self.send()
        except BaseException:
            self._pending.clear()
            del self.follow_ups[follow_ups:]
            raise

    def after_commit(self, call: Callable[[], object]) -> None:
        """Call this once COMMIT is acknowledged, on the thread that wrote; it must not block. It is not
        called if the answer to COMMIT is lost; a later try adds its own calls."""
        self.follow_ups.append(call)
