"""Events about an order that was cancelled or released: OrderCancellationRequested, OrderCancelled and
OrderReleased.

Each names the version that the order got by the move; `createdAt` is the instant of the move.
"""

from typing import Annotated, Literal

from pydantic import Field

from orderflow.contracts.order_events.envelope import EventModel, Metadata, UtcInstant, Uuid

ORDER_CANCELLATION_REQUESTED = "OrderCancellationRequested"
ORDER_CANCELLED = "OrderCancelled"
ORDER_RELEASED = "OrderReleased"


class _Move(EventModel):
    schema_version: Literal[1] = 1
    event_id: Uuid
    order_id: Uuid
    order_version: Annotated[int, Field(ge=1)]
    created_at: UtcInstant
    metadata: Metadata


class OrderCancellationRequested(_Move):
    """Processing → Cancelling: whoever ships the order must stop and undo what can be undone, and then report
    whether the order is Cancelled, Shipped or Failed."""

    event_type: Literal["OrderCancellationRequested"]


class OrderCancelled(_Move):
    """Created or OnHold → Cancelled, at once: nothing had begun, and nothing may begin."""

    event_type: Literal["OrderCancelled"]


class OrderReleased(_Move):
    """OnHold → Created: the order may begin."""

    event_type: Literal["OrderReleased"]
