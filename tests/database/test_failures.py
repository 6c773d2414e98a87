"""What an error of the database means: a row's own fault, a conflict, or an outage that ends by itself."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, ProgrammingError
from tests.conftest import rename_table
from tests.database.conftest import Note, WriteNotes, notes, stored
from tests.database.test_group_commit import queue

from orderflow.database.batch import NotWritten
from orderflow.database.dialects import Failure, classify
from orderflow.database.engine import Database, DatabaseUnavailable
from orderflow.database.group_commit import GroupCommit
from orderflow.database.readiness import Probe, Readiness
from orderflow.database.transaction import Transaction

POSTGRESQL = {
    "08000": Failure.UNAVAILABLE,  # the connection failed, in any way
    "08006": Failure.UNAVAILABLE,
    "0A000": Failure.UNAVAILABLE,  # "cached plan must not change result type"
    "22001": Failure.DATA,  # a text is too long
    "22021": Failure.DATA,  # a byte that the encoding does not know
    "23505": Failure.DATA,  # a key is there already
    "23514": Failure.DATA,
    "25006": Failure.UNAVAILABLE,  # read-only
    "25P03": Failure.UNAVAILABLE,  # idle in transaction
    "26000": Failure.UNAVAILABLE,  # a prepared statement is gone
    "28P01": Failure.UNAVAILABLE,  # a password is being changed
    "3D000": Failure.UNAVAILABLE,
    "40001": Failure.RETRY,
    "40P01": Failure.RETRY,  # deadlock
    "42501": Failure.UNKNOWN,  # a grant is missing
    "42P01": Failure.UNKNOWN,  # a table is missing
    "53100": Failure.UNAVAILABLE,  # disk full
    "53200": Failure.UNAVAILABLE,  # out of memory
    "53300": Failure.UNAVAILABLE,  # too many connections
    "54000": Failure.DATA,  # a row is too large for its index
    "55000": Failure.UNAVAILABLE,  # in recovery
    "55006": Failure.UNAVAILABLE,  # in use
    "55P03": Failure.LOCKED,
    "57014": Failure.RETRY,  # statement time-out
    "57P01": Failure.UNAVAILABLE,  # shut down
    "57P02": Failure.UNAVAILABLE,  # crashed
    "57P03": Failure.UNAVAILABLE,  # starting up
    "58030": Failure.UNAVAILABLE,  # input or output failed
    "P0001": Failure.UNKNOWN,  # somebody's trigger says no
    "XX000": Failure.UNAVAILABLE,
}

SQLITE = {
    "SQLITE_BUSY": Failure.RETRY,
    "SQLITE_BUSY_SNAPSHOT": Failure.RETRY,
    "SQLITE_LOCKED": Failure.RETRY,
    "SQLITE_CONSTRAINT_PRIMARYKEY": Failure.DATA,
    "SQLITE_MISMATCH": Failure.DATA,
    "SQLITE_TOOBIG": Failure.DATA,
    "SQLITE_READONLY": Failure.UNAVAILABLE,
    "SQLITE_READONLY_DBMOVED": Failure.UNAVAILABLE,
    "SQLITE_IOERR_WRITE": Failure.UNAVAILABLE,
    "SQLITE_IOERR_FSYNC": Failure.UNAVAILABLE,
    "SQLITE_FULL": Failure.UNAVAILABLE,
    "SQLITE_CANTOPEN": Failure.UNAVAILABLE,
    "SQLITE_CORRUPT": Failure.UNAVAILABLE,
    "SQLITE_ERROR": Failure.UNKNOWN,  # "no such table", among others
    "SQLITE_MISUSE": Failure.UNKNOWN,
}


@pytest.mark.parametrize(("state", "meaning"), POSTGRESQL.items())
def test_every_error_of_postgresql_is_understood_by_its_sqlstate(state: str, meaning: Failure) -> None:
    error = psycopg.errors.lookup(state)("from the server")
    assert classify(DBAPIError("INSERT", None, error)) is meaning


@pytest.mark.parametrize(("name", "meaning"), SQLITE.items())
def test_every_error_of_sqlite_is_understood_by_its_result_code(name: str, meaning: Failure) -> None:
    error = sqlite3.OperationalError("from the library")
    error.sqlite_errorname = name
    assert classify(DBAPIError("INSERT", None, error)) is meaning


def test_an_error_without_a_code_is_the_connections_and_one_of_python_is_ours() -> None:
    unsent = DataError("", None, psycopg.DataError("NUL in a text"))
    assert classify(unsent) is Failure.DATA
    refused = OperationalError("", None, psycopg.OperationalError("connection refused"))
    assert classify(refused) is Failure.UNAVAILABLE
    assert classify(ZeroDivisionError()) is Failure.DEFECT


@pytest.fixture
def writer(noted: Database) -> Iterator[GroupCommit]:
    writer = GroupCommit(noted.writer, "test")
    yield writer
    writer.close()


def rename(database: Database, old: str, new: str) -> None:
    with database.writer.begin() as connection:
        rename_table(connection, old, new)


def test_an_unknown_error_that_all_commands_meet_is_an_outage_and_ends_with_it(
    noted: Database, writer: GroupCommit
) -> None:
    rename(noted, "notes", "elsewhere")
    outcomes = queue(writer, WriteNotes(), *range(5))
    writer.start()
    assert {type(outcome.cause) for outcome in outcomes()} == {DatabaseUnavailable}
    (alone,) = writer.submit_blocking(WriteNotes(), [Note(7)])
    assert isinstance(alone, NotWritten)
    assert isinstance(alone.cause, DatabaseUnavailable)
    rename(noted, "elsewhere", "notes")
    assert writer.submit_blocking(WriteNotes(), [Note(7)]) == [7]


def test_an_unknown_error_of_one_command_among_good_ones_is_its_own(
    noted: Database, writer: GroupCommit
) -> None:
    class OneIsWrong(WriteNotes):
        def __call__(self, tx: Transaction, commands: Sequence[Note]) -> list[int]:
            if any(note.id == 3 for note in commands):
                tx.connection.execute(sa.text("SELECT something FROM nowhere"))
            return super().__call__(tx, commands)

    outcomes = queue(writer, OneIsWrong(), *range(6))
    writer.start()
    found = outcomes()
    assert isinstance(found.pop(3).cause, (ProgrammingError, OperationalError))
    assert found == [0, 1, 2, 4, 5]
    assert stored(noted) == [0, 1, 2, 4, 5]


def make_session_read_only(database: Database) -> None:
    """The writer's pooled session takes no writes from here on, though the database does."""
    statement = "PRAGMA query_only=ON" if database.embedded else "SET default_transaction_read_only = on"
    with database.writer.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.execute(statement)
        if not database.embedded:
            raw.commit()


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql", "pgbouncer"], indirect=True)
def test_a_session_that_stays_read_only_after_a_failover_leaves_the_pool(
    noted: Database, writer: GroupCommit
) -> None:
    make_session_read_only(noted)
    writer.start()
    for number in range(3):
        assert writer.submit_blocking(WriteNotes(), [Note(number)]) == [number]


