"""The events that orders cause, rendered for the outbox. Their form is `contracts.order_events`."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from pydantic_core import to_json

from orderflow.contracts.order_events import EVENT_BYTES_MAX, ORDER_CREATED, SCHEMA_VERSION, SOURCE
from orderflow.messaging import Message
from orderflow.orders.outbox import OutboxRow


class EventTooLarge(Exception):
    """The order's event would be larger than the topic allows; the argument is its size in bytes."""


def order_created(
    content: dict[str, Any],
    *,
    order_id: str,
    created_at: datetime,
    correlation_id: str,
    traceparent: str | None,
    topic: str,
) -> OutboxRow:
    """The first event of an order; `content` is its customer, items and shipTo. Raises EventTooLarge."""
    event_id = str(uuid4())
    payload = to_json(
        {
            "eventType": ORDER_CREATED,
            "schemaVersion": SCHEMA_VERSION,
            "eventId": event_id,
            "orderId": order_id,
            "orderVersion": 1,
            **content,
            "createdAt": created_at,
            "metadata": {"source": SOURCE, "correlationId": correlation_id},
        }
    )
    if len(payload) > EVENT_BYTES_MAX:
        raise EventTooLarge(len(payload))
    return OutboxRow(
        order_id=order_id,
        order_version=1,
        event_id=event_id,
        event_type=ORDER_CREATED,
        topic=topic,
        payload=payload,
        correlation_id=correlation_id,
        traceparent=traceparent,
        created_at=created_at,
    )


def message(row: OutboxRow) -> Message:
    """The row as it goes to the log, with CloudEvents attributes in binary mode (CloudEvents 1.0, Kafka
    binding)."""
    headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", row.event_id),
        ("ce_type", row.event_type),
        ("ce_source", SOURCE),
        ("ce_time", row.created_at.isoformat()),
        ("content-type", "application/json"),
        ("correlation-id", row.correlation_id),
    ]
    if row.traceparent:
        headers.append(("traceparent", row.traceparent))
    return Message(
        topic=row.topic,
        key=row.order_id,
        value=row.payload,
        headers=tuple((name, value.encode()) for name, value in headers),
    )
