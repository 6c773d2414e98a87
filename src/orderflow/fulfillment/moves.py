"""Decisions become rows, memory and log lines, in that order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog

from orderflow.contracts.traceparent import trace_id
from orderflow.database.engine import reason
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment import durable
from orderflow.fulfillment.holding import Holding
from orderflow.fulfillment.model import (
    CallCarrier,
    Close,
    Park,
    RecordLabel,
    RecordRejection,
    Shipment,
    Wait,
    Written,
)
from orderflow.fulfillment.shipments import Move, apply
from orderflow.runtime.health import Health

log = structlog.get_logger()

UNWRITABLE_WAIT_MS = 60_000
"""Only for what failed alone while others were written. In an outage, decisions wait in memory and are
written as soon as it ends."""


class Mover:
    """Writes decisions about held shipments; those that a decision lets go of leave the memory."""

    def __init__(
        self,
        writer: GroupCommit,
        holding: Holding,
        health: Health,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._writer = writer
        self._holding = holding
        self._health = health
        self._clock = clock
        self._sleep = sleep

    async def move(
        self,
        decisions: Sequence[tuple[Shipment, Written]],
        *,
        loop: str | None = None,
        later: bool = False,
    ) -> list[bool]:
        """Write the decisions, waiting for the database as long as it takes; False where the shipment is
        ours no longer, which changed nothing.

        `loop` goes on reporting progress while it waits. `later` as in `GroupCommit.submit`. Raises what
        shows a defect of ours.
        """
        now = self._clock()

        def on_wait() -> None:
            self._health.trouble("database", "fulfillment cannot write")
            if loop is not None:
                self._health.progress(loop)

        moves = [Move(shipment, decision, now) for shipment, decision in decisions]

        def on_outcome(index: int, outcome: bool | Exception) -> None:
            # At once: a row that is free may be claimed again, by this worker too, while others wait here.
            if isinstance(outcome, bool):
                self._after(moves[index], written=outcome)

        outcomes = await durable.write(
            self._writer,
            apply,
            moves,
            on_wait=on_wait,
            on_outcome=on_outcome,
            later=later,
            sleep=self._sleep,
        )
        for move, outcome in zip(moves, outcomes, strict=True):
            if isinstance(outcome, Exception):
                await self._set_aside(move, outcome, on_wait)
        return [outcome is True for outcome in outcomes]

    async def _set_aside(self, move: Move, error: Exception, on_wait: Callable[[], object]) -> None:
        """A decision that the database will not take must stop neither this shipment nor the others."""
        log.error("shipment.unwritable", order_id=move.shipment.order_id, reason=reason(error))
        wait = Wait(UNWRITABLE_WAIT_MS, "the last outcome could not be recorded", counts=False)
        later = Move(move.shipment, wait, move.at)
        outcome = (await durable.write(self._writer, apply, [later], on_wait=on_wait, sleep=self._sleep))[0]
        if isinstance(outcome, Exception):
            raise outcome
        self._after(later, written=outcome)

    def _after(self, move: Move, *, written: bool) -> None:
        shipment, decision = move.shipment, move.decision
        if not written:
            log.warning("shipment.not_ours", order_id=shipment.order_id, epoch=shipment.owner.epoch)
        if not written or isinstance(decision, (Wait, Close, Park)):
            self._holding.let_go([shipment])
        if written:
            _log(move)


def _log(move: Move) -> None:
    """Never the carrier's own words, for they may name a person: these stay with the shipment."""
    shipment = move.shipment
    match move.decision:
        case CallCarrier():
            return
        case RecordLabel():
            event, told = "shipment.shipped", {}
        case RecordRejection():
            event, told = "shipment.rejected", {}
        case Wait(after_ms=after_ms, note=note, cause=cause):
            event, told = "shipment.retry", {"after_ms": after_ms, "reason": cause or note}
        case Park(kind=kind, note=note, cause=cause):
            event, told = "shipment.parked", {"kind": kind, "reason": cause or note}
        case Close(note=note):
            if note is None:
                return
            event, told = "shipment.closed", {"reason": note}
    log.info(
        event,
        order_id=shipment.order_id,
        correlation_id=shipment.correlation_id,
        trace_id=trace_id(shipment.traceparent),
        attempts=shipment.attempts,
        duration_ms=round((move.at - shipment.received_at).total_seconds() * 1000),
        **told,
    )
