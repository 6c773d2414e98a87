"""A database of the test's own, in each dialect, with one table to write to."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.conftest import SERVERS

from orderflow.database.batch import NotWritten
from orderflow.database.bulk import Insert, InsertAbsent
from orderflow.database.engine import Database, DatabaseUnavailable, connect
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction

WAIT_S_MAX = 30.0

notes = sa.Table("notes", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
_INSERT, _INSERT_ABSENT = Insert(notes, ("id",)), InsertAbsent(notes, ("id",))


@dataclass(frozen=True, slots=True)
class Note:
    """A command that writes one row."""

    id: int


@dataclass
class WriteNotes:
    """A use case for the group commit; `before` runs in the transaction, before the insert."""

    before: Callable[[Sequence[Note]], None] = lambda _notes: None
    batches: list[list[int]] = field(default_factory=list[list[int]])

    def __call__(self, tx: Transaction, commands: Sequence[Note]) -> list[int]:
        self.batches.append([note.id for note in commands])
        self.before(commands)
        rows = [(note.id,) for note in commands]
        if tx.may_be_committed:
            tx.write(_INSERT_ABSENT, rows)
        else:
            tx.add(_INSERT, rows)
        return [note.id for note in commands]


def eventually(holds: Callable[[], object]) -> None:
    """Wait until it holds; fail at the bound."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def stored(database: Database) -> list[int]:
    """What is committed: it is read on another connection than the writer's."""
    with database.reader.connect() as connection:
        return list(connection.scalars(sa.select(notes.c.id).order_by(notes.c.id)))


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture(params=["sqlite", "postgresql", "pgbouncer", "mssql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'some.db'}"
    return request.getfixturevalue({**SERVERS, "pgbouncer": "pooled_database"}[request.param])


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty one."""
    database = connect(database_url, application="orderflow-test")
    yield database
    database.dispose()


@pytest.fixture
def noted(database: Database) -> Database:
    """One with the table."""
    with database.writer.begin() as connection:
        notes.create(connection)
    return database


@pytest.fixture
def writer(noted: Database) -> Iterator[GroupCommit]:
    writer = GroupCommit(noted.writer, "test")
    yield writer
    writer.close()


def is_unavailable(outcome: Any) -> bool:
    return isinstance(outcome, NotWritten) and isinstance(outcome.cause, DatabaseUnavailable)


def queue(writer: GroupCommit, handler: Any, *ids: int) -> Callable[[], list[Any]]:
    """Queue commands of separate callers for a writer that has not started. Calling the result returns the
    outcomes."""
    threads = ThreadPoolExecutor(len(ids))
    futures: list[Any] = []
    for count, number in enumerate(ids, writer.queued + 1):
        futures.append(threads.submit(writer.submit_blocking, handler, [Note(number)]))
        eventually(lambda count=count: writer.queued == count)

    def outcomes() -> list[Any]:
        results = [future.result()[0] for future in futures]
        threads.shutdown()
        return results

    return outcomes
