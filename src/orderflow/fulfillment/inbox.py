"""Events become shipments: poll, insert, and only then commit the offsets."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from orderflow.contracts.order_events import InvalidEvent, UnknownType, readable_order_id
from orderflow.database import bulk
from orderflow.database.batch import NotWritten, UseCase
from orderflow.database.dialects import now_ms
from orderflow.database.engine import reason
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import cancellation, traces
from orderflow.fulfillment import letters as dead_letters
from orderflow.fulfillment.cancellation import Cancel, LookAgain
from orderflow.fulfillment.capacity import Capacity
from orderflow.fulfillment.erasure import is_same_request
from orderflow.fulfillment.event_handlers import Command, Receive, received
from orderflow.fulfillment.flow import Flow
from orderflow.fulfillment.lease import Lease
from orderflow.fulfillment.letters import DeadLetter
from orderflow.fulfillment.model import Owner, Shipment, State
from orderflow.fulfillment.skipped_events import SkippedEvents
from orderflow.fulfillment.tables import processed_events, shipments
from orderflow.fulfillment.until_written import PAUSE_S, write_blocking
from orderflow.messaging import BusUnavailable, Consumer, Record
from orderflow.runtime.crashpoints import crash_point
from orderflow.runtime.health import Health
from orderflow.runtime.loop import ThreadLoop
from orderflow.runtime.telemetry import tracing

log = structlog.get_logger()

C = TypeVar("C")

POLL_RECORDS_MAX = 500
POLL_RECORDS_FIRST = 50
POLL_BYTES_MAX = 16 * 1024 * 1024
"""About the most that one poll takes: after large records, the next poll asks for fewer."""
POLL_TIMEOUT_S = 0.5
CONFLICTING_EVENT = "conflicting-event"

LOOP = "inbox"


class Received(Enum):
    OURS = "to be worked on by its owner now"
    STORED = "there, for whoever takes it"
    REUSED = "there, for whoever takes it, though another order had an event of this id"
    CONFLICTING = "the order has a shipment already, with other content"


def receive(tx: Transaction, commands: Sequence[Receive]) -> list[Received]:
    """Insert shipments and their events' ids.

    An event is dropped as a repeat only if its shipment's row exists. An order is shipped with the content
    that arrived first. An event with the id of another order's event is no repeat: its order is shipped, too.
    """
    # If the row exists, still names the command's owner and is still `received`, that owner works on it.
    first: dict[str, Receive] = {}
    for command in commands:
        first.setdefault(command.shipment.order_id, command)
    inserted = tx.write(_INSERT, [_row(first[order_id]) for order_id in sorted(first)])
    new = sorted(order_id for (order_id,) in inserted)
    there = _there(tx, first.keys() - set(new))
    if new:
        events = {first[order_id].event_id: first[order_id] for order_id in new}
        rows = [_event(events[event_id]) for event_id in sorted(events)]
        written = tx.write(_INSERT_EVENTS, rows)
        doubted = [] if len(written) == len(new) else new
    else:
        doubted = []
    reused = _reused(tx, [first[order_id] for order_id in (*doubted, *there)])
    if unheld := reused.intersection(new):
        theirs = shipments.c.order_id.in_(sorted(unheld))
        tx.connection.execute(sa.update(shipments).where(theirs).values(worker_id=None, epoch=None))
    results: list[Received] = []
    for command in commands:
        shipment = command.shipment
        found = there.get(shipment.order_id)
        known = first[shipment.order_id].shipment.request if found is None else found.request
        ours = found is None or (
            found.state == State.RECEIVED and Owner(found.worker_id, found.epoch) == shipment.owner
        )
        if not is_same_request(known, shipment.request):
            results.append(Received.CONFLICTING)
        elif shipment.order_id in reused:
            results.append(Received.REUSED)
        elif ours and shipment.owner.epoch > 0 and first[shipment.order_id] is command:
            results.append(Received.OURS)
        else:
            results.append(Received.STORED)
    return results


def _reused(tx: Transaction, commands: Sequence[Receive]) -> set[str]:
    """The orders whose events have the id of another order's event."""
    if not commands:
        return set()
    c = processed_events.c
    event_ids = sorted({command.event_id for command in commands})
    known = tx.connection.execute(sa.select(c.event_id, c.order_id).where(c.event_id.in_(event_ids)))
    order_of = {found.event_id: found.order_id for found in known}
    orders = [(command.shipment.order_id, command.event_id) for command in commands]
    return {order_id for order_id, event_id in orders if order_of.get(event_id, order_id) != order_id}


