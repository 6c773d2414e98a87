"""Retention: removes idempotency keys, published events, the history of finished orders, the beginning of the
stream and what webhooks did not take after a time.

It works in small steps, so that intake never waits for a large one. The age of a key counts from its order's
creation, that of events and history from the order's last change. Events and history of an unfinished order
are kept.

A step reads the first rows of the stream, the oldest dead letters of webhooks, or a range of another table by
order id. No order ends before it
is created, and the id begins with the time of creation, so the id limits what can be old enough; the order's
own row, found by its key, decides.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import sqlalchemy as sa
import structlog

from orderflow.database.batch import NotWritten
from orderflow.database.engine import DatabaseUnavailable, reason
from orderflow.database.group_commit import Contended, GroupCommit, QueueFull
from orderflow.database.steps import Step, in_steps, window
from orderflow.database.transaction import Transaction
from orderflow.orders.counters import fold
from orderflow.orders.model import FINISHED
from orderflow.orders.tables import idempotency_keys, order_changes, orders, outbox, stream, webhook_messages
from orderflow.runtime.ids import first_uuid7
from orderflow.runtime.loop import ThreadLoop

log = structlog.get_logger()

STEP_ROWS = 500
ROUND_PAUSE_S = 60.0
WEBHOOK_LETTERS_KEPT_S = 30 * 86_400.0
SHARE_OF_WRITER = 0.1
"""The share of the writer's time that removing may take at most."""

Kind = Literal["keys", "events", "history", "stream", "webhook_letters"]

_TABLES = {"keys": idempotency_keys, "events": outbox, "history": order_changes}


class Remove(NamedTuple):
    """Asks for one step: remove what is older than `before` among the next `rows` rows of orders with ids
    after `behind`."""

    kind: Kind
    behind: str
    before: datetime
    rows: int


def remove(tx: Transaction, commands: Sequence[Remove]) -> list[Step]:
    """Make one step for each command. One process at a time does so; in the others this removes nothing."""
    # This may be repeated after a lost COMMIT: what was removed is not found any more.
    if not tx.dialect.try_lock(tx.connection, "orderflow-retention"):
        return [Step(0, None) for _ in commands]
    fold(tx)
    return [_remove(tx, command) for command in commands]


def _remove(tx: Transaction, command: Remove) -> Step:
    if command.kind == "stream":
        return _remove_from_stream(tx, command)
    if command.kind == "webhook_letters":
        return _remove_webhook_letters(tx, command)
    table = _TABLES[command.kind]
    key = table.c.order_id
    conditions, last = window(
        tx.connection, key, command.behind, command.rows, key < first_uuid7(command.before)
    )
    if command.kind != "keys":
        ended = [orders.c.status.in_(FINISHED), orders.c.updated_at < command.before]
        conditions.append(sa.exists().where(orders.c.order_id == table.c.order_id, *ended))
    if command.kind == "events":
        conditions.append(table.c.published_at.is_not(None))
    removed = tx.connection.execute(sa.delete(table).where(*conditions))
    return Step(removed.rowcount, last)


def _remove_from_stream(tx: Transaction, command: Remove) -> Step:
    """Remove the first rows, which are the oldest. The last row stays, because its positions tell the next
    one."""
    newest = sa.select(sa.func.max(stream.c.first_position)).scalar_subquery()
    oldest = (
        sa.select(stream.c.first_position)
        .where(stream.c.first_position < newest)
        .order_by(stream.c.first_position)
        .limit(command.rows)
    )
    removed = tx.connection.execute(
        sa.delete(stream).where(stream.c.first_position.in_(oldest), stream.c.at < command.before)
    )
    return Step(removed.rowcount, command.behind if removed.rowcount == command.rows else None)


def _remove_webhook_letters(tx: Transaction, command: Remove) -> Step:
    dead_at = webhook_messages.c.dead_at
    old = dead_at < command.before
    last = tx.connection.scalar(
        sa.select(dead_at).where(old).order_by(dead_at).offset(command.rows - 1).limit(1)
    )
    removed = tx.connection.execute(
        sa.delete(webhook_messages).where(old if last is None else dead_at <= last)
    )
    return Step(removed.rowcount, None if last is None else command.behind)


class Retention:
    """One thread that removes what is older than the given times, in seconds; None keeps it for ever. A step
    looks at `step_rows` rows at most."""

    def __init__(
        self,
        writer: GroupCommit,
        *,
        keys_s: float,
        events_s: float | None,
        history_s: float | None,
        stream_s: float | None = None,
        webhook_letters_s: float | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        step_rows: int = STEP_ROWS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._step_rows = step_rows
        self._kept_s: dict[Kind, float | None] = {
            "keys": keys_s,
            "events": events_s,
            "history": history_s,
            "stream": stream_s,
            "webhook_letters": webhook_letters_s,
        }
        self._clock = clock
        self._monotonic = monotonic
        self.loop = ThreadLoop(
            "retention",
            self.run_once,
            health=writer.health,
            pause_s=lambda: ROUND_PAUSE_S,
            on_failure="try again",
        )

    def start(self) -> None:
        self.loop.start()

    def close(self) -> None:
        self.loop.stop()
        self.loop.join()

    def run_once(self) -> dict[Kind, int]:
        """Go through everything once; returns how many rows of each kind were removed."""
        removed: dict[Kind, int] = {}
        for kind, kept_s in self._kept_s.items():
            if kept_s is not None:
                removed[kind] = self._remove_all(kind, kept_s)
        if any(removed.values()):
            log.info("retention.removed", **removed)
        return removed

    def _remove_all(self, kind: Kind, kept_s: float) -> int:
        before = self._clock() - timedelta(seconds=kept_s)

        def step(behind: str) -> Step | None:
            return self._step(Remove(kind, behind, before, self._step_rows))

        return in_steps(self.loop, step, share=SHARE_OF_WRITER, monotonic=self._monotonic)

    def _step(self, command: Remove) -> Step | None:
        """Make one step. Returns None if this is not possible now; the next round starts over."""
        try:
            (outcome,) = self._writer.submit_blocking(remove, [command])
        except QueueFull:
            return None
        if isinstance(outcome, NotWritten):
            if not isinstance(outcome.cause, (DatabaseUnavailable, Contended)):
                log.error("retention.failed", kind=command.kind, reason=reason(outcome.cause))
            return None
        return outcome
