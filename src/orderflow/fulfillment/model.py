"""A shipment's life, and every decision about it. Pure: no clock, no randomness.

    received ──▶ ready ⇄ calling ──▶ shipped | rejected | cancelled ──▶ closed
        └──────────┴────────┴───────────────────┴──▶ parked (a person must look)

`received`: the gate is shut, which means that the Order Service has not acknowledged Processing and that no
party outside must be called. `ready`: the gate is open, and the present step may begin. `calling`: its intent
is durable, so its party may have done it. `shipped`, `rejected`, `cancelled`: the outcome is recorded, but
the Order Service has not acknowledged it. The state alone says which status update is owed, so an order never
has two of them. Once Shipped is acknowledged, a payment that was authorized is captured: the shipment is
`ready` again for that. A shipment that was discarded before its gate opened is `received` with an error: once
Processing is acknowledged, it is rejected with that error and no party is called.

An open gate is first written down with the intent: after a crash, the Order Service is simply asked again,
and it answers a repeat as it did the first time.

The steps and their order are in `saga.py`.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Any, cast

from pydantic_core import from_json, to_json

from orderflow.fulfillment.carriers import Label

TEXT_CHARS_MAX = 200
ERROR_CHARS_MAX = 1_000


class State(StrEnum):
    RECEIVED = "received"
    READY = "ready"
    CALLING = "calling"
    SHIPPED = "shipped"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    PARKED = "parked"


class Step(StrEnum):
    """The steps of an order's saga, in their order."""

    STOCK = "stock"
    AUTHORIZE = "authorize"
    SHIP = "ship"
    CAPTURE = "capture"


@dataclass(frozen=True, slots=True)
class Owner:
    """A worker in one of its lives. Every start and every lost lease begins a new life, with a new epoch."""

    worker_id: str
    epoch: int


NOBODY = Owner("", 0)
"""For a shipment that is stored or read without an owner."""


DONE = "done"
UNDONE = "undone"
GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class Ended:
    """A step that the saga has left behind. `state`: `done`, `undone` (or rejected by its party, so that
    there is nothing to undo), or `given-up` by a person. `authorization_id`: what capturing and voiding
    need."""

    step: Step
    state: str
    attempts: int = 0
    at: datetime | None = None
    party: str | None = None
    intent_at: datetime | None = None
    authorization_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Shipment:
    """A shipment as its owner holds it in memory.

    `step` is the present step, and `undoing` its direction, which changes only once. `attempts` counts the
    calls of the present step. `waits` counts its durable waits, or those for opening the gate or reporting an
    outcome. `interruptions` counts how often a worker vanished during a call. `intent_at` is when the key of
    the present step was first used, if ever, and `party` the party it was sent to. `ended` are the steps
    before it, as far as they applied and matter to later steps. `error` is why the order fails; an order that
    turned back without one was cancelled. `amount_minor` and `currency` are what the order costs, if its
    items have prices. `cancel_requested`: its row says that the Order Service wants it cancelled, if it still
    can.
    """

    order_id: str
    owner: Owner
    correlation_id: str
    traceparent: str | None
    request: bytes
    ordered_at: datetime
    received_at: datetime
    amount_minor: int | None = None
    currency: str | None = None
    state: State = State.RECEIVED
    step: Step = Step.SHIP
    undoing: bool = False
    ended: tuple[Ended, ...] = ()
    intent_at: datetime | None = None
    party: str | None = None
    attempts: int = 0
    waits: int = 0
    interruptions: int = 0
    label: Label | None = None
    error: str | None = None
    cancel_requested: bool = False

    @property
    def idempotency_key(self) -> str:
        """The key sent to a party: it depends on the order alone, so every retry names the same thing."""
        return f"orderflow-{self.order_id}"

    @property
    def may_be_done(self) -> bool:
        """Whether the present step's party may have done it: it was called, or was looked up and had
        something."""
        return self.intent_at is not None or self.party is not None

    def ended_step(self, step: Step) -> Ended | None:
        return next((each for each in self.ended if each.step is step), None)

    def done_step(self, step: Step) -> Ended | None:
        """As `ended_step`, but only if it was done and not undone since."""
        ended = self.ended_step(step)
        return ended if ended is not None and ended.state == DONE else None

    def is_past_key_lifetime(self, now: datetime, lifetime: timedelta) -> bool:
        """Whether the party may have forgotten the key, so that a call might do the step twice. A payment is
        captured by its id, which does not expire."""
        return self.step is not Step.CAPTURE and now - (self.intent_at or self.ordered_at) > lifetime


_NAMES = tuple(each.name for each in fields(Shipment))
_values = attrgetter(*_NAMES)
_SETTERS = tuple(getattr(Shipment, name).__set__ for name in _NAMES)


