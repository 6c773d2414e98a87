"""Every decision about a shipment: what an answer of the Order Service or of a party means. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from orderflow.fulfillment import saga
from orderflow.fulfillment.carriers import Label
from orderflow.fulfillment.model import (
    ERROR_CHARS_MAX,
    TEXT_CHARS_MAX,
    CallAgain,
    Close,
    Done,
    GoOn,
    OpenGate,
    Park,
    Shipment,
    State,
    Step,
    TurnBack,
    Undone,
    Wait,
    clean,
)
from orderflow.fulfillment.orders_answers import (
    Acknowledged,
    Answer,
    Conflict,
    Refused,
    Unanswered,
    UnknownOrder,
)
from orderflow.fulfillment.parties import PartyRefused, PartyRejected, PartyUnavailable

HOLD_MS = 60_000
QUICK_RETRIES_MAX = 3
QUICK_RETRY_MS = 100
RETRY_AFTER_QUICK_S_MAX = 5.0
DURABLE_WAITS_MS = (1_000, 5_000, 30_000, 120_000, 600_000, 3_600_000)
WAIT_MS_MAX = 3_600_000
"""The longest wait: the last one of the schedule, and the longest that a party may ask for."""
INTERRUPTIONS_AT_ONCE = 5
"""After so many interruptions, a shipment is called again at once; from then on it waits longer each time."""
INTERRUPTIONS_MAX = 20
INTERRUPTED_MS_MAX = 60_000
UNKNOWN_ORDER = "unknown-order"
CARRIER_CHANGED = "carrier-changed"
CARRIER_LABEL = "carrier-label"
PAYMENT = "payment"
COMPENSATION = "compensation"


AfterAnswer = OpenGate | GoOn | TurnBack | Wait | Close | Park


def after_answer(shipment: Shipment, answer: Answer) -> AfterAnswer:
    """What to do after the Order Service's answer to the update that the shipment owes."""
    if shipment.state is State.RECEIVED and shipment.error is not None:
        return _after_gate_of_discarded(shipment, answer)
    return _after_answer(shipment, answer)


def _after_answer(shipment: Shipment, answer: Answer) -> AfterAnswer:
    match answer:
        case Acknowledged():
            if shipment.state is State.RECEIVED:
                return OpenGate()
            following = saga.after_shipped(shipment) if shipment.state is State.SHIPPED else None
            return Close() if following is None else GoOn(following)
        case UnknownOrder():
            return Park(UNKNOWN_ORDER, "the Order Service does not know the order", None)
        case Unanswered(reason):
            return _after_outage(reason, shipment.waits)
        case Conflict(current_status):
            conflict = _after_gate_conflict if shipment.state is State.RECEIVED else _after_outcome_conflict
            return conflict(shipment.state, current_status)
        case Refused(how):
            return _update_refused(how)


def _after_outage(note: str, waits: int) -> Wait | Park:
    """Other updates were answered, so the trouble is with this one: it waits longer and longer."""
    if waits < len(DURABLE_WAITS_MS):
        return Wait(DURABLE_WAITS_MS[waits], note)
    attention = f"A status update from fulfillment could not be delivered for hours: {note}."
    return Park("update-unavailable", attention, attention)


def _after_gate_conflict(_state: State, current_status: str) -> TurnBack | Wait | Close | Park:
    if current_status == "OnHold":
        return Wait(HOLD_MS, "the order is OnHold", counts=False)
    if current_status == "Cancelling":
        return TurnBack()
    if current_status in ("Shipped", "Failed", "Cancelled"):
        return Close(f"the order was {current_status} before the carrier was called")
    return _status_conflict(f"Processing was refused for an order that is {current_status}.")


_OUTCOMES = {
    State.SHIPPED: "shipped",
    State.REJECTED: "rejected",
    State.CANCELLED: "cancelled on request",
}


def _after_outcome_conflict(state: State, current_status: str) -> Close | Park:
    # A repeated Shipped with the same carrier and tracking number gets 204, so a 409 means another shipment.
    if state is not State.SHIPPED and current_status in ("Failed", "Cancelled"):
        return Close(f"the order was {current_status} already")
    return _status_conflict(
        f"It was {_OUTCOMES[state]}, but the order is {current_status} with other details."
    )


