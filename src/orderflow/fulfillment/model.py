"""A shipment's life, and every decision about it. Pure: no clock, no randomness.

    received ──▶ ready ──▶ calling ──▶ shipped | rejected ──▶ closed
        └──────────┴──────────┴────────────────┴──▶ parked (a person must look)

`received`: the gate is shut, which means that the Order Service has not acknowledged Processing and that the
carrier must not be called. `ready`: the gate is open. `calling`: an intent is durable, so the carrier may
have made the shipment. `shipped`, `rejected`: the outcome is recorded, but the Order Service has not
acknowledged it. The state alone says which status update is owed, so an order never has two of them. A
shipment that was discarded before its gate opened is `received` with an error: once Processing is
acknowledged, it is rejected with that error and no carrier is called.

An open gate is first written down with the intent: after a crash, the Order Service is simply asked again,
and it answers a repeat as it did the first time.
"""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from orderflow.fulfillment.carriers import CarrierRefused, CarrierRejected, CarrierUnavailable, Label

HOLD_MS = 60_000
QUICK_RETRIES_MAX = 3
QUICK_RETRY_MS = 100
RETRY_AFTER_QUICK_S_MAX = 5.0
DURABLE_WAITS_MS = (1_000, 5_000, 30_000, 120_000, 600_000, 3_600_000)
WAIT_MS_MAX = 3_600_000
"""The longest wait: the last one of the schedule, and the longest that a carrier may ask for."""
INTERRUPTIONS_MAX = 20
TEXT_CHARS_MAX = 200
ERROR_CHARS_MAX = 1_000
UNKNOWN_ORDER = "unknown-order"
CARRIER_CHANGED = "carrier-changed"
CARRIER_LABEL = "carrier-label"


class State(StrEnum):
    RECEIVED = "received"
    READY = "ready"
    CALLING = "calling"
    SHIPPED = "shipped"
    REJECTED = "rejected"
    CLOSED = "closed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Owner:
    """A worker in one of its lives. Every start and every lost lease begins a new life, with a new epoch."""

    worker_id: str
    epoch: int


def idempotency_key(order_id: str) -> str:
    """The key sent to the carrier: it depends on the order alone, so every retry names the same shipment."""
    return f"orderflow-{order_id}"


@dataclass(frozen=True, slots=True)
class Shipment:
    """A shipment as its owner holds it in memory.

    `attempts` counts carrier calls. `waits` counts the durable waits of the present step: opening the gate,
    getting the carrier's outcome, or reporting it. `interruptions` counts how often a worker vanished during
    a call. `intent_at` is when the carrier's key was first used, if ever, and `party` the carrier it was sent
    to.
    """

    order_id: str
    owner: Owner
    correlation_id: str
    traceparent: str | None
    request: bytes
    ordered_at: datetime
    received_at: datetime
    intent_at: datetime | None = None
    party: str | None = None
    state: State = State.RECEIVED
    attempts: int = 0
    waits: int = 0
    interruptions: int = 0
    label: Label | None = None
    error: str | None = None

    @property
    def idempotency_key(self) -> str:
        return idempotency_key(self.order_id)

    def is_past_key_lifetime(self, now: datetime, lifetime: timedelta) -> bool:
        """Whether the carrier may have forgotten the key, so that a call might make a second shipment."""
        return now - (self.intent_at or self.ordered_at) > lifetime


@dataclass(frozen=True, slots=True)
class OpenGate:
    """Processing is acknowledged: the carrier may be called."""


@dataclass(frozen=True, slots=True)
class CallCarrier:
    """The intent: written before every call of the carrier."""


@dataclass(frozen=True, slots=True)
class CallAgain:
    """A quick retry after a random share (full jitter, 0 to 1) of `jitter_ms`, but not before `after_s`."""

    jitter_ms: int
    after_s: float


@dataclass(frozen=True, slots=True)
class RecordLabel:
    label: Label


@dataclass(frozen=True, slots=True)
class RecordRejection:
    error: str


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


Written = CallCarrier | RecordLabel | RecordRejection | Wait | Close | Park
"""Decisions that change the shipment's row."""


def status_update(shipment: Shipment) -> dict[str, Any]:
    """The update that the shipment's state owes to the Order Service (contract: StatusUpdate)."""
    update: dict[str, Any] = {"orderId": shipment.order_id, "correlationId": shipment.correlation_id}
    if shipment.traceparent is not None:
        update["traceparent"] = shipment.traceparent
    if shipment.label is not None:
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
    else:
        update["status"] = "Processing"
    return update


