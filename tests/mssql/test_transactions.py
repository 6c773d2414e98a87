"""A transaction that the server has ended without saying so is not committed.

SQLite stands in for the server here: it has what the engine asks for, and ends transactions as it is told.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection

from orderflow.database import mssql_engine
from orderflow.database.batch import NotWritten
from orderflow.database.engine import DatabaseUnavailable, connect
from orderflow.database.errors import TransactionEnded
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction


@dataclass
class Server:
    engine: sa.Engine
    transaction: int = 1
    ends_transactions: int = 0
    """How many transactions it will end."""

    def end(self, tx: Transaction) -> None:
        """End the transaction and begin another one, if that is still to be done."""
        if self.ends_transactions:
            self.ends_transactions -= 1
            self.transaction += 1
            connection: Any = tx.connection.connection
            connection.rollback()

    def written(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.exec_driver_sql("SELECT text FROM written ORDER BY text").scalars())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    engine = sa.create_engine(
        f"sqlite:///{tmp_path / 'orders.db'}", connect_args={"check_same_thread": False}
    )
    server = Server(engine)

    def prepare(connection: Any, _record: object) -> None:
        connection.create_function("CURRENT_TRANSACTION_ID", 0, lambda: server.transaction)
        connection.executescript(
            "CREATE TABLE IF NOT EXISTS written (text TEXT); ATTACH ':memory:' AS sys;"
            "CREATE TABLE sys.schemas (name TEXT); INSERT INTO sys.schemas VALUES ('dbo')"
        )

    event.listen(engine, "connect", prepare)
    mssql_engine.commit_whole_transactions_only(engine)
    yield server
    engine.dispose()


def write(server: Server, *texts: str) -> list[Any]:
    """Write each text by a statement of its own; the server may end the transaction behind the first."""

    def use_case(tx: Transaction, commands: Sequence[str]) -> list[str]:
        for text in commands:
            tx.connection.exec_driver_sql("INSERT INTO written VALUES (?)", (text,))
            server.end(tx)
        return list(commands)

    writer = GroupCommit(server.engine, "test")
    writer.start()
    try:
        return writer.submit_blocking(use_case, texts)
    finally:
        writer.close()


def test_a_whole_transaction_is_committed(server: Server) -> None:
    assert write(server, "first", "second") == ["first", "second"]
    assert server.written() == ["first", "second"]


def test_what_was_written_before_and_after_the_end_is_written_anew_together(server: Server) -> None:
    server.ends_transactions = 1
    assert write(server, "first", "second") == ["first", "second"]
    assert server.written() == ["first", "second"]


def test_if_the_server_ends_every_transaction_nothing_is_acknowledged_and_nothing_written(
    server: Server,
) -> None:
    server.ends_transactions = 1_000
    for outcome in write(server, "first", "second"):
        assert isinstance(outcome, NotWritten)
        assert isinstance(outcome.cause, DatabaseUnavailable)
    assert server.written() == []


def write_at_once(server: Server, *texts: str, before_commit: Callable[[Connection], object]) -> None:
    """As commands do: in a transaction of their own."""
    with server.engine.begin() as connection:
        for text in texts:
            connection.exec_driver_sql("INSERT INTO written VALUES (?)", (text,))
            server.end(Transaction(connection))
        before_commit(connection)


def test_a_transaction_of_a_command_is_refused_as_well(server: Server) -> None:
    server.ends_transactions = 1
    with pytest.raises(TransactionEnded):
        write_at_once(server, "first", "second", before_commit=lambda _: None)
    assert server.written() == []


def test_a_question_that_fails_at_the_end_leaves_no_open_transaction_in_the_pool(server: Server) -> None:
    def fail(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        write_at_once(server, "first", before_commit=fail)
    assert server.written() == []
    assert write(server, "second") == ["second"]
    assert server.written() == ["second"]


@pytest.mark.skipif(find_spec("mssql_python") is None, reason="no driver for SQL Server: see `make mssql`")
def test_whoever_writes_to_sql_server_is_watched() -> None:
    database = connect("mssql://orders:s3cret@127.0.0.1/orders", application="test")
    ends = mssql_engine._refuse_another_transaction  # pyright: ignore[reportPrivateUsage]
    assert event.contains(database.writer, "commit", ends)
    assert not event.contains(database.reader, "commit", ends)
    database.dispose()
