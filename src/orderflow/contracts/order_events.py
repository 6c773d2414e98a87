"""Events about orders, as they lie on the `order-events` topic.

`schemaVersion` rises only for breaking changes. Version 1 is the proof of concept's: no schemaVersion,
eventId or orderVersion; its identity is orderId + correlationId. Unknown additional fields are ignored.
"""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

SCHEMA_VERSION = 2
SOURCE = "OrderService"
EVENT_BYTES_MAX = 1_500_000
ORDER_CREATED = "OrderCreated"

_EVENT_ID_NAMESPACE = uuid.UUID("6f726465-7266-5c6f-8a77-76310a310a31")


class InvalidEvent(Exception):
    """An event that can never be processed. The text names the field, never its value.

    `kind`: `undecodable`, `newer-schema`, `unknown-type` or `contract-violation`. `order_id`: what could
    be read of it.
    """

    def __init__(self, kind: str, detail: str, order_id: str | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.order_id = order_id


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Uuid = Annotated[
    str,
    BeforeValidator(_lower),
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
]
BoundedText = Annotated[str, StringConstraints(max_length=1000)]


def _in_utc(value: datetime) -> datetime:
    """The proof of concept wrote times of an unspecified kind, without an offset; they are UTC."""
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


UtcInstant = Annotated[datetime, AfterValidator(_in_utc)]


class _Event(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, serialize_by_alias=True, extra="ignore", frozen=True)


class Metadata(_Event):
    source: BoundedText
    # Stored as it is: PostgreSQL takes no NUL in a text.
    correlation_id: Annotated[
        str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
    ]


class EventCustomer(_Event):
    customer_id: BoundedText
    name: BoundedText


class EventPrice(_Event):
    amount_minor: int
    currency: BoundedText


class EventItem(_Event):
    product_id: BoundedText
    quantity: Annotated[int, Field(ge=1)]
    unit_price: EventPrice | None = None


class EventShipTo(_Event):
    name: BoundedText
    lines: list[BoundedText]
    city: BoundedText
    region: BoundedText | None = None
    postal_code: BoundedText | None = None
    country: BoundedText


class OrderCreated(_Event):
    """An order was accepted. Carries what fulfillment needs to ship it."""

    event_type: Literal["OrderCreated"]
    schema_version: Literal[2]
    event_id: Uuid
    order_id: Uuid
    order_version: Annotated[int, Field(ge=1)]
    customer: EventCustomer
    items: Annotated[list[EventItem], Field(min_length=1, max_length=10_000)]
    ship_to: EventShipTo | None = None
    created_at: UtcInstant
    metadata: Metadata


def decode(value: bytes | None) -> OrderCreated:
    """The event in its newest version. Raises InvalidEvent."""
    try:
        document: Any = from_json(value or b"", allow_inf_nan=False)
    except ValueError:
        raise InvalidEvent("undecodable", "the message is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise InvalidEvent("undecodable", "the message is not a JSON object")
    event = cast("dict[str, Any]", document)
    order_id = readable_order_id(event.get("orderId"))
    version = event.get("schemaVersion", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidEvent("contract-violation", "schemaVersion is not a positive integer", order_id)
    if version > SCHEMA_VERSION:
        raise InvalidEvent(
            "newer-schema",
            f"the schemaVersion is higher than {SCHEMA_VERSION}, the newest this program knows: "
            "upgrade, then redrive",
            order_id,
        )
    if event.get("eventType") != ORDER_CREATED:
        raise InvalidEvent("unknown-type", "the eventType is not one this program knows", order_id)
    try:
        return OrderCreated.model_validate(_from_version_1(event) if version == 1 else event)
    except ValidationError as error:
        raise InvalidEvent("contract-violation", _where(error), order_id) from None


def readable_order_id(value: object) -> str | None:
    """The order id if it is one; what lies in a broken event may be anything."""
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) and len(value) == 36 else None
    except ValueError:
        return None


def _from_version_1(event: dict[str, Any]) -> dict[str, Any]:
    metadata = event.get("metadata")
    correlation = cast("dict[str, Any]", metadata).get("correlationId") if isinstance(metadata, dict) else ""
    identity = f"{str(event.get('orderId')).lower()}+{correlation}"
    return event | {
        "schemaVersion": SCHEMA_VERSION,
        "eventId": str(uuid.uuid5(_EVENT_ID_NAMESPACE, identity)),
        "orderVersion": 1,
    }


def _where(error: ValidationError) -> str:
    """Field and rule of the first violations, without the values."""
    return "; ".join(
        f"{'/'.join(str(part) for part in item['loc']) or 'event'}: {item['msg']}"
        for item in error.errors(include_input=False, include_context=False, include_url=False)[:3]
    )
