"""Events about orders, as they are on the `order-events` topic.

`schemaVersion` rises only for breaking changes; an event without it has version 1, the proof of concept's.
Unknown additional fields are ignored.
"""

from orderflow.contracts.order_events.envelope import EVENT_BYTES_MAX, SOURCE
from orderflow.contracts.order_events.order_created import ORDER_CREATED, SCHEMA_VERSION, OrderCreated
from orderflow.contracts.order_events.order_moves import (
    ORDER_CANCELLATION_REQUESTED,
    ORDER_CANCELLED,
    ORDER_RELEASED,
    OrderCancellationRequested,
    OrderCancelled,
    OrderReleased,
)
from orderflow.contracts.order_events.registry import (
    REGISTRY,
    Event,
    InvalidEvent,
    UnknownType,
    decode,
    json_schemas,
    readable_order_id,
)

__all__ = [
    "EVENT_BYTES_MAX",
    "ORDER_CANCELLATION_REQUESTED",
    "ORDER_CANCELLED",
    "ORDER_CREATED",
    "ORDER_RELEASED",
    "REGISTRY",
    "SCHEMA_VERSION",
    "SOURCE",
    "Event",
    "InvalidEvent",
    "OrderCancellationRequested",
    "OrderCancelled",
    "OrderCreated",
    "OrderReleased",
    "UnknownType",
    "decode",
    "json_schemas",
    "readable_order_id",
]
