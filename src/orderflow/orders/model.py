"""The order's lifecycle: one transition table, and what a status update does to an order. The functions are
pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final


def unix_ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Status(StrEnum):
    CREATED = "Created"
    ON_HOLD = "OnHold"
    PROCESSING = "Processing"
    CANCELLING = "Cancelling"
    SHIPPED = "Shipped"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


TRANSITIONS: Final[Mapping[Status, tuple[Status, ...]]] = {
    Status.CREATED: (Status.PROCESSING, Status.ON_HOLD, Status.CANCELLED),
    Status.ON_HOLD: (Status.CREATED, Status.CANCELLED),
    Status.PROCESSING: (Status.SHIPPED, Status.FAILED, Status.CANCELLING),
    Status.CANCELLING: (Status.CANCELLED, Status.SHIPPED, Status.FAILED),
    Status.SHIPPED: (),
    Status.FAILED: (),
    Status.CANCELLED: (),
}

REQUESTED: Final = (Status.PROCESSING, Status.SHIPPED, Status.FAILED, Status.CANCELLED)
"""What a status update can ask for (CONTRACT, PATCH). No request leads to any other status yet."""

TERMINAL: Final = frozenset(status for status, moves in TRANSITIONS.items() if not moves)


@dataclass(frozen=True, slots=True)
class IllegalTransition:
    """The order, whose status is `current`, cannot make this move; `detail` says why in a sentence."""

    current: Status
    detail: str


def offered(status: Status) -> list[str]:
    """The statuses that a request can lead to from this one, as clients see them: `allowedTransitions`."""
    return [move.value for move in TRANSITIONS[status] if move in REQUESTED]


@dataclass(frozen=True, slots=True)
class Fulfillment:
    carrier: str | None = None
    tracking_number: str | None = None
    shipped_at: datetime | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class Attention:
    """What a person must look at, and since when."""

    kind: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class OrderState:
    """The part of an order that changes."""

    status: Status
    version: int
    fulfillment: Fulfillment
    attention: Attention | None


@dataclass(frozen=True, slots=True)
class AttentionChange:
    """A new attention, or None to clear it."""

    attention: Attention | None


def apply_update(
    order: OrderState,
    status: Status | None,
    fulfillment: Fulfillment | None,
    attention: AttentionChange | None,
) -> OrderState | IllegalTransition:
    """The order after the update, which is the very same object if the update changes nothing.
    IllegalTransition for a move that the table does not allow, or that contradicts what is recorded.

    An update is a repeat if it has the same status and, where they are given, the same carrier and tracking
    number.
    """
    changed = _move(order, status, fulfillment)
    if isinstance(changed, IllegalTransition):
        return changed
    if attention is not None and not _same_attention(changed.attention, attention.attention):
        changed = replace(changed, attention=attention.attention)
    return order if changed == order else replace(changed, version=order.version + 1)


def _move(
    order: OrderState, status: Status | None, fulfillment: Fulfillment | None
) -> OrderState | IllegalTransition:
    if status is None or status is order.status:
        if fulfillment is None:
            return order
        if order.status in TERMINAL:
            if not _repeats(order.fulfillment, fulfillment):
                return IllegalTransition(
                    order.status,
                    f"The order is {order.status} already, with another carrier or tracking number.",
                )
            return order
        return replace(order, fulfillment=_merge(order.fulfillment, fulfillment))
    if status not in TRANSITIONS[order.status]:
        return IllegalTransition(order.status, f"An order that is {order.status} cannot become {status}.")
    return replace(
        order,
        status=status,
        fulfillment=_merge(order.fulfillment, fulfillment),
        # A finished order needs no person to look at it any more.
        attention=None if status in TERMINAL else order.attention,
    )


def _repeats(recorded: Fulfillment, sent: Fulfillment) -> bool:
    """Whether the update repeats what is recorded. A part that it leaves out is not compared: the update did
    not change that part the first time either."""
    return sent.carrier in (None, recorded.carrier) and sent.tracking_number in (
        None,
        recorded.tracking_number,
    )


def _merge(recorded: Fulfillment, sent: Fulfillment | None) -> Fulfillment:
    if sent is None:
        return recorded
    return Fulfillment(
        carrier=sent.carrier or recorded.carrier,
        tracking_number=sent.tracking_number or recorded.tracking_number,
        shipped_at=sent.shipped_at or recorded.shipped_at,
        error_message=sent.error_message or recorded.error_message,
    )


def _same_attention(recorded: Attention | None, sent: Attention | None) -> bool:
    if recorded is None or sent is None:
        return recorded is sent
    return (recorded.kind, recorded.reason) == (sent.kind, sent.reason)
