"""Erasing a customer's personal data: what stands in its place, and the two HTTP operations.

Both services put the same in its place, so that an order that one of them has erased is still the same order
to the other.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import from_json, to_json

from orderflow.contracts.orders_api import Answer, Contract, Id, OrderId
from orderflow.contracts.pages import decode_cursor

ERASE_CUSTOMER = "/api/customers/erase"
ERASE_SHIPMENTS = "/api/fulfillment/customers/erase"
ORDERS_A_STEP_MAX = 25
"""The orders that one request looks at. Each may have an event of 1.5 MiB."""

ERASED = "erased"
"""Stands in place of every text."""


def erased_address(ship_to: dict[str, Any]) -> dict[str, Any]:
    """The country alone stays: it tells of nobody, and orders are counted by it."""
    return {"name": ERASED, "lines": [ERASED], "city": ERASED, "country": ship_to["country"]}


def erased_json(text: str | bytes) -> bytes:
    """The event OrderCreated, or the request for a carrier, without name and address. What has neither, or is
    erased already, is the same."""
    document: dict[str, Any] = from_json(text)
    if "customer" in document:
        document["customer"]["name"] = ERASED
    if "shipTo" in document:
        document["shipTo"] = erased_address(document["shipTo"])
    return to_json(document)


_Cursor = Annotated[str, Field(max_length=64), AfterValidator(decode_cursor)]
"""Where the step before has ended. It is decoded: the id of the last row that was looked at."""


class Remains(Answer):
    """Where the data still is, and why. `until` is None where only a person can tell."""

    place: str
    until: datetime | None
    why: str


class EraseCustomerIn(Contract):
    """One step. With `dryRun` nothing is changed, only counted."""

    customer_id: Id
    cursor: _Cursor | None = None
    dry_run: bool = False


class OrderUnderWay(Answer):
    """An order that is left as it is, because it is not finished."""

    order_id: OrderId
    status: str


class EraseCustomerOut(Answer):
    """`orders`, `events` and `reasons` are numbers of rows that were changed; `order_ids` are all finished
    orders of the step, changed or not."""

    orders: int
    events: int
    reasons: int
    order_ids: list[OrderId]
    under_way: list[OrderUnderWay]
    remains: list[Remains]
    next_cursor: str | None


class EraseShipmentsIn(Contract):
    """Erases what the Fulfillment Service has of these finished orders, or, without orders, the dead letters
    that name no order but this customer."""

    customer_id: Id
    order_ids: Annotated[list[OrderId], Field(min_length=1, max_length=ORDERS_A_STEP_MAX)] | None = None
    cursor: _Cursor | None = None
    dry_run: bool = False


class ShipmentUnderWay(Answer):
    """A shipment that is left as it is, because it is not closed."""

    order_id: OrderId
    state: str


class EraseShipmentsOut(Answer):
    """`without_shipment` are orders of which fulfillment knows nothing: their events may still be on the way.
    With `more` there are more dead letters of these orders: send the same request again."""

    shipments: int
    dead_letters: int
    attentions: int
    under_way: list[ShipmentUnderWay]
    without_shipment: list[OrderId]
    more: bool
    remains: list[Remains]
    next_cursor: str | None
