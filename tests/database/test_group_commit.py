"""Every caller is answered after COMMIT, truthfully, whatever happens to its neighbours or the database."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError
from tests.database.conftest import Note, WriteNotes, eventually, is_unavailable, notes, queue, stored
from tests.lost_answers import LostAnswers

from orderflow.database.batch import NotWritten
from orderflow.database.engine import Database, DatabaseUnavailable
from orderflow.database.group_commit import Contended, GroupCommit, OutcomeUnknown, QueueFull
from orderflow.database.transaction import Transaction

on_a_server = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""For tests that need several writers or sessions, which an SQLite file does not have."""


def test_a_caller_is_answered_after_its_row_is_committed(noted: Database, writer: GroupCommit) -> None:
    writer.start()
    handler = WriteNotes()
    for number in range(30):
        assert writer.submit_blocking(handler, [Note(number)]) == [number]
        assert number in stored(noted)


def test_commands_that_wait_together_are_written_by_one_transaction(writer: GroupCommit) -> None:
    handler = WriteNotes()
    outcomes = queue(writer, handler, *range(20))
    writer.start()
    assert outcomes() == list(range(20))
    assert handler.batches == [list(range(20))]
    assert (writer.committed_transactions, writer.committed_commands) == (1, 20)


def test_what_nobody_waits_for_goes_with_the_next_transaction(noted: Database, writer: GroupCommit) -> None:
    handler, told = WriteNotes(), list[list[Any]]()
    writer.submit_later(handler, [Note(1), Note(2)], told.append)
    outcomes = queue(writer, handler, 3)
    writer.start()
    assert outcomes() == [3]
    assert told == [[1, 2]]
    assert writer.committed_transactions == 1
    assert stored(noted) == [1, 2, 3]


def test_what_nobody_waits_for_is_written_though_nothing_else_comes(
    noted: Database, writer: GroupCommit
) -> None:
    told: list[list[Any]] = []
    writer.start()
    writer.submit_later(WriteNotes(), [Note(1)], told.append)
    eventually(lambda: told == [[1]])
    assert stored(noted) == [1]


def test_what_goes_ahead_takes_what_can_wait_with_it_and_waits_for_nothing(writer: GroupCommit) -> None:
    handler, told = WriteNotes(), list[list[Any]]()
    stopped = 0.0  # the clock: nothing that can wait would ever be due
    writer.monotonic = lambda: stopped
    writer.start()
    writer.submit_later(handler, [Note(1)], told.append)
    assert asyncio.run(writer.submit(handler, [Note(2)], ahead=True)) == [2]
    assert told == [[1]]
    assert writer.committed_transactions == 1


def test_closing_writes_what_nobody_waits_for(noted: Database, writer: GroupCommit) -> None:
    told: list[list[Any]] = []
    writer.start()
    writer.submit_later(WriteNotes(), [Note(1)], told.append)
    writer.close()
    assert told == [[1]]
    assert stored(noted) == [1]
    with pytest.raises(QueueFull):
        writer.submit_later(WriteNotes(), [Note(2)], told.append)


@pytest.mark.parametrize("bad", [[0], [7], [19], [3, 4], [0, 10, 19], list(range(20))])
def test_a_row_the_database_refuses_fails_alone(noted: Database, writer: GroupCommit, bad: list[int]) -> None:
    with noted.writer.begin() as connection:
        connection.execute(sa.insert(notes), [{"id": number} for number in bad])
    outcomes = queue(writer, WriteNotes(), *range(20))
    writer.start()
    for number, outcome in enumerate(outcomes()):
        expected = IntegrityError if number in bad else number
        assert (type(outcome.cause) if isinstance(outcome, NotWritten) else outcome) == expected
    assert stored(noted) == list(range(20))


def test_a_defect_in_one_command_fails_alone(noted: Database, writer: GroupCommit) -> None:
    def fail(commands: Sequence[Note]) -> None:
        if any(note.id == 5 for note in commands):
            raise ZeroDivisionError

    outcomes = queue(writer, WriteNotes(fail), *range(10))
    writer.start()
    found = outcomes()
    assert type(found.pop(5).cause) is ZeroDivisionError
    assert found == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert stored(noted) == [0, 1, 2, 3, 4, 6, 7, 8, 9]


