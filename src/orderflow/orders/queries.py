"""Queries about orders: plain SQL in, documents of `contracts.orders_api` out."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import Connection, RowMapping

from orderflow.contracts.instants import utc_text
from orderflow.contracts.pages import PAGE_DEFAULT, fitting, page, page_of
from orderflow.database.dialects import by_another_index, ids_parameter, one_of
from orderflow.orders.counters import counted
from orderflow.orders.model import OFFERED, Status, unix_ms
from orderflow.orders.tables import idempotency_keys, order_changes, order_items, orders, outbox
from orderflow.runtime.ids import first_uuid7

PAGE_ITEMS_MAX = 10_000
"""How many items the orders on a page may have together. No single order has that many."""

BACKLOG_COUNT_MAX = 1_000_000

Document = dict[str, Any]


def get_order(connection: Connection, order_id: str, *, owner: str | None = None) -> Document | None:
    """The order, or None if there is none or, with an `owner`, if it is another customer's."""
    rows = connection.execute(_ORDERS, ids_parameter([order_id])).mappings().all()
    if not rows or owner not in (None, rows[0]["customer_id"]):
        return None
    return _documents(connection, rows)[0]


_ORDERS = sa.select(orders).where(one_of(orders.c.order_id, "ids"))


def get_created(connection: Connection, order_ids: Sequence[str]) -> dict[str, str]:
    """The answers to the creation of these orders, by order id, rendered from their immutable columns."""
    rows = connection.execute(_ORDERS, ids_parameter(order_ids)).mappings().all()
    items = _items(connection, rows)
    return {
        row["order_id"]: created_json(
            to_json(_content(row, items[row["order_id"]])).decode(),
            row["order_id"],
            utc_text(row["created_at"]),
            row["correlation_id"],
        )
        for row in rows
    }


def statuses(connection: Connection, order_ids: Sequence[str]) -> dict[str, str]:
    """The statuses by order id; unknown orders are left out."""
    return dict(connection.execute(_STATUSES, ids_parameter(order_ids)).all())


_STATUSES = sa.select(orders.c.order_id, orders.c.status).where(one_of(orders.c.order_id, "ids"))


def created_json(content: str, order_id: str, created_at: str, correlation_id: str) -> str:
    """The answer to an order's creation, the same for new and replayed orders; `content` is its customer,
    items and shipTo as a JSON object."""
    return (
        f'{content[:-1]},"orderId":"{order_id}","status":"{Status.CREATED}","version":1,"fulfillment":null,'
        f'"attention":null,"createdAt":"{created_at}","updatedAt":"{created_at}",'
        f'"correlationId":"{correlation_id}","allowedTransitions":{_CREATED_MOVES}}}'
    )


_CREATED_MOVES = json.dumps(OFFERED[Status.CREATED], separators=(",", ":"))


def list_orders(
    connection: Connection,
    *,
    statuses: Sequence[str] = (),
    customer_id: str | None = None,
    owner: str | None = None,
    product_id: str | None = None,
    tracking_number: str | None = None,
    idempotency_key: str | None = None,
    keys_of: str | None = None,
    attention: bool | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    limit: int = PAGE_DEFAULT,
    before: str | None = None,
) -> bytes:
    """A page as JSON, newest first.

    The key is the order id, whose first bits are the creation time. So new orders appear before the first
    page and never shift a later one. `created_to` is exclusive. With an `owner`, no orders of other customers
    are on it. An idempotency key is looked for among those of the caller `keys_of`, or of all callers. A page
    ends early if its orders have many items or bytes.
    """
    # An index of the items lists the orders of a product in the same order as the page does.
    key = orders.c.order_id if product_id is None else order_items.c.order_id
    conditions: list[sa.ColumnElement[bool]] = []
    if customer_id is not None:
        conditions.append(orders.c.customer_id == customer_id)
    if owner is not None:
        conditions.append(orders.c.customer_id == owner)
    if product_id is not None:
        conditions.append(order_items.c.product_id == product_id)
    if tracking_number is not None:
        conditions.append(orders.c.tracking_number == tracking_number)
    if idempotency_key is not None:
        conditions.append(key.in_(_placed_with(idempotency_key, keys_of)))
    if attention:
        conditions.append(orders.c.attention_kind.is_not(None))
    has_index = bool(conditions)
    if attention is False:
        conditions.append(orders.c.attention_kind.is_(None))
    if created_from is not None:
        conditions.append(key >= first_uuid7(created_from))
    if created_to is not None:
        conditions.append(key < first_uuid7(created_to))
    if before is not None:
        conditions.append(key < before)
    wanted = sa.select(key)
    if product_id is not None:
        same = order_items.c.order_id == orders.c.order_id
        wanted = wanted.join_from(order_items, orders, same).group_by(key)
    page_ids = _newest(wanted.where(*conditions), key, statuses, limit + 1, has_index=has_index)
    statement = sa.select(orders).where(orders.c.order_id.in_(page_ids)).order_by(orders.c.order_id.desc())
    rows = connection.execute(statement).mappings().all()
    items = _first_items(connection, rows[:limit])
    found = fitting(_document(row, items[row["order_id"]]) for row in rows if row["order_id"] in items)
    more = len(rows) > len(found)
    return page(found, rows[len(found) - 1]["order_id"] if more else None)


