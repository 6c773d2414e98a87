"""The feeds for `orderflow audit`: what this service knows of every order, by order id, and of its stock."""

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from orderflow.contracts.pages import encode_text_cursor, page_of
from orderflow.database.dialects import ids_parameter, now_ms, one_of
from orderflow.fulfillment import lease
from orderflow.fulfillment.model import decode_ended
from orderflow.fulfillment.tables import attentions, dead_letters, reservations, shipments, stock

Document = dict[str, Any]


def audited_shipments(
    connection: Connection, *, limit: int, after: str | None = None, order_ids: Sequence[str] = ()
) -> bytes:
    """A page of shipments as JSON (contract: AuditedShipments): those after the given order id, or only those
    of the orders named."""
    c = shipments.c
    wanted = _SHIPMENTS.limit(limit + 1)
    if after is not None:
        wanted = wanted.where(c.order_id > after)
    if order_ids:
        wanted = wanted.where(c.order_id.in_(order_ids))
    rows = connection.execute(wanted).mappings().all()
    ids = ids_parameter([row["order_id"] for row in rows[:limit]])
    reserved = dict(connection.execute(_RESERVED, ids).all())
    owed = set(connection.scalars(_OWED, ids))
    letters: dict[str, list[str]] = defaultdict(list)
    for order_id, state in connection.execute(_LETTERS, ids):
        letters[order_id].append(state)

    def document(row: RowMapping) -> Document:
        order_id = row["order_id"]
        return _document(row) | {
            "reserved": reserved.get(order_id, 0),
            "attentionOwed": order_id in owed,
            "letters": letters.get(order_id, []),
        }

    return page_of(rows, document, itemgetter("order_id"), limit)


_SHIPMENTS = sa.select(
    shipments.c.order_id,
    shipments.c.state,
    shipments.c.step,
    shipments.c.direction,
    shipments.c.ended,
    shipments.c.attempts,
    sa.case((lease.is_live(shipments.c.worker_id, shipments.c.epoch), 1), else_=0).label("held"),
    (shipments.c.due_at_ms - now_ms()).label("due_in_ms"),
    shipments.c.parked_kind,
    shipments.c.shipment_id,
    shipments.c.tracking_number,
    shipments.c.error,
    shipments.c.amount_minor,
    shipments.c.currency,
    shipments.c.ordered_at,
    shipments.c.received_at,
    shipments.c.closed_at,
).order_by(shipments.c.order_id)
_RESERVED = (
    sa.select(reservations.c.order_id, sa.func.count())
    .where(one_of(reservations.c.order_id, "ids"))
    .group_by(reservations.c.order_id)
)
_OWED = sa.select(attentions.c.order_id).where(one_of(attentions.c.order_id, "ids"))
_LETTERS = (
    sa.select(dead_letters.c.order_id, dead_letters.c.state)
    .where(one_of(dead_letters.c.order_id, "ids"))
    .order_by(dead_letters.c.order_id, dead_letters.c.id)
)


def _document(row: RowMapping) -> Document:
    return {
        "orderId": row["order_id"],
        "state": row["state"],
        "step": row["step"],
        "direction": row["direction"],
        "ended": {each.step.value: each.state for each in decode_ended(row["ended"])},
        "attempts": row["attempts"],
        "held": bool(row["held"]),
        "dueInMs": row["due_in_ms"],
        "parked": row["parked_kind"],
        "hasLabel": row["shipment_id"] is not None,
        "trackingNumber": row["tracking_number"],
        "isFailure": row["error"] is not None,
        "amountMinor": row["amount_minor"],
        "currency": row["currency"],
        "orderedAt": row["ordered_at"],
        "receivedAt": row["received_at"],
        "closedAt": row["closed_at"],
    }


def audited_stock(
    connection: Connection, *, limit: int, after: str | None = None, product_ids: Sequence[str] = ()
) -> bytes:
    """A page of tracked products as JSON (contract: AuditedStock), by product id: those after the given one,
    or only those named. One statement reads records and reservations, so they are of the same moment."""
    wanted = _STOCK.limit(limit + 1)
    if after is not None:
        wanted = wanted.where(stock.c.product_id > after)
    if product_ids:
        wanted = wanted.where(stock.c.product_id.in_(product_ids))
    rows = connection.execute(wanted).mappings().all()
    return page_of(rows, _product, itemgetter("product_id"), limit, encode_text_cursor)


_BY_PRODUCT = (
    sa.select(reservations.c.product_id, sa.func.sum(reservations.c.quantity).label("quantity"))
    .group_by(reservations.c.product_id)
    .subquery()
)
_STOCK = (
    sa.select(
        stock.c.product_id,
        stock.c.on_hand,
        stock.c.reserved,
        sa.func.coalesce(_BY_PRODUCT.c.quantity, 0).label("reserved_for_orders"),
    )
    .outerjoin_from(stock, _BY_PRODUCT, _BY_PRODUCT.c.product_id == stock.c.product_id)
    .order_by(stock.c.product_id)
)


def _product(row: RowMapping) -> Document:
    return {
        "productId": row["product_id"],
        "onHand": row["on_hand"],
        "reserved": row["reserved"],
        "reservedForOrders": int(row["reserved_for_orders"]),
    }
