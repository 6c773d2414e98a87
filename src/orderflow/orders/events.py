"""The events about orders, rendered for the outbox. `contracts.order_events` defines their form."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from pydantic_core import to_json

from orderflow.contracts.instants import utc_text
from orderflow.contracts.order_events import EVENT_BYTES_MAX, ORDER_CREATED, SCHEMA_VERSION, SOURCE
from orderflow.messaging import Message
from orderflow.orders.outbox import OutboxRow


@dataclass(frozen=True, slots=True)
class EventTooLarge:
    """The order's event would be larger than the topic allows."""

    size_bytes: int


def order_created(
    content: str,
    event_id: str,
    order_id: str,
    created_at: str,
    correlation_id: str,
    *,
    placed_by: str,
    key: str | None = None,
) -> str:
    """The first event of an order as JSON; `content` is its customer, items and shipTo as a JSON object, and
    `key` its idempotency key. Ids and times need no escaping: the front door accepts only correlation ids
    that need none."""
    with_key = "" if key is None else f',"idempotencyKey":{to_json(key).decode()}'
    return (
        f'{{"eventType":"{ORDER_CREATED}","schemaVersion":{SCHEMA_VERSION},"eventId":"{event_id}",'
        f'"orderId":"{order_id}","orderVersion":1,{content[1:-1]},"createdAt":"{created_at}",'
        f'"metadata":{{"source":"{SOURCE}","correlationId":"{correlation_id}",'
        f'"placedBy":{to_json(placed_by).decode()}{with_key}}}}}'
    )


_EVENT_IDS = uuid.UUID("6f726465-7266-5c6f-8a77-76310a310a32")


def of_move(
    event_type: str,
    *,
    topic: str,
    order_id: str,
    order_version: int,
    at: datetime,
    correlation_id: str,
    traceparent: str | None,
) -> OutboxRow:
    """The event about a move that made this version of the order at that instant. Its id follows from the
    order and the version, so whoever writes the move again writes the same event."""
    event_id = str(uuid.uuid5(_EVENT_IDS, f"{order_id}/{order_version}"))
    payload = to_json(
        {
            "eventType": event_type,
            "schemaVersion": 1,
            "eventId": event_id,
            "orderId": order_id,
            "orderVersion": order_version,
            "createdAt": utc_text(at),
            "metadata": {"source": SOURCE, "correlationId": correlation_id},
        }
    ).decode()
    return OutboxRow(
        order_id, order_version, event_id, event_type, topic, payload, correlation_id, traceparent, at
    )


def too_large(event: str) -> EventTooLarge | None:
    """None if the topic allows an event of this size."""
    size_bytes = len(event) if event.isascii() else len(event.encode())
    return EventTooLarge(size_bytes) if size_bytes > EVENT_BYTES_MAX else None


_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_source", SOURCE.encode()),
    ("content-type", b"application/json"),
)


def message(row: OutboxRow) -> Message:
    """The row as a message for the log, with CloudEvents attributes in binary mode (CloudEvents 1.0, Kafka
    binding)."""
    trace = (("traceparent", row.traceparent.encode()),) if row.traceparent else ()
    return Message(
        topic=row.topic,
        key=row.order_id,
        value=row.payload.encode(),
        headers=(
            *_HEADERS,
            ("ce_id", row.event_id.encode()),
            ("ce_type", row.event_type.encode()),
            ("ce_time", row.created_at.isoformat().encode()),
            ("correlation-id", row.correlation_id.encode()),
            *trace,
        ),
    )
