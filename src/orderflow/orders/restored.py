"""Takes back what the orders database has lost when it was restored from a backup: orders and moves whose
events are on the topic, and moves that somebody else knows of.

Holds have no event, so a hold of the lost time is gone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, NamedTuple

import sqlalchemy as sa
from pydantic import StringConstraints, TypeAdapter, ValidationError
from sqlalchemy.engine import Connection

from orderflow.contracts.order_events import (
    SCHEMA_VERSION,
    SOURCE,
    Event,
    InvalidEvent,
    OrderCancellationRequested,
    OrderCancelled,
    OrderCreated,
    OrderReleased,
    decode,
)
from orderflow.contracts.orders_api import IdempotencyKey, OrderIn
from orderflow.contracts.traceparent import parse_traceparent
from orderflow.database.dialects import ids_parameter, one_of
from orderflow.database.transaction import Transaction
from orderflow.messaging import Record
from orderflow.orders.commands import Updated, UpdateOrder, update_orders
from orderflow.orders.intake import content_of, request_hash
from orderflow.orders.model import FINISHED, Action, Attention, AttentionChange, Status
from orderflow.orders.placement import PlaceOrder
from orderflow.orders.tables import orders, outbox
from orderflow.runtime.ids import FIRST_UUID
from orderflow.security.keys import NAME_CHARS_MAX

ACTOR = "recover"
REASON = "taken back after a database was restored"
IN_DOUBT = "cancellation-in-doubt"
IN_DOUBT_REASON = (
    "Its cancellation was requested before the databases were restored. Ask the carrier whether it has "
    "shipped: release it if so, and it is reported as shipped, with the same shipment; otherwise cancel it."
)
IDS_A_QUERY = 500
ROWS_A_LOOK = 10_000
VERSION_MAX = 1 << 30
"""No order has moved so often."""


Moves = Sequence[UpdateOrder]
"""Of one order, one after the other. An order that has the version of the last one needs none of them."""


class Sent(NamedTuple):
    """An order that has shipped: its event as it was published, and with what it has shipped."""

    order_id: str
    event: bytes
    traceparent: str | None
    carrier: str | None
    tracking_number: str | None
    shipped_at: datetime | None


class Logged(NamedTuple):
    """An event on the topic."""

    event: Event
    record: Record


def logged(records: Iterable[Record]) -> Iterator[Logged]:
    """The events among these messages that an Order Service has written."""
    for record in records:
        try:
            event = decode(record.value)
        except InvalidEvent:
            continue
        if event.metadata.source == SOURCE:
            yield Logged(event, record)


class Lost(NamedTuple):
    """What the topic has and the database may lack: orders by id; releases and cancellations at once, in the
    order of events; requests to cancel what was being processed, by order. `unfit` are the orders of events
    that say what no Order Service writes."""

    orders: dict[str, PlaceOrder]
    moves: list[Moves]
    cancelling: dict[str, Moves]
    unfit: set[str]


def lost(connection: Connection, events: Iterable[Logged], topic: str, kept_since: datetime | None) -> Lost:
    """Orders from before `kept_since` are left out: they may have been archived."""
    found = Lost({}, [], {}, set())
    batch: list[Logged] = []
    for each in events:
        event = each.event
        if event.order_version > VERSION_MAX:
            found.unfit.add(event.order_id)
        elif isinstance(event, OrderCancellationRequested):
            found.cancelling[event.order_id] = _of_move(event, topic, _traceparent(each.record))
        elif not isinstance(event, OrderCreated):
            found.moves.append(_of_move(event, topic, _traceparent(each.record)))
        elif kept_since is None or event.created_at >= kept_since:
            batch.append(each)
        if len(batch) == IDS_A_QUERY:
            _add_missing(found, connection, batch, topic)
            batch = []
    _add_missing(found, connection, batch, topic)
    return found


def _add_missing(found: Lost, connection: Connection, batch: Sequence[Logged], topic: str) -> None:
    created = {each.event.order_id: each for each in batch}
    there = set(connection.scalars(_THERE, ids_parameter(sorted(created))))
    for order_id, each in created.items():
        if order_id in there:
            continue
        try:
            command = _placed(each, topic)
        except ValidationError:
            found.unfit.add(order_id)
            continue
        if command is not None:
            found.orders[order_id] = command


_THERE = sa.select(orders.c.order_id).where(one_of(orders.c.order_id, "ids"))


def _placed(each: Logged, topic: str) -> PlaceOrder | None:
    """The order as it was placed; None if the event was not written by a release that we know. Raises
    ValidationError for an order that nobody can have placed."""
    event, record = each
    value = record.value or b""
    if not isinstance(event, OrderCreated) or b'"schemaVersion":%d' % SCHEMA_VERSION not in value:
        return None
    by = _BY.validate_python(event.metadata.placed_by)
    key = _KEY.validate_python(event.metadata.idempotency_key)
    content = _content(event)
    return PlaceOrder(
        event.order_id,
        event.created_at,
        event.metadata.correlation_id,
        _traceparent(record) or "",
        event.event_id,
        topic,
        value.decode(),
        len(event.items),
        by or ACTOR,
        key,
        None if key is None else request_hash(content),
    )


_Name = Annotated[str, StringConstraints(max_length=NAME_CHARS_MAX, pattern=r"^[^\x00]*$")]
_BY = TypeAdapter[str | None](_Name | None)
_KEY = TypeAdapter[str | None](IdempotencyKey | None)


def _content(event: OrderCreated) -> str:
    """What the client had sent. Raises ValidationError for what is taken from no client."""
    sent = event.model_dump(include={"customer", "items", "ship_to"}, exclude_none=True)
    return content_of(OrderIn.model_validate(sent))


def _traceparent(record: Record) -> str | None:
    given = next((value for name, value in record.headers if name == "traceparent"), None)
    return parse_traceparent(given)


def _of_move(event: Event, topic: str, traceparent: str | None) -> Moves:
    """The moves up to that of the event: holds and Processing have no events of their own."""

    def update(
        action: Action | None, status: Status | None = None, version: int | None = None
    ) -> UpdateOrder:
        return UpdateOrder(
            event.order_id,
            status,
            None,
            None,
            event.created_at,
            ACTOR,
            REASON,
            event.metadata.correlation_id,
            action=action,
            topic=topic,
            traceparent=traceparent,
            version=version,
        )

    match event:
        case OrderReleased():
            return [update(Action.HOLD), update(Action.RELEASE, version=event.order_version)]
        case OrderCancelled():
            return [update(Action.CANCEL, version=event.order_version)]
        case OrderCancellationRequested():
            processing = update(None, Status.PROCESSING)
            return [processing, update(Action.CANCEL, version=event.order_version)]
        case _:
            return []


def in_doubt(cancelling: Moves, now: datetime) -> Moves:
    """Instead of these moves, where fulfillment has forgotten how far the order was: a person decides, and
    until then it is on hold, if it still can be."""
    attention = AttentionChange(Attention(IN_DOUBT, IN_DOUBT_REASON, now))
    first, last = cancelling[0], cancelling[-1]
    hold = replace(first, status=None, action=Action.HOLD)
    return [hold, replace(last, action=None, attention=attention)]


def take_back(tx: Transaction, all_moves: Iterable[Moves]) -> set[str]:
    """Make these moves, as far as they are legal and were not made yet; returns the orders that changed."""
    changed: set[str] = set()
    for moves in filter(None, all_moves):
        order_id, last = moves[-1].order_id, moves[-1].version
        version = tx.connection.scalar(_VERSION, {"id": order_id})
        if version is None or (last is not None and version >= last):
            continue
        if any(isinstance(each, Updated) and each.changed for each in update_orders(tx, moves)):
            changed.add(order_id)
    return changed


_VERSION = sa.select(orders.c.version).where(orders.c.order_id == sa.bindparam("id"))


def unfinished(connection: Connection) -> Iterator[dict[str, Status]]:
    """The statuses of all orders that have not ended, by id, some at a time."""
    rows = connection.execute(
        sa.select(orders.c.order_id, orders.c.status)
        .where(orders.c.status.not_in(FINISHED))
        .order_by(orders.c.order_id)
    ).all()
    for begin in range(0, len(rows), IDS_A_QUERY):
        yield {row.order_id: Status(row.status) for row in rows[begin : begin + IDS_A_QUERY]}


def shipped(connection: Connection, since: datetime) -> Iterator[list[Sent]]:
    """The orders that have shipped since then, some at a time."""
    for order_ids in _ended(connection, [Status.SHIPPED], since):
        rows = connection.execute(_SENT, ids_parameter(order_ids))
        yield [
            Sent(
                row.order_id,
                row.payload.encode(),
                row.traceparent,
                row.carrier,
                row.tracking_number,
                row.shipped_at,
            )
            for row in rows
        ]


def given_up(connection: Connection, since: datetime) -> Iterator[list[str]]:
    """The orders that have failed or were cancelled since then, some at a time."""
    return _ended(connection, [Status.FAILED, Status.CANCELLED], since)


def _ended(connection: Connection, statuses: Sequence[Status], since: datetime) -> Iterator[list[str]]:
    behind = FIRST_UUID
    query = (
        sa.select(orders.c.order_id, orders.c.updated_at)
        .where(
            orders.c.status.in_([status.value for status in statuses]),
            orders.c.order_id > sa.bindparam("behind"),
        )
        .order_by(orders.c.order_id)
        .limit(ROWS_A_LOOK)
    )
    while looked_at := connection.execute(query, {"behind": behind}).all():
        behind = looked_at[-1].order_id
        recent = [row.order_id for row in looked_at if row.updated_at >= since]
        for begin in range(0, len(recent), IDS_A_QUERY):
            yield recent[begin : begin + IDS_A_QUERY]


_SENT = (
    sa.select(
        orders.c.order_id,
        outbox.c.payload,
        outbox.c.traceparent,
        orders.c.carrier,
        orders.c.tracking_number,
        orders.c.shipped_at,
    )
    .join(outbox, outbox.c.order_id == orders.c.order_id)
    .where(one_of(orders.c.order_id, "ids"), outbox.c.order_version == 1)
)
