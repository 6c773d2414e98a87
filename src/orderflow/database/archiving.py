"""Archiving: moves what is old from a database to archives, in small steps.

A step reads rows, writes them to the archive, and deletes them when they are on disk there. It may be
interrupted anywhere and is then made again. The files are not written in a transaction of the writer, so a
slow disk holds up nobody.
"""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from orderflow.database.archive import Archive
from orderflow.database.batch import NotWritten, UseCase
from orderflow.database.dialects import ids_parameter, locked, of, one_of
from orderflow.database.engine import Database, DatabaseUnavailable, reason
from orderflow.database.group_commit import Contended, GroupCommit, OutcomeUnknown, QueueFull
from orderflow.database.steps import Step, in_steps
from orderflow.database.transaction import Transaction
from orderflow.runtime.crashpoints import crash_point
from orderflow.runtime.loop import ThreadLoop

log = structlog.get_logger()

STEP_ROWS = 50
"""Each may have an event or a request of 1.5 MiB."""
ROUND_PAUSE_S = 60.0
SHARE_OF_TIME = 0.1
"""The share of the time that steps may take at most."""
LOCK = "orderflow-archiving"
LOOP = "archiving"

_PASSING = (DatabaseUnavailable, Contended, OutcomeUnknown, QueueFull)

Rows = Sequence[tuple[sa.Table, sa.RowMapping]]


class Found(NamedTuple):
    """What may go, by its ids, and where the next step begins; None when there is nothing more to look at."""

    ids: list[str]
    behind: str | None


@dataclass(frozen=True, slots=True)
class Purge:
    """Asks to delete these, as far as they are still older than `before`. They are in the archive."""

    ids: tuple[str, ...]
    before: datetime

    @property
    def rows(self) -> int:
        return 4 * len(self.ids)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of what is archived, after `kept_s` seconds.

    `find` looks at the next rows behind an id, at most so many, for what is older than a time. `rows` reads
    all rows that belong to these ids. `purge` deletes them, and may be repeated.
    """

    name: str
    kept_s: float
    find: Callable[[Connection, str, datetime, int], Found]
    rows: Callable[[Connection, Sequence[str]], Rows]
    purge: UseCase[Purge, int]


class Archiver:
    """One thread that archives; of the processes on a database, one does so at a time. A step that is not
    possible now is left to the next round."""

    def __init__(
        self,
        database: Database,
        writer: GroupCommit,
        archive: Archive,
        kinds: Sequence[Kind],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        step_rows: int = STEP_ROWS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._writer = writer
        self._archive = archive
        self._kinds = kinds
        self._clock = clock
        self._step_rows = step_rows
        self._monotonic = monotonic
        self.loop = ThreadLoop(
            LOOP,
            self.run_once,
            health=writer.health,
            pause_s=lambda: ROUND_PAUSE_S,
            on_failure="try again",
            finish=archive.close,
        )

    def start(self) -> None:
        self.loop.start()

    def close(self) -> None:
        self.loop.stop()
        self.loop.join()

    def run_once(self) -> dict[str, int]:
        """Go through everything once; returns how much of each kind went. Raises OSError if the archive
        cannot be written."""
        gone = {kind.name: self._archive_all(kind) for kind in self._kinds}
        if any(gone.values()):
            log.info("archive.written", **gone)
        return gone

    def _archive_all(self, kind: Kind) -> int:
        before = self._clock() - timedelta(seconds=kind.kept_s)

        def step(behind: str) -> Step | None:
            try:
                return self._step(kind, behind, before)
            except SQLAlchemyError as error:
                raise DatabaseUnavailable(reason(error)) from error

        return in_steps(self.loop, step, share=SHARE_OF_TIME, monotonic=self._monotonic)

    def _step(self, kind: Kind, behind: str, before: datetime) -> Step | None:
        """How much went, and where the next step begins. None if another process archives, or the database
        does not take it now."""
        with self._alone() as is_alone:
            if not is_alone:
                return None
            with self._database.reader.connect() as connection:
                found = kind.find(connection, behind, before, self._step_rows)
                rows = kind.rows(connection, found.ids) if found.ids else ()
            if not rows:
                return Step(0, found.behind)
            self._archive.append(rows)
            crash_point("archive.written")
            try:
                (outcome,) = self._writer.submit_blocking(kind.purge, [Purge(tuple(found.ids), before)])
            except QueueFull:  # the writer is closed
                return None
        if not isinstance(outcome, NotWritten):
            return Step(outcome, found.behind)
        if not isinstance(outcome.cause, _PASSING):
            log.error("archive.failed", kind=kind.name, reason=reason(outcome.cause))
        return None

    @contextmanager
    def _alone(self) -> Generator[bool]:
        """Whether no other process is at it, for as long as the block runs. If the session is lost meanwhile,
        another one may write the same rows to its archive, too, which does no harm."""
        if self._database.embedded:
            yield True
            return
        with self._database.writer.connect() as connection:
            yield of(connection).try_lock(connection, LOCK)


def rows_of(
    connection: Connection,
    table: sa.Table,
    key: sa.ColumnElement[Any],
    ids: Sequence[str],
    *more: sa.ColumnElement[bool],
) -> Rows:
    """The rows of a table whose key is one of these ids."""
    wanted = sa.select(table).where(one_of(key, "ids"), *more)
    return [(table, row) for row in connection.execute(wanted, ids_parameter(ids)).mappings()]


def still_going(
    tx: Transaction, key: sa.Column[Any], ids: Sequence[str], may_go: Sequence[sa.ColumnElement[bool]]
) -> list[str]:
    """Those of the ids whose rows may still go, locked: something may have happened since they were read."""
    still = sa.select(key).where(one_of(key, "ids"), *may_go).order_by(key)
    return list(tx.connection.scalars(locked(still, key.table), ids_parameter(ids)))
