"""Carries decisions out: it writes the row, then updates memory, then logs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import structlog

from orderflow.contracts.traceparent import span_id, trace_id
from orderflow.database.batch import NotWritten, Outcome
from orderflow.database.engine import reason
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment import traces, until_written
from orderflow.fulfillment.capacity import Capacity
from orderflow.fulfillment.fencing import Change
from orderflow.fulfillment.model import (
    Call,
    Close,
    Done,
    Park,
    Shipment,
    State,
    Step,
    TurnBack,
    Undone,
    Wait,
    Written,
)
from orderflow.fulfillment.shipments import apply
from orderflow.runtime.health import Health
from orderflow.runtime.telemetry.metrics import COMPENSATIONS

log = structlog.get_logger()

UNWRITABLE_WAIT_MS = 60_000
"""Only for a decision that failed while others were written. In an outage, decisions wait in memory and are
written as soon as it ends."""


class Recorder:
    """Writes decisions about held shipments; those that a decision lets go of leave the memory."""

    def __init__(
        self,
        writer: GroupCommit,
        capacity: Capacity,
        health: Health,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._writer = writer
        self._capacity = capacity
        self._health = health
        self._clock = clock
        self._sleep = sleep

    async def record(
        self,
        decisions: Sequence[tuple[Shipment, Written]],
        *,
        loop: str | None = None,
        later: bool = False,
    ) -> list[Shipment | None]:
        """Write the decisions, waiting for the database as long as it takes. Returns each shipment as it is
        now, as far as it still has something to do; None where it is no longer ours or held.

        `loop` keeps reporting progress meanwhile. `later` as in `GroupCommit.submit`. Raises errors that show
        a defect of ours.
        """
        now = self._clock()

        def on_wait() -> None:
            self._health.trouble("database", "fulfillment cannot write")
            if loop is not None:
                self._health.progress(loop)

        changes = [Change(shipment, decision, now) for shipment, decision in decisions]

        def on_outcome(index: int, outcome: Outcome[Shipment | None]) -> None:
            # At once: a row that is free may be claimed again, even by this worker, while others wait.
            if not isinstance(outcome, NotWritten):
                self._after(changes[index], outcome)

        outcomes = await until_written.write(
            self._writer,
            apply,
            changes,
            on_wait=on_wait,
            on_outcome=on_outcome,
            later=later,
            sleep=self._sleep,
        )
        for change, outcome in zip(changes, outcomes, strict=True):
            if isinstance(outcome, NotWritten):
                await self._set_aside(change, outcome.cause, on_wait)
        return [
            None
            if outcome is None or isinstance(outcome, NotWritten) or _is_over(change, outcome)
            else outcome
            for change, outcome in zip(changes, outcomes, strict=True)
        ]

    async def _set_aside(self, change: Change, error: Exception, on_wait: Callable[[], object]) -> None:
        """A decision that the database will not take must stop neither this shipment nor the others."""
        log.error("shipment.unwritable", **_ids(change.shipment), reason=reason(error))
        wait = Wait(UNWRITABLE_WAIT_MS, "the last outcome could not be recorded", counts=False)
        later = Change(change.shipment, wait, change.at)
        (outcome,) = await until_written.write(
            self._writer, apply, [later], on_wait=on_wait, sleep=self._sleep
        )
        if isinstance(outcome, NotWritten):
            raise outcome.cause
        self._after(later, outcome)

    def _after(self, change: Change, now: Shipment | None) -> None:
        shipment = change.shipment
        if now is None:
            log.warning("shipment.not_ours", **_ids(shipment), epoch=shipment.owner.epoch)
        if now is None or _is_over(change, now):
            self._capacity.let_go([shipment])
        if now is not None:
            _tell(change, now)


def _is_over(change: Change, now: Shipment) -> bool:
    return isinstance(change.decision, (Wait, Close, Park)) or now.state is State.CLOSED


_EVENTS = {
    Step.AUTHORIZE: "payment.authorized",
    Step.SHIP: "shipment.shipped",
    Step.CAPTURE: "payment.captured",
}


def _tell(change: Change, now: Shipment) -> None:
    """Never a party's own words, for they may name a person: these stay with the shipment."""
    shipment = change.shipment
    told: Mapping[str, object] = {}
    match change.decision:
        case TurnBack(rejected=True):
            event, told = "shipment.rejected", {"step": shipment.step.value}
        case TurnBack(error=None):
            event = "shipment.cancelling"
        case TurnBack():
            event = "shipment.failing"
        case Call() | Done() if now.undoing and not shipment.undoing:
            event = "shipment.cancelling" if now.error is None else "shipment.out_of_stock"
        case Call():
            return
        case Done():
            event = _EVENTS[shipment.step]
        case Undone():
            event, told = "shipment.undone", {"step": shipment.step.value}
            COMPENSATIONS.labels(shipment.step.value).inc()
        case Wait(after_ms=after_ms, note=note, cause=cause):
            event, told = "shipment.retry", {"after_ms": after_ms, "reason": cause or note}
        case Park(kind=kind, note=note, cause=cause):
            event, told = "shipment.parked", {"kind": kind, "reason": cause or note}
            traces.parked(shipment, kind)
        case Close(note=note):
            if note is None:
                return
            event, told = "shipment.closed", {"reason": note}
    log.info(
        event,
        **_ids(shipment),
        attempts=shipment.attempts,
        duration_ms=round((change.at - shipment.received_at).total_seconds() * 1000),
        **told,
    )


def _ids(shipment: Shipment) -> dict[str, str | None]:
    return {
        "order_id": shipment.order_id,
        "correlation_id": shipment.correlation_id,
        "trace_id": trace_id(shipment.traceparent),
        "span_id": span_id(shipment.traceparent),
    }
