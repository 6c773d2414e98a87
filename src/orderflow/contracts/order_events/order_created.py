"""OrderCreated: an order was accepted. The versions of its schema, and how an old one becomes the newest."""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from orderflow.contracts.order import CustomerFields, ItemFields, OrderFields, PriceFields, ShipToFields

ORDER_CREATED = "OrderCreated"
SCHEMA_VERSION = 2
"""The version that we write."""

SOURCE = "OrderService"
EVENT_BYTES_MAX = 1_500_000

_EVENT_ID_NAMESPACE = uuid.UUID("6f726465-7266-5c6f-8a77-76310a310a31")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Uuid = Annotated[
    str,
    BeforeValidator(_lower),
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
]
BoundedText = Annotated[str, StringConstraints(max_length=1000)]


def _in_utc(value: datetime) -> datetime:
    """In UTC. The proof of concept wrote times without an offset; they were UTC."""
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


UtcInstant = Annotated[datetime, AfterValidator(_in_utc)]


class _Event(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, serialize_by_alias=True, extra="ignore", frozen=True)


class Metadata(_Event):
    source: BoundedText
    # Stored unchanged: PostgreSQL accepts no NUL in a text.
    correlation_id: Annotated[
        str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
    ]


class EventCustomer(_Event, CustomerFields[BoundedText]): ...


class EventPrice(_Event, PriceFields[int, BoundedText]): ...


class EventItem(_Event, ItemFields[BoundedText, Annotated[int, Field(ge=1)], EventPrice]): ...


class EventShipTo(_Event, ShipToFields[BoundedText, list[BoundedText]]): ...


_Items = Annotated[list[EventItem], Field(min_length=1, max_length=10_000)]


class _Order(_Event, OrderFields[EventCustomer, _Items, EventShipTo]):
    """The fields that every version has."""

    order_id: Uuid
    created_at: UtcInstant
    metadata: Metadata


class OrderCreatedV1(_Order):
    """The schema of the proof of concept. An event is identified by its orderId and correlationId."""

    event_type: Literal["OrderCreated"]
    schema_version: Literal[1] = 1


class OrderCreated(_Order):
    """Carries what fulfillment needs to ship the order."""

    event_type: Literal["OrderCreated"]
    schema_version: Literal[2]
    event_id: Uuid
    order_version: Annotated[int, Field(ge=1)]


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