def test_callers_of_other_handlers_are_written_in_the_same_transaction(
    noted: Database, writer: GroupCommit
) -> None:
    first = queue(writer, WriteNotes(), 1)
    second = queue(writer, WriteNotes(), 2)
    writer.start()
    assert (first(), second()) == ([1], [2])
    assert writer.committed_transactions == 1


def test_a_full_queue_refuses_and_writes_nothing_of_the_refused(noted: Database) -> None:
    writer = GroupCommit(noted.writer, "test", queue_commands_max=3)
    outcomes = queue(writer, WriteNotes(), 1, 2)

    async def two_more() -> None:
        await writer.submit(WriteNotes(), [Note(3), Note(4)])

    with pytest.raises(QueueFull):
        asyncio.run(two_more())
    writer.start()
    assert outcomes() == [1, 2]
    writer.close()
    assert stored(noted) == [1, 2]


def test_while_the_oldest_waits_too_long_nothing_more_is_taken(noted: Database) -> None:
    writer = GroupCommit(noted.writer, "test", queue_seconds_max=0.2)
    outcomes = queue(writer, WriteNotes(), 1)

    async def another(number: int) -> list[Any]:
        return await writer.submit(WriteNotes(), [Note(number)])

    time.sleep(0.3)
    with pytest.raises(QueueFull):
        asyncio.run(another(2))
    writer.start()
    assert outcomes() == [1]
    assert asyncio.run(another(3)) == [3]
    writer.close()
    assert stored(noted) == [1, 3]


def test_closing_writes_what_is_queued_and_refuses_what_comes_later(
    noted: Database, writer: GroupCommit
) -> None:
    outcomes = queue(writer, WriteNotes(), *range(5))
    writer.start()
    writer.close()
    assert outcomes() == list(range(5))
    with pytest.raises(QueueFull):
        writer.submit_blocking(WriteNotes(), [Note(9)])
    assert stored(noted) == list(range(5))


def test_a_caller_that_went_away_harms_nobody(noted: Database, writer: GroupCommit) -> None:
    async def leave_and_stay() -> int:
        leaving = asyncio.create_task(writer.submit_one(WriteNotes(), Note(1)))
        staying = asyncio.create_task(writer.submit_one(WriteNotes(), Note(2)))
        await asyncio.sleep(0)
        leaving.cancel()
        writer.start()
        return await staying

    assert asyncio.run(leave_and_stay()) == 2
    assert stored(noted) == [1, 2]


def test_a_loop_that_ended_before_its_answer_does_not_end_the_writer(
    noted: Database, writer: GroupCommit
) -> None:
    async def leave() -> None:
        waiting = asyncio.create_task(writer.submit_one(WriteNotes(), Note(1)))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    writer.start()
    assert writer.submit_blocking(WriteNotes(), [Note(2)]) == [2]
    assert stored(noted) == [1, 2]


def test_commands_that_say_nothing_of_their_rows_count_as_one_row_each(noted: Database) -> None:
    writer = GroupCommit(noted.writer, "test", queue_rows_max=2)
    outcomes = queue(writer, WriteNotes(), 1, 2)

    async def another() -> None:
        await writer.submit(WriteNotes(), [Note(3)])

    with pytest.raises(QueueFull):
        asyncio.run(another())
    writer.start()
    assert outcomes() == [1, 2]
    writer.close()


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("times", [1, 3])
def test_a_lost_answer_to_commit_is_resolved_and_each_row_is_stored_once(
    noted: Database, writer: GroupCommit, commits: bool, times: int
) -> None:
    LostAnswers(noted, commits=commits, times=times)
    outcomes = queue(writer, WriteNotes(), 1, 2, 3)
    writer.start()
    assert outcomes() == [1, 2, 3]
    assert stored(noted) == [1, 2, 3]


def test_a_lost_answer_that_nobody_can_resolve_is_outcome_unknown(
    noted: Database,
) -> None:
    told: set[str] = set()

    def look(seconds: float) -> None:
        told.update(each.part for each in writer.health.degraded())
        time.sleep(seconds)

    writer = GroupCommit(noted.writer, "test", in_doubt_s_max=0.3, sleep=look)
    lost = LostAnswers(noted, commits=False, times=-1)
    outcomes = queue(writer, WriteNotes(), 1, 2)
    writer.start()
    assert [type(outcome.cause) for outcome in outcomes()] == [OutcomeUnknown] * 2
    assert told == {"writer-test"}
    lost.times = 0
    assert writer.submit_blocking(WriteNotes(), [Note(3)]) == [3]
    writer.close()
    assert writer.health.degraded() == []


