"""The relay: takes events from the outbox to the log, at least once, first occurrences in order per order.

Two ways in. Hand-off: rows that this process has just committed, leased in the same transaction, come
straight from the writer; only first versions, and only while the log answers. Sweep: whatever is free in
the table, by claim.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from orderflow.crashpoints import crash_point
from orderflow.database.engine import DatabaseUnavailable, reason
from orderflow.database.group_commit import GroupCommit, QueueFull
from orderflow.messaging import Position, Publisher, PublishFailed
from orderflow.orders.commands import Placed, PlaceOrder
from orderflow.orders.events import message
from orderflow.orders.outbox import CLAIM_ROWS_MAX, Claim, Mark, MarkAll, OutboxRow, claim, mark

log = structlog.get_logger()

HAND_OFF_ROWS_MAX = 2_000
PAUSE_PER_ROW_S = 0.0003
PAUSE_S_MAX = 0.05
"""What comes within the pause goes together: the log pays for each batch and partition, hardly for a row. It
grows with the batch, so that a lone row waits for nothing."""

SWEEP_PAUSE_S = 0.5
PROBE_PAUSE_S = 1.0


class Relay:
    """One thread between the outbox and the log. `clock` stamps what was published."""

    def __init__(
        self,
        writer: GroupCommit,
        publisher: Publisher,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._writer = writer
        self._publisher = publisher
        self._clock = clock
        self._handed_off: deque[OutboxRow] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._next_sweep = 0.0
        self._not_before = 0.0
        self._thread: threading.Thread | None = None
        self.trouble: tuple[str, datetime] | None = None
        """Why the log does not take events, and since when; None while it does."""

    def takes(self, rows: int) -> bool:
        """Whether so many rows may be handed off; asked by the writer inside the transaction that leases
        them."""
        return (
            self.trouble is None and not self._closing and len(self._handed_off) + rows <= HAND_OFF_ROWS_MAX
        )

    def after_commit(self, committed: Sequence[tuple[Any, Any]]) -> None:
        """The group commit's hook: take over the rows that were leased for this relay."""
        rows = [
            command.event
            for command, result in committed
            if isinstance(command, PlaceOrder) and isinstance(result, Placed) and result.handed_off
        ]
        if rows:
            with self._wake:
                if not self._handed_off:
                    self._wake.notify()
                self._handed_off.extend(rows)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Publish what was handed off, unless the log is away: then free it for another relay."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing or (self._handed_off and self.trouble is None):
            self._wait()
            try:
                self.run_once()
            except Exception as error:
                log.exception("relay.failed", exc_info=error)
                time.sleep(SWEEP_PAUSE_S)
        self._record([Mark(row.order_id, row.order_version) for row in self._handed_off])
        self._publisher.close()

    def _wait(self) -> None:
        with self._wake:
            while not self._closing and (pause_s := self._pause_s) > 0:
                self._wake.wait(pause_s)

    @property
    def _pause_s(self) -> float:
        due = self._not_before if self._handed_off else max(self._not_before, self._next_sweep)
        return due - time.monotonic()

    def run_once(self) -> int:
        """Publish and mark one batch, of what was handed off and of what waits in the table; returns how many
        rows the log took."""
        batch = [self._handed_off.popleft() for _ in range(len(self._handed_off))]
        if time.monotonic() >= self._next_sweep:
            batch += self._claim()
        self._not_before = time.monotonic() + min(PAUSE_S_MAX, PAUSE_PER_ROW_S * len(batch))
        return self._publish(batch) if batch else 0

    def _claim(self) -> list[OutboxRow]:
        """Free rows; a single one, as a probe, while the log does not answer."""
        self._next_sweep = time.monotonic() + (SWEEP_PAUSE_S if self.trouble is None else PROBE_PAUSE_S)
        rows_max = CLAIM_ROWS_MAX if self.trouble is None else 1
        try:
            rows = self._writer.submit_blocking(claim, [Claim(rows_max)])[0]
        except QueueFull:
            return []
        if isinstance(rows, Exception):
            _tell("relay.claim_failed", rows)
            return []
        if len(rows) == rows_max:
            self._next_sweep = 0.0
        return rows

    def _publish(self, batch: list[OutboxRow]) -> int:
        crash_point("relay.claimed")
        outcomes = self._publisher.publish([message(row) for row in batch])
        crash_point("relay.published")
        now = self._clock()
        marks = [self._mark(row, outcome, now) for row, outcome in zip(batch, outcomes, strict=True)]
        failed = next((o for o in outcomes if isinstance(o, PublishFailed) and not o.permanent), None)
        self._note(failed, now)
        self._record(marks)
        return sum(1 for m in marks if m.published_at)

    def _mark(self, row: OutboxRow, outcome: Position | PublishFailed, now: datetime) -> Mark:
        if isinstance(outcome, Position):
            return Mark(row.order_id, row.order_version, now, outcome.partition, outcome.offset)
        if not outcome.permanent:
            return Mark(row.order_id, row.order_version)
        log.error("relay.parked", order_id=row.order_id, event_type=row.event_type, reason=outcome.reason)
        return Mark(row.order_id, row.order_version, parked_reason=outcome.reason[:1000])

    def _note(self, failed: PublishFailed | None, now: datetime) -> None:
        if failed is not None and self.trouble is None:
            log.warning("relay.log_unavailable", reason=failed.reason)
            self.trouble = (failed.reason, now)
        elif failed is None and self.trouble is not None:
            log.info("relay.log_available", away_s=round((now - self.trouble[1]).total_seconds(), 1))
            self.trouble = None
        if failed is not None:
            self._next_sweep = time.monotonic() + PROBE_PAUSE_S

    def _record(self, marks: list[Mark]) -> None:
        """A mark that is not written is no loss: the lease ends and the event is published again. So marks
        need no transaction of their own."""
        if marks:
            with suppress(QueueFull):
                self._writer.submit_later(mark, [MarkAll(marks)], _marked)


def _marked(outcomes: list[Any]) -> None:
    if isinstance(outcomes[0], Exception):
        _tell("relay.mark_failed", outcomes[0])


def _tell(event: str, error: Exception) -> None:
    """The writer itself says when its database is away."""
    if not isinstance(error, (DatabaseUnavailable, QueueFull)):
        log.error(event, reason=reason(error))
