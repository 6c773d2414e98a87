"""What the Order Service asks for while an order is being shipped: cancel it, or look at it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from orderflow.database.dialects import ids_parameter, locked, now_ms, one_of
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.model import Owner, State
from orderflow.fulfillment.tables import shipments

row = shipments.c


@dataclass(frozen=True, slots=True)
class Cancel:
    """The order is Cancelling: turn back, unless it has shipped. `by` is the worker that asks."""

    order_id: str
    by: Owner
    at: datetime


@dataclass(frozen=True, slots=True)
class LookAgain:
    """The order was released from its hold, or cancelled before it was begun: ask the Order Service now."""

    order_id: str


def request(tx: Transaction, commands: Sequence[Cancel | LookAgain]) -> list[None]:
    """Mark the shipments of orders that are to be cancelled, and make due what waits.

    A shipment whose present step has not begun is taken from its owner, unless that is the worker that asks:
    so it turns back at once, even while its party is down. One whose intent is durable stays with its owner:
    the next write of its row sees the mark. An order without a shipment needs nothing: its gate will not
    open.
    """
    cancelled = {command.order_id: command for command in commands if isinstance(command, Cancel)}
    order_ids = sorted({command.order_id for command in commands})
    found = tx.connection.execute(_LOCKED, ids_parameter(order_ids)).all()
    for shipment in found:
        values: dict[str, Any] = {}
        cancel = cancelled.get(shipment.order_id)
        begun = shipment.state not in (State.RECEIVED, State.READY) or shipment.intent_at is not None
        if cancel is not None and shipment.cancel_requested_at is None:
            values["cancel_requested_at"] = cancel.at
            theirs = Owner(shipment.worker_id, shipment.epoch) != cancel.by
            if theirs and not begun and shipment.direction == "do":
                values |= {"worker_id": None, "epoch": None, "due_at_ms": now_ms()}
        if shipment.worker_id is None and shipment.state in (State.RECEIVED, State.READY):
            values["due_at_ms"] = now_ms()
        if values:
            update = sa.update(shipments).where(row.order_id == shipment.order_id)
            tx.connection.execute(update.values(values))
    return [None] * len(commands)


_LOCKED = locked(
    sa.select(
        row.order_id,
        row.state,
        row.direction,
        row.intent_at,
        row.worker_id,
        row.epoch,
        row.cancel_requested_at,
    )
    .where(one_of(row.order_id, "ids"), row.state.not_in((State.CLOSED,)))
    .order_by(row.order_id),
    shipments,
)
