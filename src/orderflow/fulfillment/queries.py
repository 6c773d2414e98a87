"""What the Fulfillment Service shows: plain SELECTs into the documents of its HTTP API.

No customer, no address and no event bytes leave here: they may hold personal data.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from orderflow.fulfillment.model import State
from orderflow.fulfillment.tables import dead_letters, shipments

Document = dict[str, Any]

_SHIPMENT = tuple(column for column in shipments.c if column.name != "request")
_LETTER = tuple(column for column in dead_letters.c if column.name not in ("key", "value", "headers"))


def ping(connection: Connection) -> None:
    connection.execute(sa.select(sa.literal(1)))


def get_shipment(connection: Connection, order_id: str) -> Document | None:
    found = (
        connection.execute(sa.select(*_SHIPMENT).where(shipments.c.order_id == order_id)).mappings().first()
    )
    return None if found is None else _shipment(found)


def list_shipments(connection: Connection, *, state: State | None, limit: int, after: str) -> Document:
    """Shipments by order id, those after the given one; `nextCursor` is null at the end."""
    c = shipments.c
    wanted = sa.select(*_SHIPMENT).where(c.order_id > after).order_by(c.order_id).limit(limit + 1)
    if state is not None:
        wanted = wanted.where(c.state == state)
        # These say the same once more, so that a partial index answers for what is rare.
        if state is State.PARKED:
            wanted = wanted.where(c.parked_kind.is_not(None))
        elif state is not State.CLOSED:
            wanted = wanted.where(c.due_at_ms.is_not(None))
    rows = connection.execute(wanted).mappings().all()
    return _page([_shipment(found) for found in rows], limit, "orderId")


def list_dead_letters(connection: Connection, *, limit: int, after: str) -> Document:
    """Dead letters by id, those after the given one; `nextCursor` is null at the end."""
    wanted = sa.select(*_LETTER).where(dead_letters.c.id > after).order_by(dead_letters.c.id).limit(limit + 1)
    rows = connection.execute(wanted).mappings().all()
    return _page([_letter(found) for found in rows], limit, "id")


def _page(items: list[Document], limit: int, key: str) -> Document:
    more = len(items) > limit
    return {"items": items[:limit], "nextCursor": items[limit - 1][key] if more else None}


def _shipment(found: RowMapping) -> Document:
    label = None
    if found["shipment_id"] is not None:
        label = {
            "shipmentId": found["shipment_id"],
            "carrier": found["carrier"],
            "trackingNumber": found["tracking_number"],
            "shippedAt": found["shipped_at"],
        }
    return {
        "orderId": found["order_id"],
        "state": found["state"],
        "attempts": found["attempts"],
        "waits": found["waits"],
        "interruptions": found["interruptions"],
        "dueAt": _time(found["due_at_ms"]),
        "workerId": found["worker_id"],
        "epoch": found["epoch"],
        "label": label,
        "error": found["error"],
        "note": found["note"],
        "parked": found["parked_kind"],
        "eventId": found["event_id"],
        "correlationId": found["correlation_id"],
        "orderedAt": found["ordered_at"],
        "receivedAt": found["received_at"],
        "intentAt": found["intent_at"],
        "closedAt": found["closed_at"],
    }


def _letter(found: RowMapping) -> Document:
    return {
        "id": found["id"],
        "kind": found["kind"],
        "reason": found["reason"],
        "orderId": found["order_id"],
        "topic": found["topic"],
        "partition": found["partition"],
        "offset": found["offset"],
        "attempts": found["attempts"],
        "state": found["state"],
        "published": found["copy_due_ms"] is None,
        "at": found["at"],
    }


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
