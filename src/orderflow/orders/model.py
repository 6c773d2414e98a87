"""The order's lifecycle: one transition table, and what a status update or a client's action does to an
order. The functions are pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from orderflow.contracts.order_events import ORDER_CANCELLATION_REQUESTED, ORDER_CANCELLED, ORDER_RELEASED


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


class Action(StrEnum):
    """What a client asks for without naming a status: the status that follows depends on the order's own."""

    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"


class Transition(NamedTuple):
    """One move of the table, with the action that makes it and the type of its event, if it has them."""

    before: Status
    after: Status
    action: Action | None = None
    event_type: str | None = None


TABLE: Final = (
    Transition(Status.CREATED, Status.PROCESSING),
    Transition(Status.CREATED, Status.ON_HOLD, Action.HOLD),
    Transition(Status.CREATED, Status.CANCELLED, Action.CANCEL, ORDER_CANCELLED),
    Transition(Status.ON_HOLD, Status.CREATED, Action.RELEASE, ORDER_RELEASED),
    Transition(Status.ON_HOLD, Status.CANCELLED, Action.CANCEL, ORDER_CANCELLED),
    Transition(Status.PROCESSING, Status.SHIPPED),
    Transition(Status.PROCESSING, Status.FAILED),
    Transition(Status.PROCESSING, Status.CANCELLING, Action.CANCEL, ORDER_CANCELLATION_REQUESTED),
    Transition(Status.CANCELLING, Status.CANCELLED),
    Transition(Status.CANCELLING, Status.SHIPPED),
    Transition(Status.CANCELLING, Status.FAILED),
)
"""Every move that an order can make. `docs/order-lifecycle.md` is generated from it."""

REQUESTED: Final = (Status.PROCESSING, Status.SHIPPED, Status.FAILED, Status.CANCELLED)
"""What a status update can ask for (CONTRACT, PATCH). Only an action leads to any other status."""


def _by_status(moves: Iterable[Transition]) -> Mapping[Status, tuple[Status, ...]]:
    moves = tuple(moves)
    return {status: tuple(move.after for move in moves if move.before is status) for status in Status}


TRANSITIONS: Final = _by_status(TABLE)
"""The statuses that follow each status."""

REPORTED: Final = _by_status(move for move in TABLE if move.after in REQUESTED)
"""The statuses that a status update can lead to from each status: what whoever ships the order may report."""

OFFERED: Final = _by_status(move for move in TABLE if move.action is not None)
"""The statuses that an action can lead to from each status: what whoever placed the order may do."""

_BY_ACTION: Final = {(move.before, move.action): move.after for move in TABLE if move.action is not None}
_RESULTS: Final = {
    action: frozenset(move.after for move in TABLE if move.action is action) for action in Action
}

EVENT_TYPES: Final = {
    (move.before, move.after): move.event_type for move in TABLE if move.event_type is not None
}
"""The types of the events about moves, by the status before and after; the other moves have no event."""

TERMINAL: Final = frozenset(status for status, moves in TRANSITIONS.items() if not moves)
FINISHED: Final = sorted(status.value for status in TERMINAL)
"""The same as rows have them."""


@dataclass(frozen=True, slots=True)
class IllegalTransition:
    """The order, whose status is `current`, cannot make this move; `detail` says why in a sentence, and
    `allowed` which statuses a request of the same kind can lead to."""

    current: Status
    detail: str
    allowed: tuple[Status, ...]


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
    if changed == order:
        return order
    return OrderState(changed.status, order.version + 1, changed.fulfillment, changed.attention)


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
                    REPORTED[order.status],
                )
            return order
        return replace(order, fulfillment=_merge(order.fulfillment, fulfillment))
    if status not in TRANSITIONS[order.status]:
        detail = f"An order that is {order.status} cannot become {status}."
        return IllegalTransition(order.status, detail, REPORTED[order.status])
    return _moved(order, status, _merge(order.fulfillment, fulfillment))


def _moved(order: OrderState, status: Status, fulfillment: Fulfillment) -> OrderState:
    """The order with another status. A finished order needs no person to look at it any more."""
    return OrderState(status, order.version, fulfillment, None if status in TERMINAL else order.attention)


def apply_action(order: OrderState, action: Action) -> OrderState | IllegalTransition:
    """The order after the action, which is the very same object if it has a status that the action leads to
    already: that makes the action a repeat. IllegalTransition where the table has no such move."""
    if order.status in _RESULTS[action]:
        return order
    status = _BY_ACTION.get((order.status, action))
    if status is None:
        wanted = {Action.CANCEL: "cancelled", Action.HOLD: "put on hold", Action.RELEASE: "released"}[action]
        detail = f"An order that is {order.status} cannot be {wanted}."
        return IllegalTransition(order.status, detail, OFFERED[order.status])
    return replace(_moved(order, status, order.fulfillment), version=order.version + 1)


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