def is_outage(http_status: int) -> bool:
    """Whether the answer says nothing about the update itself, so that it may be accepted later."""
    return http_status in (408, 429) or http_status >= 500


def after_answer(
    state: State, http_status: int, current_status: str | None, *, waits: int
) -> OpenGate | Wait | Close | Park:
    """What to do after the Order Service's answer to the update that `state` owes. `waits` counts the durable
    waits for this update so far."""
    if http_status == 204:
        return OpenGate() if state is State.RECEIVED else Close()
    if http_status == 404:
        return Park(UNKNOWN_ORDER, "the Order Service does not know the order", None)
    if is_outage(http_status):
        return _after_outage(f"the Order Service answered {http_status}", waits)
    if http_status == 409 and current_status is not None:
        conflict = _after_gate_conflict if state is State.RECEIVED else _after_outcome_conflict
        return conflict(state, current_status)
    return update_refused(http_status)


def _after_outage(note: str, waits: int) -> Wait | Park:
    """Other updates were answered, so the trouble is with this one: it waits longer and longer."""
    if waits < len(DURABLE_WAITS_MS):
        return Wait(DURABLE_WAITS_MS[waits], note)
    attention = f"A status update from fulfillment could not be delivered for hours: {note}."
    return Park("update-unavailable", attention, attention)


def _after_gate_conflict(_state: State, current_status: str) -> Wait | Close | Park:
    if current_status in ("OnHold", "Cancelling"):
        return Wait(HOLD_MS, f"the order is {current_status}", counts=False)
    if current_status in ("Shipped", "Failed", "Cancelled"):
        return Close(f"the order was {current_status} before the carrier was called")
    return _status_conflict(f"Processing was refused for an order that is {current_status}.")


def _after_outcome_conflict(state: State, current_status: str) -> Close | Park:
    # A repeated Shipped with the same carrier and tracking number gets 204, so a 409 means another shipment.
    if state is State.REJECTED and current_status in ("Failed", "Cancelled"):
        return Close(f"the order was {current_status} already")
    outcome = "shipped" if state is State.SHIPPED else "rejected by the carrier"
    return _status_conflict(f"It was {outcome}, but the order is {current_status} with other details.")


def after_gate_of_discarded(
    error: str, http_status: int, current_status: str | None, *, waits: int
) -> RecordRejection | Wait | Close | Park:
    """As `after_answer`, for a shipment that was discarded before the carrier was ever called."""
    decision = after_answer(State.RECEIVED, http_status, current_status, waits=waits)
    if isinstance(decision, OpenGate) or current_status == "Cancelling":
        return RecordRejection(error)
    if isinstance(decision, Park) and decision.kind == UNKNOWN_ORDER:
        return Close("discarded; the Order Service does not know the order")
    return decision


def _status_conflict(attention: str) -> Park:
    return Park("status-conflict", attention, attention)


def update_refused(http_status: int) -> Park:
    """The Order Service will never accept this update. Its own words are not repeated."""
    return Park(
        "update-refused",
        f"the Order Service refused the status update with {http_status}",
        "The Order Service refused a status update from fulfillment for good.",
    )


def after_call(
    outcome: Label | Exception, *, quick_retries: int, waits: int
) -> RecordLabel | RecordRejection | CallAgain | Wait | Park:
    """What to do after a call, given the number of quick retries in this round and of durable waits so far.

    An exception that the port does not name counts as an outage: nothing is known, so nothing is given up.
    """
    if isinstance(outcome, Label):
        return _record(outcome)
    if isinstance(outcome, CarrierRejected):
        return RecordRejection(clean(str(outcome), ERROR_CHARS_MAX) or "rejected by the carrier")
    if isinstance(outcome, CarrierRefused):
        return _gave_up("carrier-refused", "The carrier does not accept the request", outcome)
    retry_after_s = (outcome.retry_after_s or 0.0) if isinstance(outcome, CarrierUnavailable) else 0.0
    if quick_retries < QUICK_RETRIES_MAX and retry_after_s <= RETRY_AFTER_QUICK_S_MAX:
        return CallAgain(QUICK_RETRY_MS * 2**quick_retries, retry_after_s)
    if waits < len(DURABLE_WAITS_MS):
        after_ms = max(DURABLE_WAITS_MS[waits], int(retry_after_s * 1000))
        return Wait(after_ms, _words(outcome), State.READY, cause=cause(outcome))
    return _gave_up("carrier-unavailable", "The carrier could not be reached for hours", outcome)


