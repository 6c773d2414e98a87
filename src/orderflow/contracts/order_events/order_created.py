"""OrderCreated: an order was accepted. The versions of its schema, and how an old one becomes the newest."""

import uuid
from typing import Annotated, Literal

from pydantic import Field

from orderflow.contracts.order import CustomerFields, ItemFields, OrderFields, PriceFields, ShipToFields
from orderflow.contracts.order_events.envelope import BoundedText, EventModel, Metadata, UtcInstant, Uuid

ORDER_CREATED = "OrderCreated"
SCHEMA_VERSION = 2
"""The version that we write."""

_EVENT_ID_NAMESPACE = uuid.UUID("6f726465-7266-5c6f-8a77-76310a310a31")


class EventCustomer(EventModel, CustomerFields[BoundedText, BoundedText]): ...


class EventPrice(EventModel, PriceFields[int, BoundedText]): ...


class EventItem(EventModel, ItemFields[BoundedText, Annotated[int, Field(ge=1)], EventPrice]): ...


class EventShipTo(EventModel, ShipToFields[BoundedText, list[BoundedText]]): ...


_Items = Annotated[list[EventItem], Field(min_length=1, max_length=10_000)]


class _Order(EventModel, OrderFields[EventCustomer, _Items, EventShipTo]):
    """The fields that every version has."""

    order_id: Uuid
    created_at: UtcInstant


class OrderCreatedV1(_Order):
    """The schema of the proof of concept. An event is identified by its orderId and correlationId."""

    event_type: Literal["OrderCreated"]
    schema_version: Literal[1] = 1
    metadata: Metadata


class PlacedMetadata(Metadata):
    """Who placed the order, and with which idempotency key: an order that is taken back from its event is
    still the answer to a repeated request."""

    placed_by: BoundedText | None = None
    idempotency_key: BoundedText | None = None


class OrderCreated(_Order):
    """Carries what fulfillment needs to ship the order."""

    event_type: Literal["OrderCreated"]
    schema_version: Literal[2]
    event_id: Uuid
    order_version: Annotated[int, Field(ge=1)]
    metadata: PlacedMetadata


def from_version_1(event: OrderCreatedV1) -> OrderCreated:
    """The same event in version 2. A repeat of it gets the same event id."""
    identity = f"{event.order_id}+{event.metadata.correlation_id}"
    return OrderCreated.model_validate(
        {
            **event.model_dump(),
            "schemaVersion": 2,
            "eventId": str(uuid.uuid5(_EVENT_ID_NAMESPACE, identity)),
            "orderVersion": 1,
        }
    )