def _there(tx: Transaction, order_ids: set[str]) -> dict[str, Any]:
    """The rows of shipments that existed before."""
    if not order_ids:
        return {}
    rows = tx.connection.execute(
        sa.select(
            shipments.c.order_id,
            shipments.c.state,
            shipments.c.worker_id,
            shipments.c.epoch,
            shipments.c.request,
        ).where(shipments.c.order_id.in_(sorted(order_ids)))
    )
    return {row.order_id: row for row in rows}


_COLUMNS = (
    "order_id",
    "event_id",
    "correlation_id",
    "traceparent",
    "ordered_at",
    "received_at",
    "request",
    "amount_minor",
    "currency",
    "worker_id",
    "epoch",
    "state",
    "attempts",
    "waits",
    "interruptions",
)
_INSERT = bulk.InsertAbsent(shipments, _COLUMNS, {"due_at_ms": now_ms()})


def _row(command: Receive) -> tuple[object, ...]:
    shipment = command.shipment
    owned = shipment.owner.epoch > 0
    return (
        shipment.order_id,
        command.event_id,
        shipment.correlation_id,
        shipment.traceparent,
        shipment.ordered_at,
        shipment.received_at,
        shipment.request.decode(),
        shipment.amount_minor,
        shipment.currency,
        shipment.owner.worker_id if owned else None,
        shipment.owner.epoch if owned else None,
        State.RECEIVED.value,
        0,
        0,
        0,
    )


_INSERT_EVENTS = bulk.InsertAbsent(processed_events, ("event_id", "order_id", "at"))


def _event(command: Receive) -> tuple[object, ...]:
    return (command.event_id, command.shipment.order_id, command.shipment.received_at)


