"""The check that every suite runs under, in `tests/unread_answers.py`."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from orderflow.database.engine import Database, connect

NUMBERS = sa.text("SELECT 1 AS number UNION ALL SELECT 2 AS number")


@pytest.fixture(params=["sqlite", "mssql"])
def watched_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_mssql = request.param == "mssql"
    url = request.getfixturevalue("mssql_database") if is_mssql else f"sqlite:///{tmp_path / 'some.db'}"
    database = connect(url, application="test")
    yield database
    database.dispose()


def test_a_statement_that_is_sent_before_an_answer_was_read_is_found(
    watched_database: Database, early_statements: list[str]
) -> None:
    # SQL Server refuses it.
    with watched_database.writer.connect() as connection, suppress(DBAPIError):
        for _ in connection.execute(NUMBERS):
            connection.execute(NUMBERS).all()
    assert early_statements == [f"{NUMBERS} -- while unread: {NUMBERS}"]
    early_statements.clear()


def test_a_statement_that_is_sent_after_an_answer_was_read_is_right(
    watched_database: Database, early_statements: list[str]
) -> None:
    with watched_database.writer.connect() as connection:
        for _ in connection.execute(NUMBERS).all():
            connection.execute(NUMBERS).all()
    assert early_statements == []