def _newest(
    wanted: sa.Select[tuple[str]],
    key: sa.ColumnElement[str],
    statuses: Sequence[str],
    limit: int,
    *,
    has_index: bool,
) -> sa.Select[tuple[str]]:
    """The newest of the wanted orders that have one of the statuses; all of them, if there are none.
    `has_index`: whether an index finds the orders that are wanted.

    Without one, the newest of each status are read, because an index has them in this order for one status,
    but not for several together. With one, the statement has the statuses themselves, because a plan that was
    made for any of them would be wrong for the rare ones.
    """
    if has_index or len(statuses) < 2:
        if statuses:
            column = by_another_index(orders.c.status) if has_index else orders.c.status
            written_out = sa.bindparam(
                "statuses", list(statuses), sa.String, expanding=True, literal_execute=True
            )
            wanted = wanted.where(column.in_(written_out))
        return wanted.order_by(key.desc()).limit(limit)
    each = [
        sa.select(wanted.where(orders.c.status == status).order_by(key.desc()).limit(limit).subquery())
        for status in sorted(set(statuses))
    ]
    newest = sa.union_all(*each).subquery()
    return sa.select(newest.c.order_id).order_by(newest.c.order_id.desc()).limit(limit)


def _placed_with(idempotency_key: str, caller: str | None) -> sa.Select[tuple[str]]:
    placed = sa.select(idempotency_keys.c.order_id).where(idempotency_keys.c.key == idempotency_key)
    return placed if caller is None else placed.where(idempotency_keys.c.caller == caller)


def _documents(connection: Connection, rows: Sequence[RowMapping]) -> list[Document]:
    items = _items(connection, rows)
    return [_document(row, items[row["order_id"]]) for row in rows]


def _items(connection: Connection, rows: Sequence[RowMapping]) -> dict[str, list[Document]]:
    """The items of these orders, by order id."""
    currencies = {row["order_id"]: row["currency"] for row in rows}
    items: dict[str, list[Document]] = {order_id: [] for order_id in currencies}
    found = connection.execute(_ITEMS, ids_parameter(items)).mappings() if items else ()
    for item in found:
        items[item["order_id"]].append(_item(item, currencies[item["order_id"]]))
    return items


def _first_items(connection: Connection, rows: Sequence[RowMapping]) -> dict[str, list[Document]]:
    """The items of the first orders, by order id: of as many orders as have at most PAGE_ITEMS_MAX items
    together. `rows` are in descending order of their ids."""
    items: dict[str, list[Document]] = {row["order_id"]: [] for row in rows}
    if not items:
        return items
    currencies = {row["order_id"]: row["currency"] for row in rows}
    read = 0
    order_id = rows[0]["order_id"]
    for item in connection.execute(_FIRST_ITEMS, ids_parameter(items)).mappings():
        read += 1
        order_id = item["order_id"]
        items[order_id].append(_item(item, currencies[order_id]))
    if read > PAGE_ITEMS_MAX:
        # The last order that was read may have more items, so it is left out.
        return {each: items[each] for each in items if each > order_id}
    return items


_ITEMS = (
    sa.select(order_items)
    .where(one_of(order_items.c.order_id, "ids"))
    .order_by(order_items.c.order_id, order_items.c.line)
)


_FIRST_ITEMS = (
    sa.select(order_items)
    .where(one_of(order_items.c.order_id, "ids"))
    .order_by(order_items.c.order_id.desc(), order_items.c.line)
    .limit(PAGE_ITEMS_MAX + 1)
)


def _item(row: RowMapping, currency: str | None) -> Document:
    item: Document = {"productId": row["product_id"], "quantity": row["quantity"]}
    if row["unit_price_minor"] is not None:
        item["unitPrice"] = {"amountMinor": row["unit_price_minor"], "currency": currency}
    return item


def _content(row: RowMapping, items: list[Document]) -> Document:
    content: Document = {
        "customer": {"customerId": row["customer_id"], "name": row["customer_name"]},
        "items": items,
    }
    if row["ship_to"] is not None:
        content["shipTo"] = json.loads(row["ship_to"])
    return content


def _document(row: RowMapping, items: list[Document]) -> Document:
    return {
        **_content(row, items),
        "orderId": row["order_id"],
        "status": row["status"],
        "version": row["version"],
        "fulfillment": _fulfillment(row),
        "attention": _attention(row),
        "createdAt": utc_text(row["created_at"]),
        "updatedAt": utc_text(row["updated_at"]),
        "correlationId": row["correlation_id"],
        "allowedTransitions": OFFERED[Status(row["status"])],
    }


