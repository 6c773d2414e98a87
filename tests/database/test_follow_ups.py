"""What follows a commit is called once it is acknowledged, and only then."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from tests.database.conftest import Note, WriteNotes, notes, queue, stored

from orderflow.database.engine import Database
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction


class FollowUps(WriteNotes):
    """Notes whose writing calls `call` after the commit."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self._call = call

    def __call__(self, tx: Transaction, commands: Sequence[Note]) -> list[int]:
        tx.after_commit(self._call)
        return super().__call__(tx, commands)


def test_what_fails_after_the_commit_changes_no_answer_and_stops_nothing_that_follows(
    writer: GroupCommit,
) -> None:
    def fail() -> None:
        raise RuntimeError

    failing, called = FollowUps(fail), list[str]()
    first = queue(writer, failing, 1, 2)
    second = queue(writer, FollowUps(lambda: called.append("after")), 3)
    writer.start()
    assert first() + second() == [1, 2, 3]
    assert failing.batches == [[1, 2]]
    assert called == ["after"]


def test_what_follows_the_commit_is_not_called_before_the_rows_are_there(
    noted: Database, writer: GroupCommit
) -> None:
    seen: list[list[int]] = []
    outcomes = queue(writer, FollowUps(lambda: seen.append(stored(noted))), 1)
    writer.start()
    assert outcomes() == [1]
    assert seen == [[1]]


def test_what_follows_the_commit_is_not_called_for_a_write_that_failed(
    noted: Database, writer: GroupCommit
) -> None:
    with noted.writer.begin() as connection:
        connection.execute(sa.insert(notes), [{"id": 2}])
    called: list[str] = []
    outcomes = queue(writer, FollowUps(lambda: called.append("after")), 2)
    writer.start()
    assert isinstance(outcomes()[0].cause, IntegrityError)
    assert called == []
