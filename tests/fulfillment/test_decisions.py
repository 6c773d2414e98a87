"""What each answer of the Order Service and of the carrier means."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from orderflow.contracts.orders_api import StatusUpdatesIn
from orderflow.fulfillment.attentions import Attention
from orderflow.fulfillment.attentions import status_update as attention_update
from orderflow.fulfillment.carriers import CarrierRefused, CarrierRejected, CarrierUnavailable, Label
from orderflow.fulfillment.decisions import (
    DURABLE_WAITS_MS,
    CallFailed,
    after_answer,
    after_call,
    after_claim,
    after_probe,
    labelled,
)
from orderflow.fulfillment.model import (
    CallAgain,
    Close,
    Done,
    OpenGate,
    Owner,
    Park,
    Shipment,
    State,
    Step,
    TurnBack,
    Wait,
    clean,
    status_update,
)
from orderflow.fulfillment.orders_answers import (
    Acknowledged,
    Answer,
    Conflict,
    Refused,
    Unanswered,
    UnknownOrder,
)
from orderflow.fulfillment.parties import PartyRejected

GATE, SHIPPED, REJECTED, CANCELLED = State.RECEIVED, State.SHIPPED, State.REJECTED, State.CANCELLED
LABEL = Label("s-1", "Carrier", "T-1", datetime(2026, 2, 10, tzinfo=UTC))
AWAY = CallFailed(CarrierUnavailable("no answer", doubtful=True))
AT = datetime(2026, 2, 10, tzinfo=UTC)
ACKNOWLEDGED = Acknowledged()
UNANSWERED = Unanswered("the Order Service answered 503")


def shipment(state: State = State.CALLING, **fields: Any) -> Shipment:
    """A shipment in that state, of an order that is only shipped."""
    return Shipment(
        "01a204ad-977c-7a5a-b4a3-589b3ddf62d2",
        Owner("w", 1),
        "abc",
        None,
        b"{}",
        AT,
        AT,
        state=state,
        **fields,
    )


@pytest.mark.parametrize(
    ("state", "answer", "decision"),
    [
        (GATE, ACKNOWLEDGED, OpenGate()),
        (GATE, Conflict("OnHold"), Wait(60_000, "the order is OnHold", counts=False)),
        (GATE, Conflict("Cancelling"), TurnBack()),
        (GATE, Conflict("Shipped"), Close("the order was Shipped before the carrier was called")),
        (GATE, Conflict("Failed"), Close("the order was Failed before the carrier was called")),
        (GATE, Conflict("Cancelled"), Close("the order was Cancelled before the carrier was called")),
        (GATE, UNANSWERED, Wait(1_000, "the Order Service answered 503")),
        (SHIPPED, ACKNOWLEDGED, Close()),
        (REJECTED, ACKNOWLEDGED, Close()),
        (REJECTED, Conflict("Failed"), Close("the order was Failed already")),
        (SHIPPED, UNANSWERED, Wait(1_000, "the Order Service answered 503")),
        (CANCELLED, ACKNOWLEDGED, Close()),
        (CANCELLED, Conflict("Cancelled"), Close("the order was Cancelled already")),
    ],
)
def test_an_answer_decides_what_happens_next(state: State, answer: Answer, decision: object) -> None:
    assert after_answer(shipment(state), answer) == decision


@pytest.mark.parametrize(
    ("state", "answer", "kind", "has_attention"),
    [
        (GATE, UnknownOrder(), "unknown-order", False),
        (SHIPPED, UnknownOrder(), "unknown-order", False),
        (GATE, Refused("with 422"), "update-refused", True),
        (SHIPPED, Conflict("Shipped"), "status-conflict", True),
        (SHIPPED, Conflict("Cancelled"), "status-conflict", True),
        (REJECTED, Conflict("Shipped"), "status-conflict", True),
        (CANCELLED, Conflict("Shipped"), "status-conflict", True),
    ],
)
def test_what_nobody_can_decide_is_parked(
    state: State, answer: Answer, kind: str, has_attention: bool
) -> None:
    decision = after_answer(shipment(state), answer)
    assert isinstance(decision, Park)
    assert decision.kind == kind
    assert (decision.attention is not None) is has_attention


@pytest.mark.parametrize("state", [GATE, SHIPPED, REJECTED, CANCELLED])
def test_an_update_that_cannot_be_taken_waits_longer_and_longer_and_is_then_for_a_person(
    state: State,
) -> None:
    for waits, after_ms in enumerate(DURABLE_WAITS_MS):
        waited = after_answer(shipment(state, waits=waits), UNANSWERED)
        assert waited == Wait(after_ms, "the Order Service answered 503")
    gave_up = after_answer(shipment(state, waits=len(DURABLE_WAITS_MS)), UNANSWERED)
    assert isinstance(gave_up, Park)
    assert gave_up.kind == "update-unavailable"
    assert gave_up.attention is not None


def test_a_label_and_a_rejection_are_recorded() -> None:
    assert labelled(LABEL) == Done(label=LABEL)
    rejected = after_call(CallFailed(CarrierRejected("no")), shipment(), quick_retries=0)
    assert rejected == TurnBack("no", rejected=True)


def test_only_the_carriers_own_rejection_fails_an_order() -> None:
    for error in (AWAY.error, CarrierRefused("bad"), KeyError(), TimeoutError()):
        assert not isinstance(after_call(CallFailed(error), shipment(), quick_retries=0), TurnBack)


def test_an_outage_is_retried_quickly_then_durably_then_given_to_a_person() -> None:
    quick = [after_call(AWAY, shipment(), quick_retries=tried) for tried in range(3)]
    assert quick == [CallAgain(100, 0.0), CallAgain(200, 0.0), CallAgain(400, 0.0)]
    for waits, after_ms in enumerate(DURABLE_WAITS_MS):
        assert after_call(AWAY, shipment(waits=waits), quick_retries=3) == Wait(
            after_ms, "no answer", State.READY
        )
    gave_up = after_call(AWAY, shipment(waits=len(DURABLE_WAITS_MS)), quick_retries=3)
    assert isinstance(gave_up, Park)
    assert gave_up.kind == "carrier-unavailable"


def test_a_failed_probe_uses_up_nothing_of_the_schedule_while_others_wait() -> None:
    for waits, after_ms in [*enumerate(DURABLE_WAITS_MS), (6, 3_600_000)]:
        failed = after_probe(AWAY, shipment(waits=waits), others_wait=True)
        assert failed == Wait(after_ms, "no answer", State.READY, counts=False)


def test_a_failed_probe_that_is_alone_goes_by_its_schedule_to_its_end() -> None:
    for waits, after_ms in enumerate(DURABLE_WAITS_MS):
        failed = after_probe(AWAY, shipment(waits=waits), others_wait=False)
        assert failed == Wait(after_ms, "no answer", State.READY)
    assert isinstance(after_probe(AWAY, shipment(waits=len(DURABLE_WAITS_MS)), others_wait=False), Park)


def test_the_carriers_retry_after_is_honoured() -> None:
    soon = CarrierUnavailable("busy", doubtful=False, retry_after_s=2)
    assert after_call(CallFailed(soon), shipment(), quick_retries=0) == CallAgain(100, 2)
    late = CarrierUnavailable("busy", doubtful=False, retry_after_s=90)
    assert after_call(CallFailed(late), shipment(), quick_retries=0) == Wait(90_000, "busy", State.READY)


def test_a_request_that_the_carrier_refuses_is_a_dead_letter_at_once() -> None:
    decision = after_call(CallFailed(CarrierRefused("bad")), shipment(), quick_retries=0)
    assert isinstance(decision, Park)
    assert decision.kind == "carrier-refused"


@pytest.mark.parametrize(
    ("step", "undoing", "kind"),
    [
        (Step.CAPTURE, False, "payment"),
        (Step.AUTHORIZE, True, "compensation"),
        (Step.SHIP, True, "compensation"),
    ],
)
def test_an_order_that_has_shipped_or_turned_back_already_cannot_be_rejected(
    step: Step, undoing: bool, kind: str
) -> None:
    rejected = PartyRejected("no")
    decision = after_call(CallFailed(rejected), shipment(step=step, undoing=undoing), quick_retries=0)
    assert isinstance(decision, Park)
    assert decision.kind == kind


@given(st.text(max_size=1500), st.integers(1, 1000))
def test_cleaned_text_is_short_and_without_control_characters(text: str, chars_max: int) -> None:
    cleaned = clean(text, chars_max)
    assert len(cleaned) <= chars_max
    assert not [char for char in cleaned if unicodedata.category(char) in ("Cc", "Cs")]


@given(
    st.sampled_from([GATE, SHIPPED, REJECTED, CANCELLED]),
    st.builds(Label, st.text(), st.text(max_size=300), st.text(max_size=300), st.datetimes()),
    st.text(max_size=1100),
)
def test_every_update_keeps_the_contract_whatever_the_carrier_said(
    state: State, label: Label, words: str
) -> None:
    recorded = labelled(label)
    rejected = after_call(CallFailed(CarrierRejected(words)), shipment(), quick_retries=0)
    assert isinstance(rejected, TurnBack)
    if isinstance(recorded, Park):
        attention = Attention("01a204ad-977c-7a5a-b4a3-589b3ddf62d2", recorded.kind, recorded.note, "abc")
        StatusUpdatesIn.model_validate_json(to_json({"updates": [attention_update(attention)]}))
        state = REJECTED
    owing = shipment(
        state,
        label=recorded.label if isinstance(recorded, Done) and state is SHIPPED else None,
        error=rejected.error if state is REJECTED else None,
    )
    StatusUpdatesIn.model_validate_json(to_json({"updates": [status_update(owing)]}))


def test_a_shipment_is_given_up_only_when_it_has_cost_twenty_workers_in_ten_minutes() -> None:
    decisions = [after_claim(shipment(interruptions=times), ()) for times in range(22)]
    assert decisions[:6] == [None] * 6
    waits = [decision for decision in decisions[6:21] if isinstance(decision, Wait)]
    assert [wait.after_ms // 1000 for wait in waits] == [1, 2, 4, 8, 16, 32, *[60] * 9]
    assert {(wait.to_state, wait.counts) for wait in waits} == {(State.READY, False)}
    assert isinstance(decisions[21], Park)


def test_an_order_to_be_cancelled_does_not_wait_for_having_been_interrupted() -> None:
    assert after_claim(shipment(interruptions=9, cancel_requested=True), ()) == TurnBack()


def test_what_was_interrupted_goes_on_at_once_after_its_wait() -> None:
    assert after_claim(shipment(State.READY, interruptions=9), ()) is None
