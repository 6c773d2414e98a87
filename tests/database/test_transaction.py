"""A transaction writes what it was given in the order that its use cases can rely on."""

from contextlib import suppress

import pytest
import sqlalchemy as sa
from tests.database.conftest import notes

from orderflow.database.bulk import Insert, Update
from orderflow.database.engine import Database
from orderflow.database.transaction import Transaction

other = sa.Table("others", notes.metadata, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
NOTE, OTHER = Insert(notes, ("id",)), Insert(other, ("id",))
RENUMBER = Update(notes, ("id",), computed={"id": notes.c.id + 100})


@pytest.fixture
def noted(noted: Database) -> Database:
    with noted.writer.begin() as connection:
        other.create(connection, checkfirst=True)
    return noted


def ids(connection: sa.Connection, table: sa.Table) -> list[int]:
    return sorted(connection.scalars(sa.select(table.c.id)))


def test_a_use_case_sees_what_was_added_before_it(noted: Database) -> None:
    with noted.writer.begin() as connection:
        tx = Transaction(connection)
        tx.add(NOTE, [(1,)])
        tx.add(OTHER, [(2,)])
        assert (ids(tx.connection, notes), ids(tx.connection, other)) == ([1], [2])


def test_two_writes_to_one_table_keep_their_order_whatever_is_between_them(noted: Database) -> None:
    with noted.writer.begin() as connection:
        tx = Transaction(connection)
        tx.add(NOTE, [(1,)])
        tx.add(OTHER, [(2,)])
        tx.add(RENUMBER, [(1,)])
        tx.add(RENUMBER, [(101,)])
        assert ids(tx.connection, notes) == [201]


def test_what_a_savepoint_takes_back_is_neither_written_nor_followed_up(noted: Database) -> None:
    with noted.writer.begin() as connection:
        tx = Transaction(connection)
        tx.add(NOTE, [(1,)])
        tx.after_commit(list)
        with suppress(ZeroDivisionError), tx.savepoint():
            tx.add(NOTE, [(2,)])
            assert ids(tx.connection, notes) == [1, 2]
            tx.add(NOTE, [(3,)])
            tx.after_commit(dict)
            raise ZeroDivisionError
        assert ids(tx.connection, notes) == [1]
        assert tx.follow_ups == [list]


def test_what_a_savepoint_keeps_is_written_when_it_ends(noted: Database) -> None:
    with noted.writer.begin() as connection:
        tx = Transaction(connection)
        with tx.savepoint():
            tx.add(NOTE, [(1,)])
        assert ids(connection, notes) == [1]
