"""Answers to COMMIT that get lost, on either database."""

import sqlite3
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from orderflow.database.engine import Database


class LostAnswers:
    """For so many commits, lets COMMIT happen (or not) and then breaks the connection, as a network might."""

    def __init__(self, database: Database, *, commits: bool, times: int) -> None:
        self._database = database
        self._commits = commits
        self.times = times
        event.listen(database.writer, "commit", self._on_commit)

    def _on_commit(self, connection: sa.Connection) -> None:
        if not self.times:
            return
        self.times -= 1
        raw: Any = connection.connection.driver_connection
        if self._commits:
            raw.commit() if self._database.embedded is False else raw.execute("COMMIT")
        raw.close()
        failure = sqlite3.OperationalError if self._database.embedded else psycopg.OperationalError
        raise OperationalError("COMMIT", {}, failure("the connection was lost"), connection_invalidated=True)
