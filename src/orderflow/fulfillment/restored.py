"""What fulfillment still knows, and takes back, after one of the databases was restored from a backup."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.dialects import ids_parameter, one_of
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import lease
from orderflow.fulfillment.cancellation import Cancel, request
from orderflow.fulfillment.decisions import UNKNOWN_ORDER
from orderflow.fulfillment.event_handlers import Receive, received
from orderflow.fulfillment.inbox import receive
from orderflow.fulfillment.letters import LetterState
from orderflow.fulfillment.model import NOBODY, State, Step
from orderflow.fulfillment.stock.reservations import Consume, consume
from orderflow.fulfillment.tables import dead_letters, shipments, workers


def is_worked_on(connection: Connection) -> bool:
    """Whether a worker has a live lease."""
    return connection.execute(_LIVE).first() is not None


_LIVE = sa.select(workers.c.worker_id).where(lease.has_not_ended()).limit(1)


class Outcome(NamedTuple):
    """How far a shipment has come. `is_begun`: the Order Service had acknowledged Processing. `status` is the
    status that it has reported as the last one, if any; carrier, tracking number and the time are those of
    Shipped, `error` is that of Failed. `parked` and `note` are why a person must look."""

    is_begun: bool
    status: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    shipped_at: datetime | None = None
    error: str | None = None
    parked: str | None = None
    note: str | None = None


def outcomes(connection: Connection, order_ids: Sequence[str]) -> dict[str, Outcome]:
    """What is known of these orders, by id."""
    rows = connection.execute(_SHIPMENTS, ids_parameter(order_ids))
    return {row.order_id: _outcome(row) for row in rows}


_SHIPMENTS = sa.select(shipments).where(one_of(shipments.c.order_id, "ids"))


def _outcome(row: sa.Row[tuple[object, ...]]) -> Outcome:
    is_begun = row.state not in (State.RECEIVED, State.CLOSED) and (
        row.state != State.PARKED or row.attempts > 0 or row.shipment_id is not None
    )
    is_parked = row.state == State.PARKED and row.parked_kind != UNKNOWN_ORDER
    parked, note = (row.parked_kind, row.note) if is_parked else (None, None)
    if row.shipment_id is not None and row.direction == "do" and (not is_parked or row.step == Step.CAPTURE):
        reported = "Shipped" if row.state == State.CLOSED or row.step == Step.CAPTURE else None
        label = (row.carrier, row.tracking_number, row.shipped_at)
        return Outcome(True, reported, *label, parked=parked, note=note)
    if is_parked:
        return Outcome(is_begun, parked=parked, note=note)
    if row.state == State.CLOSED and row.direction == "undo":
        return Outcome(True, "Cancelled" if row.error is None else "Failed", error=row.error)
    return Outcome(is_begun)


NOTE = "it had shipped before the database was restored; what it was paid with, nobody here knows"


class Shipped(NamedTuple):
    """An order that has shipped, with its event and with what it has shipped."""

    order_id: str
    event: bytes
    traceparent: str | None
    carrier: str | None
    tracking_number: str | None
    shipped_at: datetime | None


def take_back(tx: Transaction, orders: Sequence[Shipped], at: datetime) -> int:
    """Close the shipments of these orders that were lost, had not begun or were parked; nobody calls a party
    for them any more, and what was reserved for them has left. Returns their number."""
    commands: list[Receive] = []
    for order in orders:
        headers = (("traceparent", order.traceparent.encode()),) if order.traceparent else ()
        command = received(order.event, headers, NOBODY, at)
        if isinstance(command, Receive):
            commands.append(command)
    receive(tx, commands)
    parked = list(tx.connection.scalars(_PARKED, ids_parameter([order.order_id for order in orders])))
    closed: list[str] = []
    for order in orders:
        given = {
            "state": State.CLOSED.value,
            "due_at_ms": None,
            "worker_id": None,
            "epoch": None,
            "shipment_id": order.tracking_number,
            "carrier": order.carrier,
            "tracking_number": order.tracking_number,
            "shipped_at": order.shipped_at,
            "closed_at": at,
            "note": NOTE,
            "parked_kind": None,
        }
        here = sa.and_(shipments.c.order_id == order.order_id, _NOT_SHIPPED)
        if tx.connection.execute(sa.update(shipments).where(here).values(given)).rowcount:
            closed.append(order.order_id)
    consume(tx, [Consume(order_id) for order_id in closed])
    tx.connection.execute(_REDRIVEN, ids_parameter(parked))
    return len(closed)


_NOT_SHIPPED = sa.and_(
    shipments.c.state.in_([State.RECEIVED.value, State.PARKED.value]), shipments.c.shipment_id.is_(None)
)
_PARKED = sa.select(shipments.c.order_id).where(
    one_of(shipments.c.order_id, "ids"),
    shipments.c.state == State.PARKED.value,
    shipments.c.shipment_id.is_(None),
)
_REDRIVEN = (
    sa.update(dead_letters)
    .where(
        one_of(dead_letters.c.order_id, "ids"),
        dead_letters.c.topic.is_(None),
        dead_letters.c.state == LetterState.OPEN,
    )
    .values(state=LetterState.REDRIVEN)
)
"""As their orders have shipped, they were redriven since; workers then note what became of them."""


def turn_back(tx: Transaction, order_ids: Sequence[str], at: datetime) -> int:
    """Have the shipments of these orders, which have failed or were cancelled, undone as far as they were
    begun: no party is called to go on with them. Returns their number."""
    begun = list(tx.connection.scalars(_BEGUN, ids_parameter(order_ids)))
    request(tx, [Cancel(order_id, NOBODY, at) for order_id in begun])
    return len(begun)


_BEGUN = sa.select(shipments.c.order_id).where(
    one_of(shipments.c.order_id, "ids"),
    shipments.c.state.in_([State.READY.value, State.CALLING.value, State.PARKED.value]),
    shipments.c.direction == "do",
    shipments.c.shipment_id.is_(None),
    shipments.c.cancel_requested_at.is_(None),
)
