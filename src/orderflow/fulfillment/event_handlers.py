"""What fulfillment does with an event of each type: one handler per type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from orderflow.contracts.order_events import (
    Event,
    OrderCancellationRequested,
    OrderCancelled,
    OrderCreated,
    OrderReleased,
    decode,
)
from orderflow.contracts.traceparent import parse_traceparent
from orderflow.fulfillment.cancellation import Cancel, LookAgain
from orderflow.fulfillment.model import TEXT_CHARS_MAX, Owner, Shipment, clean
from orderflow.fulfillment.payments import AMOUNT_MINOR_MAX
from orderflow.messaging import Headers


@dataclass(frozen=True, slots=True)
class Receive:
    """A shipment to be made. Its owner's epoch is 0 if it is to be stored without an owner."""

    shipment: Shipment
    event_id: str

    @property
    def rows(self) -> int:
        return 2


Command = Receive | Cancel | LookAgain


def received(value: bytes | None, headers: Headers, owner: Owner, now: datetime) -> Command:
    """The command for an event. Raises InvalidEvent, or UnknownType."""
    event = decode(value)
    return HANDLERS[type(event)](event, headers, owner, now)


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
        **_cost(event),
    )
    return Receive(shipment, event.event_id)


def _cost(event: OrderCreated) -> dict[str, Any]:
    """What the order costs, if its items have prices. A price that no provider can be sent is none: the Order
    Service takes none, but other writers of events may."""
    prices = [(item.quantity, item.unit_price) for item in event.items]
    currencies = {price.currency for _, price in prices if price is not None}
    amount_minor = sum(quantity * price.amount_minor for quantity, price in prices if price is not None)
    is_priced = len(currencies) == 1 and all(price is not None for _, price in prices)
    if not is_priced or not 1 <= amount_minor <= AMOUNT_MINOR_MAX:
        return {}
    currency = currencies.pop()
    return {"amount_minor": amount_minor, "currency": currency} if len(currency) == 3 else {}


def _cancel(event: OrderCancellationRequested, _headers: Headers, owner: Owner, now: datetime) -> Cancel:
    return Cancel(event.order_id, owner, now)


def _look_again(
    event: OrderCancelled | OrderReleased, _headers: Headers, _owner: Owner, _now: datetime
) -> LookAgain:
    return LookAgain(event.order_id)


HANDLERS: Mapping[type[Event], Callable[[Any, Headers, Owner, datetime], Command]] = {
    OrderCreated: _ship,
    OrderCancellationRequested: _cancel,
    OrderCancelled: _look_again,
    OrderReleased: _look_again,
}
"""The handlers by type of event."""


_SHIPPED = {"items": {"__all__": {"product_id", "quantity"}}, "ship_to": True}


def carrier_request(event: OrderCreated) -> bytes:
    """The body for the carrier: what to ship and where to, without prices or customer. Its bytes are compared
    with those of repeated events, so its form must not change."""
    return to_json({"orderId": event.order_id, **event.model_dump(include=_SHIPPED, exclude_none=True)})
