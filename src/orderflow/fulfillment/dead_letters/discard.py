"""Discards a dead letter: whatever the carrier may have made for it is voided, and its order ends Failed.

The letter becomes `discarding` before the carrier is asked, so that nobody redrives it meanwhile: the carrier
answers a repeated key with the voided shipment, which must never count as shipped. A shipment that the Order
Service shows to the customer already is not voided.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from orderflow.database.dialects import insert_absent, locked, now_ms
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import attentions
from orderflow.fulfillment.claims import shipment_of
from orderflow.fulfillment.dead_letters.redrive import lock
from orderflow.fulfillment.decisions import UNKNOWN_ORDER
from orderflow.fulfillment.letters import Action, LetterState, record
from orderflow.fulfillment.model import (
    ERROR_CHARS_MAX,
    NOBODY,
    GiveUp,
    Shipment,
    State,
    Step,
    TurnBack,
    Undone,
    clean,
)
from orderflow.fulfillment.moves import saga_values
from orderflow.fulfillment.saga import holds_stock, moved
from orderflow.fulfillment.stock.reservations import Consume, Release, consume, release
from orderflow.fulfillment.tables import dead_letters as letters
from orderflow.fulfillment.tables import shipments

_NO_ORDER_TO_FAIL = ("status-conflict", UNKNOWN_ORDER)
"""Kinds of parked shipments whose order has ended already, or never existed."""
_ORDERS_EVENT = ("undecodable", "newer-schema", "contract-violation", "unstorable")
"""Kinds of events that may have been the order's only one."""


class Discarded(Enum):
    DONE = "discarded"
    NOT_OPEN = "not open"
    UNKNOWN = "unknown"
    NO_VOID = "the void was not obtained"


@dataclass(frozen=True, slots=True)
class Begin:
    """`token` tells this attempt from others to discard the same letter."""

    letter_id: str
    token: str

    @property
    def rows(self) -> int:
        return 2


@dataclass(frozen=True, slots=True)
class Begun:
    """`called`: the shipment, if a carrier was ever called for it. `tried_before`: another attempt had begun
    before."""

    called: Shipment | None
    tried_before: bool


def begin(tx: Transaction, commands: Sequence[Begin]) -> list[Begun | tuple[Discarded, str]]:
    """Mark the letters as `discarding`, so that nothing else is done with them from now on."""
    return [_begin(tx, command) for command in commands]


def _begin(tx: Transaction, command: Begin) -> Begun | tuple[Discarded, str]:
    letter = lock(tx, command.letter_id)
    if letter is None:
        return Discarded.UNKNOWN, "There is no such dead letter."
    if letter["state"] == LetterState.DISCARDED:
        return Discarded.DONE, ""
    if letter["state"] not in (LetterState.OPEN, LetterState.DISCARDING):
        return Discarded.NOT_OPEN, f"The dead letter is {letter['state']}."
    shipment = None if letter["topic"] is not None else _parked(tx, letter["order_id"])
    if letter["topic"] is None and shipment is None:
        return Discarded.NOT_OPEN, "Its shipment is not parked any more."
    tx.connection.execute(
        sa.update(letters)
        .where(letters.c.id == command.letter_id)
        .values(state=LetterState.DISCARDING, redrive_id=command.token)
    )
    tried_before = letter["state"] == LetterState.DISCARDING and not (
        tx.may_be_committed and letter["redrive_id"] == command.token
    )
    if shipment is None or shipment.step is not Step.SHIP or not shipment.may_be_done:
        return Begun(None, tried_before)
    return Begun(shipment, tried_before)


def _parked(tx: Transaction, order_id: str) -> Shipment | None:
    c = shipments.c
    wanted = sa.select(shipments).where(c.order_id == order_id, c.state == State.PARKED)
    found = tx.connection.execute(locked(wanted, shipments)).mappings().first()
    return None if found is None else shipment_of(found, NOBODY)


@dataclass(frozen=True, slots=True)
class Refuse:
    """`reopen`: the carrier has certainly voided nothing, so anything may still be done with the letter."""

    letter_id: str
    token: str
    actor: str
    reason: str
    reopen: bool
    at: datetime

    @property
    def rows(self) -> int:
        return 2


def refuse(tx: Transaction, commands: Sequence[Refuse]) -> list[None]:
    """Record that the discard was not possible. A letter is not reopened if another attempt has begun
    since."""
    for command in commands:
        if command.reopen:
            tx.connection.execute(
                sa.update(letters)
                .where(
                    letters.c.id == command.letter_id,
                    letters.c.state == LetterState.DISCARDING,
                    letters.c.redrive_id == command.token,
                )
                .values(state=LetterState.OPEN)
            )
        record(
            tx,
            command.letter_id,
            Action.DISCARD_REFUSED,
            actor=command.actor,
            note=command.reason,
            at=command.at,
        )
    return [None] * len(commands)