def after_probe(
    outcome: Label | Exception, *, waits: int, others_wait: bool
) -> RecordLabel | RecordRejection | CallAgain | Wait | Park:
    """As `after_call` for a probe, which gets no quick retries. If it fails while others wait for the
    carrier, the carrier counts as down for everybody: this shipment waits without using up its schedule. If
    no others wait, this shipment may itself be the cause, so the wait counts."""
    if not others_wait:
        return after_call(outcome, quick_retries=QUICK_RETRIES_MAX, waits=waits)
    step = min(waits, len(DURABLE_WAITS_MS) - 1)
    decision = after_call(outcome, quick_retries=QUICK_RETRIES_MAX, waits=step)
    return replace(decision, counts=False) if isinstance(decision, Wait) else decision


def after_look_up(found: Sequence[Label], *, called: bool) -> RecordLabel | Park | None:
    """What to do when these are the carrier's live shipments of an order whose key it may have forgotten.

    None means: call the carrier. If it was ever called, a look-up that finds nothing proves nothing.
    """
    if len(found) == 1:
        return _record(found[0])
    if not found and not called:
        return None
    there = f"{len(found)} live shipments" if found else "no shipment, though it was called"
    text = f"The carrier's idempotency key has expired and it shows {there}: nobody may call it again."
    return Park("carrier-doubt", text, text)


def carrier_changed(party: str) -> str:
    """What a person is told about an order that a carrier may have, if nobody can ask that carrier any
    more."""
    return (
        f"The carrier {party} may have shipped this order, and no worker can ask it any more: name it in "
        "ORDERFLOW_FORMER_CARRIERS and redrive the dead letter, or ask that carrier yourself."
    )


def after_claim(shipment: Shipment, parties: Collection[str]) -> Park | None:
    """Why a claimed shipment is for a person: its carrier is not among `parties`, which this worker can ask,
    or too many workers vanished in mid-call. None: it goes on."""
    if shipment.state not in (State.READY, State.CALLING):
        return None
    if shipment.party is not None and shipment.party not in parties:
        text = carrier_changed(shipment.party)
        return Park(CARRIER_CHANGED, text, text)
    if shipment.state is State.READY or shipment.interruptions <= INTERRUPTIONS_MAX:
        return None
    text = f"Workers vanished {shipment.interruptions} times while the carrier was being called."
    return Park("interrupted", text, text)


def _gave_up(kind: str, text: str, outcome: Exception) -> Park:
    attention = clean(f"{text}: {_words(outcome)}", ERROR_CHARS_MAX)
    return Park(kind, attention, attention, cause(outcome))


def cause(outcome: Exception) -> str:
    """What logs and health say of a failed call: none of the carrier's words, which may name a person."""
    if isinstance(outcome, (CarrierUnavailable, CarrierRefused)) and outcome.status is not None:
        return f"HTTP {outcome.status}"
    if isinstance(outcome, CarrierUnavailable):
        return "no answer that can be relied on" if outcome.doubtful else "not reached"
    return type(outcome).__name__


def _words(outcome: Exception) -> str:
    known = isinstance(outcome, (CarrierUnavailable, CarrierRefused))
    return (clean(str(outcome), ERROR_CHARS_MAX) if known else "") or type(outcome).__name__


def _record(label: Label) -> RecordLabel | Park:
    """Record the label, its texts trimmed; if an order could not keep it whole, it is for a person."""
    fields = ("shipment_id", "carrier", "tracking_number")
    texts = {name: str(getattr(label, name)).strip() for name in fields}
    unfit = [name for name, text in texts.items() if not text or clean(text, TEXT_CHARS_MAX) != text]
    if unfit:
        told = "; ".join(f"{name.replace('_', ' ')} of {len(texts[name])}: {texts[name]}" for name in unfit)
        attention = clean(
            "The carrier has shipped this order, but its label does not fit: an order keeps texts of 1 to "
            f"{TEXT_CHARS_MAX} characters without control characters, and this has a {told}",
            ERROR_CHARS_MAX,
        )
        return Park(CARRIER_LABEL, attention, attention, "the label does not fit")
    at = label.shipped_at
    return RecordLabel(Label(**texts, shipped_at=at if at.tzinfo else at.replace(tzinfo=UTC)))


def clean(text: str, chars_max: int) -> str:
    """The text on one line, without control characters and lone surrogates; it may be empty. If it had to be
    cut, it ends with an ellipsis."""
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in text)
    text = text.strip()
    return text if len(text) <= chars_max else text[: chars_max - 1].rstrip() + "…"