def changed(shipment: Shipment, **values: Any) -> Shipment:
    """As `dataclasses.replace`, but twice as fast, because the constructor of a frozen class is not called.
    Every order needs it several times. Raises AttributeError for a name that is no field's."""
    copy = object.__new__(Shipment)
    for put, value in zip(_SETTERS, _values(shipment), strict=True):
        put(copy, value)
    for name, value in values.items():
        object.__setattr__(copy, name, value)
    return copy


@dataclass(frozen=True, slots=True)
class OpenGate:
    """Processing is acknowledged: the first step may begin."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """Shipped is acknowledged, and a step remains after it; the shipment is at that step."""

    shipment: Shipment


@dataclass(frozen=True, slots=True)
class Call:
    """The intent: written before every call of the present step's party."""


@dataclass(frozen=True, slots=True)
class CallAgain:
    """A quick retry after a random share (full jitter, 0 to 1) of `jitter_ms`, but not before `after_s`."""

    jitter_ms: int
    after_s: float


@dataclass(frozen=True, slots=True)
class Done:
    """The present step is done. `label` is what shipping leaves, `authorization_id` what authorizing does."""

    label: Label | None = None
    authorization_id: str | None = None


@dataclass(frozen=True, slots=True)
class Undone:
    """Its party has undone the present step, or never did it."""


@dataclass(frozen=True, slots=True)
class TurnBack:
    """From now on, what was done is undone; then the order fails with `error`, or is cancelled if that is
    None. `rejected`: the present step's party has rejected it, so it has nothing to undo."""

    error: str | None = None
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A person gives up the present step: nobody calls its party any more."""

    note: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Let go of the shipment; it is due again after `after_ms`. `to_state`: None keeps the state. `counts`:
    whether it is one of the durable waits, whose number is limited. `cause`: what logs say instead of `note`,
    where the note holds words that are not ours."""

    after_ms: int
    note: str
    to_state: State | None = None
    counts: bool = True
    cause: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Close:
    """There is nothing more to do. `note` says why, unless it is plain success."""

    note: str | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """A person must look: the shipment becomes a dead letter. `attention`: what the order is to say about it,
    None where there is no order to say it. `cause` as in Wait."""

    kind: str
    note: str
    attention: str | None
    cause: str | None = field(default=None, compare=False)


Move = Call | Done | Undone | TurnBack | GiveUp
"""Decisions that move the saga."""

Written = Call | Done | Undone | TurnBack | Wait | Close | Park
"""Decisions that change the shipment's row."""


def status_update(shipment: Shipment) -> dict[str, Any]:
    """The update that the shipment's state owes to the Order Service (contract: StatusUpdate)."""
    update: dict[str, Any] = {"orderId": shipment.order_id, "correlationId": shipment.correlation_id}
    if shipment.traceparent is not None:
        update["traceparent"] = shipment.traceparent
    if shipment.state is State.SHIPPED and shipment.label is not None:
        label = shipment.label
        update["status"] = "Shipped"
        update["fulfillment"] = {
            "carrier": label.carrier,
            "trackingNumber": label.tracking_number,
            "shippedAt": label.shipped_at,
        }
    elif shipment.state is State.REJECTED:
        update["status"] = "Failed"
        update["fulfillment"] = {"errorMessage": shipment.error}
    elif shipment.state is State.CANCELLED:
        update["status"] = "Cancelled"
    else:
        update["status"] = "Processing"
    return update


_DOCUMENT = {
    "step": "step",
    "state": "state",
    "attempts": "attempts",
    "at": "at",
    "party": "party",
    "intentAt": "intent_at",
    "authorizationId": "authorization_id",
    "reason": "reason",
}


def encode_ended(ended: Sequence[Ended]) -> str | None:
    """The steps as their row keeps them; None if there are none, as for an order that is only shipped."""
    if not ended:
        return None
    return to_json(
        [
            {name: value for name, of in _DOCUMENT.items() if (value := getattr(each, of)) is not None}
            for each in ended
        ]
    ).decode()


def decode_ended(kept: str | None) -> tuple[Ended, ...]:
    if kept is None:
        return ()
    return tuple(map(_ended, cast("list[Mapping[str, Any]]", from_json(kept))))


def _ended(document: Mapping[str, Any]) -> Ended:
    return Ended(
        Step(document["step"]),
        document["state"],
        attempts=document["attempts"],
        at=_instant(document.get("at")),
        party=document.get("party"),
        intent_at=_instant(document.get("intentAt")),
        authorization_id=document.get("authorizationId"),
        reason=document.get("reason"),
    )


def _instant(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)


def clean(text: str, chars_max: int) -> str:
    """The text on one line, without control characters and lone surrogates; it may be empty. If it had to be
    cut, it ends with an ellipsis."""
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in text)
    text = text.strip()
    return text if len(text) <= chars_max else text[: chars_max - 1].rstrip() + "…"