def _after_gate_of_discarded(shipment: Shipment, answer: Answer) -> AfterAnswer:
    """For a shipment that was discarded before any party was called."""
    decision = _after_answer(shipment, answer)
    if isinstance(decision, (OpenGate, TurnBack)):
        return TurnBack(shipment.error)
    if isinstance(decision, Park) and decision.kind == UNKNOWN_ORDER:
        return Close("discarded; the Order Service does not know the order")
    return decision


def _status_conflict(attention: str) -> Park:
    return Park("status-conflict", attention, attention)


def _update_refused(how: str) -> Park:
    """The Order Service will never accept this update. Its own words are not repeated."""
    return Park(
        "update-refused",
        f"the Order Service refused the status update {how}",
        "The Order Service refused a status update from fulfillment for good.",
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """How a step's failures are called: the kinds of the dead letters, and what a person is told."""

    refused: str
    unavailable: str
    doubt: str
    changed: str
    party: str
    refusal: str
    outage: str


_CARRIER = _Words(
    refused="carrier-refused",
    unavailable="carrier-unavailable",
    doubt="carrier-doubt",
    changed=CARRIER_CHANGED,
    party="carrier",
    refusal="The carrier does not accept the request",
    outage="The carrier could not be reached for hours",
)
_PROVIDER = _Words(
    refused=PAYMENT,
    unavailable=PAYMENT,
    doubt=PAYMENT,
    changed=PAYMENT,
    party="payment provider",
    refusal="The payment provider does not accept the request",
    outage="The payment provider could not be reached for hours",
)


def _words(shipment: Shipment) -> _Words:
    """Whatever fails while a step is undone is a dead letter of its own kind."""
    words = _CARRIER if shipment.step is Step.SHIP else _PROVIDER
    if not shipment.undoing:
        return words
    return replace(
        words,
        refused=COMPENSATION,
        unavailable=COMPENSATION,
        doubt=COMPENSATION,
        changed=COMPENSATION,
        refusal=f"The {words.party} does not undo what it has done for this order",
    )


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call of a party ended with this error: one that the port names, or any other."""

    error: Exception


Outcome = Done | Undone | Park | CallFailed
"""What a call of a party comes to."""

AfterCall = Done | Undone | TurnBack | CallAgain | Wait | Park


def after_call(outcome: Outcome, shipment: Shipment, *, quick_retries: int) -> AfterCall:
    """What to do after a call, given the number of quick retries in this round.

    An exception that the port does not name counts as an outage: nothing is known, so nothing is given up.
    What is undone, or follows a shipment, cannot be rejected: such an answer is a refusal.
    """
    if not isinstance(outcome, CallFailed):
        return outcome
    error = outcome.error
    if isinstance(error, PartyRejected) and saga.may_turn(shipment):
        rejection = clean(str(error), ERROR_CHARS_MAX)
        if shipment.step is Step.SHIP:
            return TurnBack(rejection or "rejected by the carrier", rejected=True)
        declined = f"the payment was declined{': ' if rejection else ''}{rejection}"
        return TurnBack(clean(declined, ERROR_CHARS_MAX), rejected=True)
    words = _words(shipment)
    if isinstance(error, (PartyRefused, PartyRejected)):
        return _gave_up(words.refused, words.refusal, error)
    retry_after_s = (error.retry_after_s or 0.0) if isinstance(error, PartyUnavailable) else 0.0
    if quick_retries < QUICK_RETRIES_MAX and retry_after_s <= RETRY_AFTER_QUICK_S_MAX:
        return CallAgain(QUICK_RETRY_MS * 2**quick_retries, retry_after_s)
    if shipment.waits < len(DURABLE_WAITS_MS):
        after_ms = max(DURABLE_WAITS_MS[shipment.waits], int(retry_after_s * 1000))
        return Wait(after_ms, _said(error), State.READY, cause=cause(error))
    return _gave_up(words.unavailable, words.outage, error)


def after_probe(outcome: Outcome, shipment: Shipment, *, others_wait: bool) -> AfterCall:
    """As `after_call` for a probe, which gets no quick retries. If it fails while others wait for the
    party, the party counts as down for everybody: this shipment waits without using up its schedule. If
    no others wait, this shipment may itself be the cause, so the wait counts."""
    if not others_wait:
        return after_call(outcome, shipment, quick_retries=QUICK_RETRIES_MAX)
    longest = replace(shipment, waits=min(shipment.waits, len(DURABLE_WAITS_MS) - 1))
    decision = after_call(outcome, longest, quick_retries=QUICK_RETRIES_MAX)
    return replace(decision, counts=False) if isinstance(decision, Wait) else decision


def after_look_up(found: Sequence[Done | Park], shipment: Shipment) -> Done | Park | None:
    """What to do when this is what the party has for an order whose key it may have forgotten.

    None means: call it. If it was ever called, a look-up that finds nothing proves nothing.
    """
    if len(found) == 1:
        return found[0]
    if not found and shipment.intent_at is None:
        return None
    words, things = _words(shipment), "shipment" if shipment.step is Step.SHIP else "payment"
    there = f"{len(found)} live {things}s" if found else f"no {things}, though it was called"
    text = f"The {words.party}'s idempotency key has expired and it shows {there}: nobody may call it again."
    return Park(words.doubt, text, text)


def party_changed(shipment: Shipment) -> Park:
    """For an order that a party may have done something for, if nobody can ask that party any more."""
    if shipment.step is Step.SHIP:
        told = (
            f"The carrier {shipment.party} may have shipped this order, and no worker can ask it any more: "
            "name it in ORDERFLOW_FORMER_CARRIERS and redrive the dead letter, or ask that carrier yourself."
        )
    else:
        told = (
            f"The payment provider {shipment.party} may hold money for this order, and no worker can ask it "
            "any more: let workers use it again and redrive the dead letter, or ask that provider yourself."
        )
    return Park(_words(shipment).changed, told, told)


def after_claim(shipment: Shipment, parties: Collection[str]) -> TurnBack | Wait | Park | None:
    """What to do at once with a claimed shipment: it is to be cancelled; its party is not among `parties`,
    which this worker can ask; or too many workers vanished in mid-call. None: it goes on.

    A shipment may be the reason why workers vanish, or merely be called by those that do. So it waits longer
    and longer, which lets others go first, and is given up only once it has cost 20 workers in ten minutes.
    """
    if shipment.cancel_requested and saga.may_turn(shipment) and _is_untouched(shipment):
        return TurnBack(shipment.error)
    if shipment.state not in (State.READY, State.CALLING):
        return None
    if shipment.party is not None and shipment.party not in parties:
        return party_changed(shipment)
    interruptions = shipment.interruptions if shipment.state is State.CALLING else 0
    if interruptions > INTERRUPTIONS_MAX:
        party = _words(shipment).party
        text = f"Workers vanished {interruptions} times while the {party} was being called."
        return Park("interrupted", text, text)
    if shipment.cancel_requested and saga.may_turn(shipment):
        return TurnBack(shipment.error)
    if interruptions > INTERRUPTIONS_AT_ONCE:
        after_ms = min(1_000 << (interruptions - INTERRUPTIONS_AT_ONCE - 1), INTERRUPTED_MS_MAX)
        note = f"workers vanished {interruptions} times during the call"
        return Wait(after_ms, note, State.READY, counts=False)
    return None


def _is_untouched(shipment: Shipment) -> bool:
    """Whether the present step has not begun."""
    return shipment.state in (State.RECEIVED, State.READY) and not shipment.may_be_done


def _gave_up(kind: str, text: str, error: Exception) -> Park:
    attention = clean(f"{text}: {_said(error)}", ERROR_CHARS_MAX)
    return Park(kind, attention, attention, cause(error))


def cause(error: Exception) -> str:
    """What logs and health say of a failed call: none of the party's words, which may name a person."""
    if isinstance(error, (PartyUnavailable, PartyRefused)) and error.status is not None:
        return f"HTTP {error.status}"
    if isinstance(error, PartyUnavailable):
        return "no answer that can be relied on" if error.doubtful else "not reached"
    return type(error).__name__


def _said(error: Exception) -> str:
    known = isinstance(error, (PartyUnavailable, PartyRefused, PartyRejected))
    return (clean(str(error), ERROR_CHARS_MAX) if known else "") or type(error).__name__


def labelled(label: Label) -> Done | Park:
    """Keep the label, its texts trimmed; if an order could not keep it whole, it is for a person."""
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
    return Done(label=Label(**texts, shipped_at=at if at.tzinfo else at.replace(tzinfo=UTC)))
