"""Redrives a dead letter. A shipment that was given up goes on where it stopped; an event is processed again
from its original bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import RowMapping

from orderflow.contracts.order_events import InvalidEvent
from orderflow.database.dialects import Failure, classify, locked, now_ms
from orderflow.database.engine import reason
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import attentions, cancellation, lease
from orderflow.fulfillment.claims import shipment_of
from orderflow.fulfillment.decisions import party_changed
from orderflow.fulfillment.event_handlers import Receive, received
from orderflow.fulfillment.inbox import Received, receive
from orderflow.fulfillment.letters import PROGRAM, Action, LetterState, record, unpacked
from orderflow.fulfillment.model import NOBODY, State, Step
from orderflow.fulfillment.tables import dead_letters as letters
from orderflow.fulfillment.tables import shipments

log = structlog.get_logger()


class Redriven(Enum):
    BACK = "on its way"
    FAILED = "failed again at once"
    NOT_OPEN = "not open"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Redrive:
    """`redrive_id` names the group's redrive that this belongs to, if any."""

    letter_id: str
    actor: str
    at: datetime
    redrive_id: str | None = None

    @property
    def rows(self) -> int:
        return 4


def redrive(tx: Transaction, commands: Sequence[Redrive]) -> list[tuple[Redriven, str]]:
    """Redrive each letter; if that is not possible, say why."""
    # Repeating this is safe: a letter that is redriven already counts as a success.
    return [redrive_one(tx, command) for command in commands]


def redrive_one(tx: Transaction, command: Redrive) -> tuple[Redriven, str]:
    letter = lock(tx, command.letter_id)
    if letter is None:
        return Redriven.UNKNOWN, "There is no such dead letter."
    if letter["state"] == LetterState.REDRIVEN:
        return Redriven.BACK, ""
    if letter["state"] != LetterState.OPEN:
        return Redriven.NOT_OPEN, f"The dead letter is {letter['state']}."
    values: dict[str, Any] = {"redriven_at": command.at, "redrive_id": command.redrive_id}
    record(tx, command.letter_id, Action.REDRIVE, actor=command.actor, note=None, at=command.at)
    failure, order_id = _try(tx, letter, command.at)
    if failure is None:
        values |= {"state": LetterState.REDRIVEN, "order_id": order_id}
    else:
        values |= {"attempts": letters.c.attempts + 1}
        record(tx, command.letter_id, Action.FAILED_AGAIN, actor=PROGRAM, note=failure, at=command.at)
    tx.connection.execute(sa.update(letters).where(letters.c.id == command.letter_id).values(values))
    return (Redriven.BACK, "") if failure is None else (Redriven.FAILED, failure)


def lock(tx: Transaction, letter_id: str) -> RowMapping | None:
    """The letter, locked: nobody else changes it before this transaction ends. None if there is none."""
    found = tx.connection.execute(locked(sa.select(letters).where(letters.c.id == letter_id), letters))
    return found.mappings().first()


def _try(tx: Transaction, letter: RowMapping, at: datetime) -> tuple[str | None, str | None]:
    """Why the letter cannot go on (None if it can), and its order, if known. If the database will never take
    it, that is this letter's failure alone: others in the transaction go on."""
    try:
        with tx.savepoint():
            if letter["topic"] is None:
                return _put_back(tx, letter["order_id"]), letter["order_id"]
            return _process(tx, letter, at)
    except Exception as error:
        if classify(error) not in (Failure.DATA, Failure.DEFECT):
            raise
        log.warning("redrive.impossible", letter_id=letter["id"], reason=reason(error))
        return reason(error), letter["order_id"]


def _put_back(tx: Transaction, order_id: str) -> str | None:
    """The shipment goes on where it was parked, with a whole new schedule of retries. Returns why not: it is
    not parked, or there are live workers and none can ask the carrier that may have it."""
    c = shipments.c
    undoing = c.direction == "undo"
    where_it_stood = sa.case(
        (sa.and_(undoing, c.step != Step.STOCK), State.READY),
        (sa.and_(undoing, c.error.is_not(None)), State.REJECTED),
        (undoing, State.CANCELLED),
        (c.step == Step.CAPTURE, State.READY),
        (c.shipment_id.is_not(None), State.SHIPPED),
        (sa.and_(c.error.is_not(None), c.intent_at.is_not(None)), State.REJECTED),
        (sa.or_(c.intent_at.is_not(None), c.ended.is_not(None)), State.READY),
        else_=State.RECEIVED,
    )
    parked = sa.and_(c.order_id == order_id, c.state == State.PARKED)
    stood = sa.select(shipments, where_it_stood.label("stood")).where(parked)
    found = tx.connection.execute(locked(stood, shipments)).mappings().first()
    if found is not None and found["stood"] == State.READY and found["party"] is not None:
        reachable = lease.reachable_parties(tx)
        if reachable and found["party"] not in reachable:
            return party_changed(shipment_of(found, NOBODY)).note
    put = tx.connection.execute(
        sa.update(shipments)
        .where(parked)
        .values(
            state=where_it_stood,
            waits=0,
            interruptions=0,
            parked_kind=None,
            note=None,
            due_at_ms=now_ms(),
        )
        .returning(c.order_id)
    )
    if put.first() is None:
        return "its shipment is not parked"
    attentions.forget(tx, order_id)
    return None


def _process(tx: Transaction, letter: RowMapping, at: datetime) -> tuple[str | None, str | None]:
    """Why the event cannot be processed this time either (None if it can), and its order, if known."""
    try:
        command = received(letter["value"], unpacked(letter["headers"]), NOBODY, at)
    except InvalidEvent as error:
        return f"{error.kind}: {error}", letter["order_id"]
    if not isinstance(command, Receive):
        cancellation.request(tx, [command])
        return None, command.order_id
    if receive(tx, [command])[0] is Received.CONFLICTING:
        return "its order has a shipment already, with other content", letter["order_id"]
    return None, command.shipment.order_id
