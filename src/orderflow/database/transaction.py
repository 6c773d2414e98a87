"""One transaction, as the use cases that write in it see it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection

from orderflow.database.bulk import InsertAbsent, Statement, Update, compiled
from orderflow.database.dialects import of
from orderflow.database.dialects.dialect import Rows


class Transaction:
    """A transaction that several use cases share. Whoever opened it commits it.

    `may_be_committed`: an earlier COMMIT of these very commands was sent, and its answer was lost. What is
    there already is then a success.
    """

    def __init__(self, connection: Connection, *, may_be_committed: bool = False) -> None:
        self.dialect = of(connection)
        self.may_be_committed = may_be_committed
        self.follow_ups: list[Callable[[], object]] = []
        """What `after_commit` was given, in order."""
        self._connection = connection
        self._pending: list[tuple[Statement, Rows]] = []

    @property
    def connection(self) -> Connection:
        """For statements of every other kind. What was added before is written before they see the tables."""
        self.send()
        return self._connection

    def add(self, statement: Statement, rows: Rows) -> None:
        """Write the rows before this transaction commits, in one round trip with others where possible.

        A statement that would write a table twice has no order, so the earlier write is sent first.
        """
        if not rows:
            return
        if any(pending.table is statement.table for pending, _ in self._pending):
            self.send()
        self._pending.append((statement, rows))

    def write(self, statement: InsertAbsent | Update, rows: Rows) -> set[tuple[Any, ...]]:
        """Send one statement that returns keys; the keys."""
        text = compiled(statement, self.dialect.name)
        found = self.connection.exec_driver_sql(text.sql, text.with_rows(self.dialect.encode(rows)))
        return {tuple(row) for row in found}

    def send(self) -> None:
        """Write what was added, as a single statement where the database has such."""
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
        """Leave the session to nobody else."""
        self._pending.clear()
        self._connection.invalidate()

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """What is done inside is taken back alone when it raises."""
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
        """Call this once COMMIT is acknowledged, on the thread that wrote; it must not block. Nobody calls it
        where the answer to COMMIT is lost."""
        self.follow_ups.append(call)
