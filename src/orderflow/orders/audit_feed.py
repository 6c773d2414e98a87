"""The feed for `orderflow audit`: what this service knows of every order, by order id."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from orderflow.contracts.instants import utc_text
from orderflow.contracts.pages import page_of
from orderflow.database.dialects import ids_parameter, one_of
from orderflow.orders.tables import order_items, orders, outbox

Document = dict[str, Any]


def audited_orders(
    connection: Connection, *, limit: int, after: str | None = None, order_ids: Sequence[str] = ()
) -> bytes:
    """A page of orders as JSON (contract: AuditedOrders): those after the given id, or only those named."""
    wanted = _ORDERS.limit(limit + 1)
    if after is not None:
        wanted = wanted.where(orders.c.order_id > after)
    if order_ids:
        wanted = wanted.where(orders.c.order_id.in_(order_ids))
    rows = connection.execute(wanted).mappings().all()
    ids = ids_parameter([row["order_id"] for row in rows[:limit]])
    costs = dict(connection.execute(_COSTS, ids).all())
    events = {
        order_id: list(of_order)
        for order_id, of_order in groupby(connection.execute(_EVENTS, ids).mappings(), itemgetter("order_id"))
    }
    return page_of(
        rows,
        lambda row: _document(row, costs.get(row["order_id"]), events.get(row["order_id"], ())),
        itemgetter("order_id"),
        limit,
    )


_ORDERS = sa.select(
    orders.c.order_id,
    orders.c.status,
    orders.c.version,
    orders.c.created_at,
    orders.c.updated_at,
    orders.c.attention_kind,
    orders.c.tracking_number,
    orders.c.currency,
).order_by(orders.c.order_id)
_COSTS = (
    sa.select(order_items.c.order_id, sa.func.sum(order_items.c.quantity * order_items.c.unit_price_minor))
    .where(one_of(order_items.c.order_id, "ids"))
    .group_by(order_items.c.order_id)
)
_EVENTS = (
    sa.select(
        outbox.c.order_id,
        outbox.c.created_at,
        outbox.c.published_at,
        outbox.c.parked_reason,
        outbox.c.re_emissions,
    )
    .where(one_of(outbox.c.order_id, "ids"))
    .order_by(outbox.c.order_id, outbox.c.order_version)
)


def _document(row: RowMapping, cost: Any, events: Sequence[Mapping[Any, Any]]) -> Document:
    waiting = [event for event in events if event["published_at"] is None]
    parked = [event for event in waiting if event["parked_reason"] is not None]
    # An event that the reconciler sends again was published before.
    fresh = [event["created_at"] for event in waiting if not event["re_emissions"] and event not in parked]
    published = [event["published_at"] for event in events if event["published_at"] is not None]
    return {
        "orderId": row["order_id"],
        "status": row["status"],
        "version": row["version"],
        "createdAt": utc_text(row["created_at"]),
        "updatedAt": utc_text(row["updated_at"]),
        "attention": row["attention_kind"],
        "trackingNumber": row["tracking_number"],
        "amountMinor": None if cost is None else int(cost),
        "currency": row["currency"],
        "events": len(events),
        "unpublished": len(waiting),
        "unpublishedSince": utc_text(min(fresh)) if fresh else None,
        "parked": bool(parked),
        "publishedAt": utc_text(max(published)) if published else None,
    }