def conflict(database: Database) -> Exception:
    """The error that the driver raises for a deadlock, or for a file that is busy."""
    if not database.embedded:
        return OperationalError("x", {}, psycopg.errors.DeadlockDetected())
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorname = "SQLITE_BUSY"
    return OperationalError("x", {}, busy)


def test_a_conflict_is_tried_again_and_a_lasting_one_is_a_definite_refusal(
    noted: Database, writer: GroupCommit
) -> None:
    left = [2]

    def collide(_commands: Sequence[Note]) -> None:
        if left[0]:
            left[0] -= 1
            raise conflict(noted)

    writer.start()
    assert writer.submit_blocking(WriteNotes(collide), [Note(1)]) == [1]
    left[0] = -1
    assert is_unavailable(writer.submit_blocking(WriteNotes(collide), [Note(2)])[0])
    assert stored(noted) == [1]


@on_a_server
def test_rows_that_two_writers_lock_in_opposite_order_are_written_all_the_same(
    noted: Database,
) -> None:
    """A real deadlock, which only a server has: both win in the end."""
    met = threading.Barrier(2)

    def locking(order: tuple[int, int]) -> Any:
        first_time = [True]

        def handler(tx: Transaction, commands: Sequence[Note]) -> list[int]:
            for index, number in enumerate(order):
                tx.connection.execute(sa.update(notes).where(notes.c.id == number).values(id=number))
                if index == 0 and first_time[0]:
                    first_time[0] = False
                    met.wait()
            return [note.id for note in commands]

        return handler

    with noted.writer.begin() as connection:
        connection.execute(sa.insert(notes), [{"id": 1}, {"id": 2}])
    writers = [GroupCommit(noted.writer, name) for name in ("one", "two")]
    with ThreadPoolExecutor(2) as threads:
        results = [
            threads.submit(writer.submit_blocking, locking(order), [Note(9)])
            for writer, order in zip(writers, ((1, 2), (2, 1)), strict=True)
        ]
        for writer in writers:
            writer.start()
        assert [result.result() for result in results] == [[9], [9]]
    for writer in writers:
        writer.close()


@on_a_server
def test_a_row_that_another_session_holds_is_contended_and_its_neighbours_are_written(
    noted: Database, writer: GroupCommit
) -> None:
    def impatient(tx: Transaction, commands: Sequence[Note]) -> list[int]:
        tx.connection.exec_driver_sql("SET LOCAL lock_timeout = 50")
        tx.connection.execute(sa.insert(notes), [{"id": note.id} for note in commands])
        return [note.id for note in commands]

    with noted.writer.connect() as other:
        other.execute(sa.insert(notes), [{"id": 2}])
        outcomes = queue(writer, impatient, 1, 2, 3)
        writer.start()
        first, second, third = outcomes()
        assert (first, type(second.cause), third) == (1, Contended, 3)
        other.rollback()
    assert stored(noted) == [1, 3]


@on_a_server
def test_an_idle_pool_whose_server_restarted_meanwhile_is_no_failure(
    noted: Database, writer: GroupCommit
) -> None:
    writer.start()
    assert writer.submit_blocking(WriteNotes(), [Note(1)]) == [1]
    terminate(noted)
    assert writer.submit_blocking(WriteNotes(), [Note(2)]) == [2]


def terminate(database: Database) -> None:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as killer:
        killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@on_a_server
def test_killed_sessions_under_load_lose_nothing_that_was_acknowledged(
    noted: Database, writer: GroupCommit
) -> None:
    writer.start()
    outcomes: dict[int, Any] = {}

    def client(start: int) -> None:
        for number in range(start, start + 150):
            outcomes[number] = writer.submit_blocking(WriteNotes(), [Note(number)])[0]

    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(client, 1000 * index) for index in range(8)]
        for _ in range(5):
            count = len(outcomes) + 50
            eventually(lambda count=count: len(outcomes) >= count or all(future.done() for future in running))
            terminate(noted)
        for future in running:
            future.result()
    there = set(stored(noted))
    assert {number for number, outcome in outcomes.items() if outcome == number} <= there
    refused = {number for number, outcome in outcomes.items() if is_unavailable(outcome)}
    assert not refused & there
    failed = [outcome for outcome in outcomes.values() if not isinstance(outcome, int)]
    assert {type(outcome.cause) for outcome in failed} <= {DatabaseUnavailable, OutcomeUnknown}