def _fulfillment(row: RowMapping) -> Document | None:
    values: Document = {
        "carrier": row["carrier"],
        "trackingNumber": row["tracking_number"],
        "shippedAt": utc_text(row["shipped_at"]) if row["shipped_at"] else None,
        "errorMessage": row["error_message"],
    }
    return values if any(value is not None for value in values.values()) else None


def _attention(row: RowMapping) -> Document | None:
    if row["attention_kind"] is None:
        return None
    return {
        "kind": row["attention_kind"],
        "reason": row["attention_reason"],
        "since": utc_text(row["attention_since"]),
    }


def timeline(connection: Connection, order_id: str, *, owner: str | None = None) -> Document | None:
    """Every change and event of the order, oldest first. None for an unknown order and, with an `owner`, for
    another customer's."""
    order = connection.execute(sa.select(orders).where(orders.c.order_id == order_id)).mappings().first()
    if order is None or owner not in (None, order["customer_id"]):
        return None
    # All rows at once: SQL Server takes no other statement while some have not been read.
    changes = (
        connection.execute(sa.select(order_changes).where(order_changes.c.order_id == order_id))
        .mappings()
        .all()
    )
    events = connection.execute(sa.select(outbox).where(outbox.c.order_id == order_id)).mappings().all()
    creation = {
        "at": order["created_at"],
        "version": 1,
        "status": Status.CREATED.value,
        "actor": order["created_by"] or "client",
        "reason": None,
        "correlation_id": order["correlation_id"],
    }
    entries = [_change_entry(row) for row in (creation, *changes)] + [_event_entry(row) for row in events]
    return {"items": sorted(entries, key=lambda entry: (entry["orderVersion"], entry["kind"]))}


def _change_entry(row: Mapping[Any, Any]) -> Document:
    return {
        "at": utc_text(row["at"]),
        "kind": "change",
        "orderVersion": row["version"],
        "status": row["status"],
        "actor": row["actor"],
        "reason": row["reason"],
        "correlationId": row["correlation_id"],
    }


def _event_entry(row: RowMapping) -> Document:
    position = None
    if row["offset"] is not None:
        position = {"partition": row["partition"], "offset": row["offset"]}
    return {
        "at": utc_text(row["published_at"] or row["created_at"]),
        "kind": "event",
        "orderVersion": row["order_version"],
        "eventType": row["event_type"],
        "eventId": row["event_id"],
        "topicPosition": position,
        "reason": row["parked_reason"],
        "correlationId": row["correlation_id"],
    }


def stats(connection: Connection, now: datetime) -> Document:
    """Orders by status from the counters, and how far the relay is behind."""
    attention = connection.scalar(
        sa.select(sa.func.count()).select_from(orders).where(orders.c.attention_kind.is_not(None))
    )
    return {"statuses": counted(connection), "attention": attention, "outbox": _outbox_stats(connection, now)}


_PARKED = (outbox.c.parked_reason.is_not(None), outbox.c.published_at.is_(None))


def list_parked(connection: Connection, *, limit: int, behind: str | None = None) -> bytes:
    """A page of the events that the log refuses for their size, the oldest orders first. The content of the
    events is not read."""
    columns = (
        outbox.c.order_id,
        outbox.c.order_version,
        outbox.c.event_type,
        outbox.c.topic,
        outbox.c.created_at,
        outbox.c.parked_reason,
        outbox.c.leased_until_ms,
    )
    window = _PARKED if behind is None else (*_PARKED, outbox.c.order_id > behind)
    statement = sa.select(*columns).where(*window).order_by(outbox.c.order_id).limit(limit + 1)
    rows = connection.execute(statement).mappings().all()
    return page_of(rows, _parked_entry, itemgetter("order_id"), limit)


def _parked_entry(row: RowMapping) -> Document:
    return {
        "orderId": row["order_id"],
        "orderVersion": row["order_version"],
        "eventType": row["event_type"],
        "topic": row["topic"],
        "createdAt": utc_text(row["created_at"]),
        "reason": row["parked_reason"],
        "nextTryAt": utc_text(datetime.fromtimestamp(row["leased_until_ms"] / 1000, UTC)),
    }


def _outbox_stats(connection: Connection, now: datetime) -> Document:
    unpublished = outbox.c.published_at.is_(None)
    # An event that the reconciler sends again is as old as its order, but has not waited for that long.
    first_sent = outbox.c.re_emissions == 0
    counted = sa.select(outbox.c.order_id).where(unpublished).limit(BACKLOG_COUNT_MAX).subquery()
    oldest = (
        sa.select(outbox.c.created_at)
        .where(unpublished, first_sent, outbox.c.parked_reason.is_(None))
        .order_by(outbox.c.order_id)
        .limit(1)
    )
    since = connection.scalar(oldest)
    parked = sa.select(sa.func.count()).select_from(outbox).where(*_PARKED)
    return {
        "backlog": connection.scalar(sa.select(sa.func.count()).select_from(counted)),
        "oldestAgeMs": max(0, unix_ms(now) - unix_ms(since)) if since else 0,
        "parked": connection.scalar(parked),
    }
