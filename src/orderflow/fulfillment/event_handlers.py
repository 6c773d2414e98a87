"""What fulfillment does with an event of each type: one handler per type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from orderflow.contracts.order_events import Event, OrderCreated, UnknownType, decode
from orderflow.contracts.traceparent import parse_traceparent
from orderflow.fulfillment.model import TEXT_CHARS_MAX, Owner, Shipment, clean
from orderflow.messaging import Headers


@dataclass(frozen=True, slots=True)
class Receive:
    """A shipment to be made. Its owner's epoch is 0 if it is to be stored without an owner."""

    shipment: Shipment
    event_id: str

    @property
    def rows(self) -> int:
        return 2


def received(value: bytes | None, headers: Headers, owner: Owner, now: datetime) -> Receive:
    """The command for an event. Raises InvalidEvent, or UnknownType if its type has no handler."""
    event = decode(value)
    handler = HANDLERS.get(type(event))
    if handler is None:
        raise UnknownType(event.event_type, event.order_id)
    return handler(event, headers, owner, now)


def _ship(event: OrderCreated, headers: Headers, owner: Owner, now: datetime) -> Receive:
    shipment = Shipment(
        order_id=event.order_id,
        owner=owner,
        correlation_id=clean(event.metadata.correlation_id, TEXT_CHARS_MAX) or event.order_id,
        traceparent=parse_traceparent(
            next((value for name, value in headers if name == "traceparent"), None)
        ),
        request=carrier_request(event),
        ordered_at=event.created_at,
        received_at=now,
    )
    return Receive(shipment, event.event_id)


HANDLERS: Mapping[type[Event], Callable[[Any, Headers, Owner, datetime], Receive]] = {OrderCreated: _ship}
"""The handlers by type of event; an event of a type without one is skipped."""


_SHIPPED = {"items": {"__all__": {"product_id", "quantity"}}, "ship_to": True}


def carrier_request(event: OrderCreated) -> bytes:
    """The body for the carrier: what to ship and where to, without prices or customer. Its bytes are compared
    with those of repeated events, so its form must not change."""
    return to_json({"orderId": event.order_id, **event.model_dump(include=_SHIPPED, exclude_none=True)})