def probe(tx: Transaction, commands: Sequence[Probe]) -> list[None]:
    tx.connection.execute(sa.update(notes).values(id=notes.c.id))
    return [None] * len(commands)


def test_a_database_is_ready_when_it_has_just_taken_a_write(noted: Database, writer: GroupCommit) -> None:
    writer.start()
    asyncio.run(Readiness(writer, probe).check())
    rename(noted, "notes", "elsewhere")
    with pytest.raises(DatabaseUnavailable):
        asyncio.run(Readiness(writer, probe).check())


def test_a_writer_that_hangs_is_not_ready_and_is_asked_only_once(writer: GroupCommit) -> None:
    goes_on = threading.Event()
    waiting = threading.Event()

    def hang(_notes: Sequence[Note]) -> None:
        waiting.set()
        goes_on.wait()

    async def ask() -> None:
        readiness = Readiness(writer, probe, seconds_max=0.5)
        busy = asyncio.create_task(writer.submit(WriteNotes(hang), [Note(1)]))
        await asyncio.to_thread(waiting.wait)
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable, match=r"0\.5 s"):
                await readiness.check()
        goes_on.set()
        await busy
        await readiness.check()

    writer.start()
    asyncio.run(ask())
    assert writer.committed_commands == 2


def test_a_probe_goes_ahead_of_everything_that_is_queued(noted: Database, writer: GroupCommit) -> None:
    handler = WriteNotes()
    outcomes = queue(writer, handler, *range(30))

    async def ask() -> None:
        checking = asyncio.create_task(Readiness(writer, probe).check())
        await asyncio.sleep(0)
        writer.start()
        await checking

    asyncio.run(ask())
    assert outcomes() == list(range(30))
