"""Events about orders, as they are on the `order-events` topic.

`schemaVersion` rises only for breaking changes; an event without it has version 1, the proof of concept's.
Unknown additional fields are ignored.
"""

from orderflow.contracts.order_events.order_created import (
    EVENT_BYTES_MAX,
    ORDER_CREATED,
    SCHEMA_VERSION,
    SOURCE,
    OrderCreated,
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
    "ORDER_CREATED",
    "REGISTRY",
    "SCHEMA_VERSION",
    "SOURCE",
    "Event",
    "InvalidEvent",
    "OrderCreated",
    "UnknownType",
    "decode",
    "json_schemas",
    "readable_order_id",
]
