"""The relay: publishes events from the outbox to the log, each at least once. The first publications of an
order's events are in order.

Rows reach it in two ways. By hand-off, rows that this process has just committed and leased in the same
transaction come straight from the writer; these are first versions only, and only while the log answers. By
sweep, the relay claims any rows that are free in the table.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from orderflow.contracts.traceparent import span_id, trace_id
from orderflow.database.batch import NotWritten, Outcome, UseCase
from orderflow.database.engine import DatabaseUnavailable, reason
from orderflow.database.group_commit import GroupCommit, QueueFull
from orderflow.messaging import Position, Publisher, PublishFailed
from orderflow.orders import traces
from orderflow.orders.events import message
from orderflow.orders.hand_off import HandOff
from orderflow.orders.outbox import CLAIM_ROWS_MAX, Claim, Mark, MarkAll, OutboxRow, claim, mark
from orderflow.orders.parked import Refused, Taken, park, unpark
from orderflow.runtime.crashpoints import crash_point
from orderflow.runtime.loop import ThreadLoop
from orderflow.runtime.telemetry import tracing
from orderflow.runtime.telemetry.metrics import PRODUCE, PRODUCED

log = structlog.get_logger()

PAUSE_PER_ROW_S = 0.0003
PAUSE_S_MAX = 0.05
"""Rows that arrive within the pause are published together: the log's work is for each batch and partition,
hardly for each row. The pause grows with the batch before it, so that a lone row hardly waits."""

SWEEP_PAUSE_S = 0.5
PROBE_PAUSE_S = 1.0
LOOP = "relay"
EVENT_LOG = "event-log"
"""The part that health names as degraded while the log takes no events."""


class Relay:
    """One thread between the outbox and the log. `clock` gives the times of publication, `monotonic` gives
    seconds."""

    def __init__(
        self,
        writer: GroupCommit,
        publisher: Publisher,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._publisher = publisher
        self._clock = clock
        self._monotonic = monotonic
        self._next_sweep = 0.0
        self._not_before = 0.0
        self.loop = ThreadLoop(
            LOOP,
            self.run_once,
            health=writer.health,
            pause_s=self._pause_s,
            on_failure="try again",
            is_drained=lambda: not self.hand_off or self.trouble is not None,
            finish=self._finish,
        )
        self.trouble: tuple[str, datetime] | None = None
        """Why the log does not take events, and since when; None while it does."""
        self.hand_off = HandOff(
            is_open=lambda: self.trouble is None and not self.loop.is_stopping, on_put=self.loop.wake
        )

    def start(self) -> None:
        self.loop.start()

    def close(self) -> None:
        """Publish what was handed off. If the log does not take it, free it for another relay."""
        self.loop.stop()
        self.loop.join()

    def _finish(self) -> None:
        self._record([Mark(row.order_id, row.order_version) for row in self.hand_off.take()])
        self._publisher.close()

    def _pause_s(self) -> float:
        due = self._not_before if self.hand_off else max(self._not_before, self._next_sweep)
        return due - self._monotonic()

    def run_once(self) -> int:
        """Publish and mark one batch: what was handed off and, if a sweep is due, what waits in the table.
        Returns how many rows the log took."""
        batch = self.hand_off.take()
        if self._monotonic() >= self._next_sweep:
            batch += self._claim()
        self._not_before = self._monotonic() + min(PAUSE_S_MAX, PAUSE_PER_ROW_S * len(batch))
        return self._publish(batch) if batch else 0

    def _claim(self) -> list[OutboxRow]:
        """Claim free rows; while the log does not answer only a single one, as a probe."""
        self._next_sweep = self._monotonic() + (SWEEP_PAUSE_S if self.trouble is None else PROBE_PAUSE_S)
        rows_max = CLAIM_ROWS_MAX if self.trouble is None else 1
        try:
            (claimed,) = self._writer.submit_blocking(claim, [Claim(rows_max)])
        except QueueFull:
            return []
        if isinstance(claimed, NotWritten):
            _tell("relay.claim_failed", claimed.cause)
            return []
        if claimed.more:
            self._next_sweep = 0.0
        return claimed.rows

    def _publish(self, batch: list[OutboxRow]) -> int:
        crash_point("relay.claimed")
        began = self._monotonic()
        began_ns = tracing.now_ns()
        outcomes = self._publisher.publish([message(row) for row in batch])
        PRODUCE.observe(self._monotonic() - began)
        traces.published(batch, outcomes, began_ns)
        crash_point("relay.published")
        now = self._clock()
        failed = next((o for o in outcomes if isinstance(o, PublishFailed) and not o.too_large), None)
        self._note(failed, now)
        return self._settle(batch, outcomes, now)

    def _settle(self, batch: list[OutboxRow], outcomes: list[Position | PublishFailed], now: datetime) -> int:
        """Record what became of the rows; returns how many the log took."""
        marks: list[Mark] = []
        taken: list[Mark] = []
        refused: list[Refused] = []
        for row, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Position):
                done = Mark(row.order_id, row.order_version, now, outcome.partition, outcome.offset)
                (marks if row.parked_reason is None else taken).append(done)
            elif outcome.too_large:
                refused.append(_refused(row, outcome.reason, now))
            else:
                marks.append(Mark(row.order_id, row.order_version))
        self._record(marks)
        if refused:
            self._submit(park, refused)
        if taken:
            self._submit(unpark, [Taken(MarkAll(taken), now)])
        published = sum(isinstance(outcome, Position) for outcome in outcomes)
        PRODUCED.labels("published").inc(published)
        PRODUCED.labels("too-large").inc(len(refused))
        PRODUCED.labels("failed").inc(len(outcomes) - published - len(refused))
        return published

    def _note(self, failed: PublishFailed | None, now: datetime) -> None:
        if failed is not None and self.trouble is None:
            self.trouble = (failed.reason, now)
        elif failed is None and self.trouble is not None:
            self.trouble = None
            self._writer.health.recovered(EVENT_LOG)
        if failed is not None:
            self._writer.health.trouble(EVENT_LOG, failed.reason)
            self._next_sweep = self._monotonic() + PROBE_PAUSE_S

    def _record(self, marks: list[Mark]) -> None:
        """Record the marks with a later transaction, not one of their own. A mark that is not written loses
        nothing: its lease ends and the event is published again."""
        if marks:
            self._submit(mark, [MarkAll(marks)])

    def _submit(self, use_case: UseCase[Any, None], commands: Sequence[Any]) -> None:
        with suppress(QueueFull):
            self._writer.submit_later(use_case, commands, _marked)


def _refused(row: OutboxRow, reason: str, now: datetime) -> Refused:
    log.error(
        "relay.parked",
        order_id=row.order_id,
        correlation_id=row.correlation_id,
        trace_id=trace_id(row.traceparent),
        span_id=span_id(row.traceparent),
        event_type=row.event_type,
        reason=reason,
    )
    told = f"{len(row.payload.encode())} bytes; {reason}"
    return Refused(row.order_id, row.order_version, row.event_type, told, now)


def _marked(outcomes: list[Outcome[None]]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, NotWritten):
            _tell("relay.mark_failed", outcome.cause)
            return


def _tell(event: str, error: Exception) -> None:
    """Log the error, unless it is that the database is unavailable, which the writer itself reports."""
    if not isinstance(error, DatabaseUnavailable):
        log.error(event, reason=reason(error))