class Inbox:
    """One thread between the event log and the database; it alone uses the consumer, and closes it.

    `clock` stamps what was received.
    """

    def __init__(
        self,
        consumer: Consumer,
        writer: GroupCommit,
        capacity: Capacity,
        health: Health,
        *,
        lease: Lease,
        flow: Flow,
        clock: Callable[[], datetime],
    ) -> None:
        self._consumer = consumer
        self._writer = writer
        self._capacity = capacity
        self._health = health
        self._lease = lease
        self._flow = flow
        self._clock = clock
        self.skipped = SkippedEvents()
        self._records_max = POLL_RECORDS_FIRST
        self.loop = ThreadLoop(LOOP, self.run_once, health=health, pause_s=lambda: 0.0, finish=consumer.close)
        self._uncommitted: dict[int, Record] = {}
        """The last stored record of each partition whose commit has not succeeded yet."""

    def run_once(self) -> int:
        """Bring one batch from the log to the database and return the number of records stored.

        Raises BusMisconfigured, and any error which shows that no event at all can be stored.
        """
        try:
            records = self._consumer.poll(self._records_max, POLL_TIMEOUT_S)
        except BusUnavailable as error:
            self._health.trouble("event-log", str(error))
            self.loop.sleep(PAUSE_S)
            return 0
        if records:
            self._records_max = _next_poll(records, 2 * self._records_max)
            crash_point("inbox.polled")
            began_ns = tracing.now_ns()
            if not self._store(records):
                return 0
            traces.taken(records, began_ns)
            crash_point("inbox.stored")
        self._uncommitted.update((record.partition, record) for record in records)
        self._commit_offsets()
        return len(records)

    def _commit_offsets(self) -> None:
        try:
            if self._uncommitted:
                self._consumer.commit(list(self._uncommitted.values()))
        except BusUnavailable as error:
            self._health.trouble("event-log", str(error))
            self.loop.sleep(PAUSE_S)
            return
        self._uncommitted.clear()
        if (trouble := self._consumer.state().trouble) is None:
            self._health.recovered("event-log")
        else:
            self._health.trouble("event-log", trouble)

    def _store(self, records: Sequence[Record]) -> bool:
        """False if the worker was stopped before the database took everything: it will be delivered again."""
        now = self._clock()
        owner = self._lease.owner
        wanted = 0 if self._capacity.backlog or owner.epoch == 0 else len(records)
        reserved = self._capacity.reserve(wanted)
        nobody = Owner(owner.worker_id, 0)
        received: list[tuple[Record, Receive]] = []
        requests: list[Cancel | LookAgain] = []
        letters: list[DeadLetter] = []
        for record in records:
            try:
                decoded = _decode(record, owner if len(received) < reserved else nobody, now)
            except UnknownType as error:
                self.skipped.add(error.event_type)
                continue
            if isinstance(decoded, DeadLetter):
                letters.append(decoded)
            elif isinstance(decoded, (Cancel, LookAgain)):
                requests.append(decoded)
            else:
                received.append((record, decoded))
        if len(received) > reserved:
            self._capacity.backlog = True
        taken: list[Shipment] = []
        try:
            return (
                self._write_received(received, taken, letters, now)
                and self._write_all(cancellation.request, requests)
                and self._write_letters(letters)
            )
        finally:
            self._flow.hand_over(taken, reserved)
            self._flow.turn_back({request.order_id for request in requests if isinstance(request, Cancel)})

    def _write_received(
        self,
        received: Sequence[tuple[Record, Receive]],
        taken: list[Shipment],
        letters: list[DeadLetter],
        now: datetime,
    ) -> bool:
        """Adds to `taken` the shipments to work on now, and to `letters` those that conflict with an earlier
        event or that the database will never take. False if the worker was stopped first."""
        commands = [command for _, command in received]
        outcomes = write_blocking(self._writer, receive, commands, wait=self._wait_for_database)
        if outcomes is None:
            return False
        for (record, command), outcome in zip(received, outcomes, strict=True):
            if outcome is Received.OURS:
                taken.append(command.shipment)
            elif outcome in _EVIDENCE:
                letters.append(_conflicting(record, command, _EVIDENCE[outcome]))
            elif isinstance(outcome, NotWritten):
                letter = dead_letters.of_record(
                    record,
                    kind="unstorable",
                    reason=reason(outcome.cause),
                    order_id=command.shipment.order_id,
                    at=now,
                )
                letters.append(letter)
        return True

    def _write_letters(self, letters: Sequence[DeadLetter]) -> bool:
        for letter in letters:
            log.warning(
                "event.dead_letter", kind=letter.kind, reason=letter.reason, **dead_letters.ids_of(letter)
            )
        return self._write_all(dead_letters.insert, letters)

    def _write_all(self, use_case: UseCase[C, None], commands: Sequence[C]) -> bool:
        """False if the worker was stopped first."""
        outcomes = write_blocking(self._writer, use_case, commands, wait=self._wait_for_database)
        for outcome in outcomes or ():
            if isinstance(outcome, NotWritten):
                raise outcome.cause  # never dropped: the record is delivered again after a restart
        return outcomes is not None

    def _wait_for_database(self) -> bool:
        self._health.trouble("database", "the inbox cannot write")
        return not self.loop.sleep(PAUSE_S)


def _next_poll(records: Sequence[Record], records_max: int) -> int:
    """How many records to ask for next: as many of this size as fit into a poll, within the other bounds."""
    fitting = len(records) * POLL_BYTES_MAX // max(1, sum([len(record.value or b"") for record in records]))
    return max(1, min(fitting, records_max, POLL_RECORDS_MAX))


def _decode(record: Record, owner: Owner, now: datetime) -> Command | DeadLetter:
    """Raises UnknownType."""
    try:
        return received(record.value, record.headers, owner, now)
    except UnknownType:
        raise
    except InvalidEvent as error:
        order_id = error.order_id or _order_id_in(record.key)
        return dead_letters.of_record(record, kind=error.kind, reason=str(error), order_id=order_id, at=now)


_EVIDENCE: dict[object, str] = {
    Received.CONFLICTING: "the order has a shipment from an earlier event with other items or address",
    Received.REUSED: "another order had an event of this id before; this order is shipped all the same",
}


def _conflicting(record: Record, command: Receive, reason: str) -> DeadLetter:
    """A dead letter as evidence only: nothing is wrong with the order, so it does not ask for a person."""
    return dead_letters.of_record(
        record,
        kind=CONFLICTING_EVENT,
        reason=reason,
        order_id=command.shipment.order_id,
        at=command.shipment.received_at,
        attention=False,
    )


def _order_id_in(key: bytes | None) -> str | None:
    return readable_order_id(key.decode("ascii", "replace")) if key else None