@dataclass(frozen=True, slots=True)
class End:
    letter_id: str
    actor: str
    reason: str
    at: datetime

    @property
    def rows(self) -> int:
        return 4


def end(tx: Transaction, commands: Sequence[End]) -> list[bool]:
    """Close the letters and let their orders fail: nothing is left at the carrier. False for a letter that
    somebody else has closed."""
    return [_end(tx, command) for command in commands]


def _end(tx: Transaction, command: End) -> bool:
    letter = lock(tx, command.letter_id)
    if letter is None or letter["state"] != LetterState.DISCARDING:
        return False
    tx.connection.execute(
        sa.update(letters)
        .where(letters.c.id == command.letter_id)
        .values(state=LetterState.DISCARDED, outcome=_note(command))
    )
    record(
        tx,
        command.letter_id,
        Action.DISCARD,
        actor=command.actor,
        note=command.reason,
        at=command.at,
    )
    if letter["topic"] is None:
        _fail_parked(tx, letter, command)
    elif letter["order_id"] is not None:
        _fail_without_shipment(tx, letter, command)
    return True


def _note(command: End) -> str:
    return clean(f"discarded: {command.reason}", ERROR_CHARS_MAX)


def _fail_parked(tx: Transaction, letter: RowMapping, command: End) -> None:
    order_id: str = letter["order_id"]
    shipment = _parked(tx, order_id)
    if shipment is None:
        return
    attentions.forget(tx, order_id)
    values: dict[str, object] = {"parked_kind": None, "note": _note(command)}
    if letter["kind"] in _NO_ORDER_TO_FAIL and shipment.done_step(Step.AUTHORIZE) is None:
        left = replace(shipment, state=State.CLOSED, label=None, error=command.reason, waits=0)
        release(tx, [Release(order_id, shipment.traceparent)])
        if letter["kind"] != UNKNOWN_ORDER:
            attentions.clear(tx, order_id)
    else:
        left = _given_up(shipment, command)
        if holds_stock(shipment) and not holds_stock(left):
            release(tx, [Release(order_id, shipment.traceparent)])
        values["due_at_ms"] = now_ms()
    if left.state is State.CLOSED:
        if left.step is Step.CAPTURE:  # it has shipped, though nobody may have called for the payment
            consume(tx, [Consume(order_id, shipment.traceparent)])
            attentions.clear(tx, order_id)
        values |= {"due_at_ms": None, "closed_at": command.at}
    changed = sa.update(shipments).where(shipments.c.order_id == order_id)
    tx.connection.execute(changed.values(saga_values(left) | values))


def _given_up(shipment: Shipment, command: End) -> Shipment:
    """What is left to do: whatever else was done for the order is undone, and it fails. If it has shipped, or
    was being undone already, nobody tries the present step any more."""
    if shipment.step is Step.STOCK:  # all is undone, and only its outcome could not be reported
        return replace(shipment, state=State.REJECTED, error=command.reason, waits=0)
    if shipment.undoing and shipment.step is Step.SHIP:  # the void was obtained
        return moved(shipment, Undone(), command.at)
    if shipment.undoing or shipment.step is Step.CAPTURE:
        return moved(shipment, GiveUp(_note(command)), command.at)
    if not shipment.may_be_done and not shipment.ended:
        # The gate may be shut: then the Order Service must acknowledge Processing first.
        return replace(shipment, state=State.RECEIVED, error=command.reason, waits=0)
    is_void = shipment.step is Step.SHIP
    turn = TurnBack(command.reason, rejected=is_void)
    return moved(replace(shipment, label=None), turn, command.at)


def _fail_without_shipment(tx: Transaction, letter: RowMapping, command: End) -> None:
    """Give the order whose event cannot be read a shipment which never ships, and which makes it fail."""
    order_id: str = letter["order_id"]
    found = tx.connection.execute(
        sa.select(shipments.c.state).where(shipments.c.order_id == order_id)
    ).first()
    if found is not None or letter["kind"] not in _ORDERS_EVENT:
        if found is None or found.state != State.PARKED:
            attentions.clear(tx, order_id)
        return
    attentions.forget(tx, order_id)
    values = {
        "order_id": order_id,
        "event_id": letter["id"],
        "correlation_id": order_id,
        "ordered_at": letter["at"],
        "received_at": command.at,
        "request": b"",
        "state": State.RECEIVED,
        "attempts": 0,
        "waits": 0,
        "interruptions": 0,
        "error": command.reason,
        "note": _note(command),
        "due_at_ms": now_ms(),
    }
    insert_absent(tx.connection, shipments, values)
