"""Which step of an order is next, in either direction."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.fulfillment import saga
from orderflow.fulfillment.carriers import Label
from orderflow.fulfillment.model import (
    DONE,
    GIVEN_UP,
    UNDONE,
    Call,
    Done,
    Ended,
    GiveUp,
    Move,
    Owner,
    Shipment,
    State,
    Step,
    TurnBack,
    Undone,
    changed,
    decode_ended,
    encode_ended,
)

AT = datetime(2026, 2, 10, tzinfo=UTC)
LABEL = Label("s-1", "Carrier", "T-1", AT)


def received(**fields: Any) -> Shipment:
    return Shipment("an order", Owner("w", 1), "abc", None, b"{}", AT, AT, **fields)


def called(shipment: Shipment, party: str = "a party") -> Shipment:
    intended = replace(shipment, party=shipment.party or party, intent_at=shipment.intent_at or AT)
    return saga.moved(intended, Call(), AT)


def after(shipment: Shipment, *moves: Move) -> Shipment:
    for move in moves:
        shipment = called(shipment) if isinstance(move, Call) else saga.moved(shipment, move, AT)
    return shipment


def paid() -> Shipment:
    """An order whose payment is authorized and whose stock is reserved, about to be shipped."""
    opened = saga.opened(received(amount_minor=500, currency="EUR"), takes_payments=True)
    return after(saga.reserved(opened, AT), Call(), Done(authorization_id="a-1"))


def ended(shipment: Shipment) -> dict[str, str]:
    return {each.step.value: each.state for each in shipment.ended}


def test_an_order_without_prices_is_shipped_at_once() -> None:
    assert saga.opened(received(), takes_payments=True).step is Step.SHIP
    priced = received(amount_minor=500, currency="EUR")
    assert saga.opened(priced, takes_payments=False).step is Step.SHIP


def test_an_order_with_prices_is_paid_shipped_and_then_captured() -> None:
    shipment = paid()
    assert (shipment.step, shipment.state, shipment.attempts) == (Step.SHIP, State.READY, 0)
    assert (shipment.party, shipment.intent_at) == (None, None), "shipping has a key of its own"
    shipped = after(shipment, Call(), Done(label=LABEL))
    assert shipped.state is State.SHIPPED
    capturing = saga.after_shipped(shipped)
    assert capturing is not None
    assert (capturing.step, capturing.state, capturing.party) == (Step.CAPTURE, State.READY, "a party")
    closed = after(capturing, Call(), Done())
    assert closed.state is State.CLOSED
    assert ended(closed) == {"stock": DONE, "authorize": DONE, "ship": DONE, "capture": DONE}


def test_an_order_that_was_not_paid_has_nothing_left_once_it_is_shipped() -> None:
    shipped = after(saga.opened(received(), takes_payments=False), Call(), Done(label=LABEL))
    assert saga.after_shipped(shipped) is None


def test_a_rejected_order_keeps_nothing() -> None:
    rejected = after(paid(), Call(), TurnBack("no such street", rejected=True))
    assert (rejected.step, rejected.state, rejected.undoing) == (Step.AUTHORIZE, State.READY, True)
    assert rejected.ended_step(Step.AUTHORIZE) == Ended(
        Step.AUTHORIZE, DONE, 1, AT, "a party", AT, authorization_id="a-1"
    )
    failed = after(rejected, Call(), Undone())
    assert (failed.state, failed.error) == (State.REJECTED, "no such street")
    assert ended(failed) == {"stock": UNDONE, "ship": UNDONE, "authorize": UNDONE}


def test_a_declined_payment_releases_the_stock() -> None:
    opened = saga.opened(received(amount_minor=500, currency="EUR"), takes_payments=True)
    failed = after(saga.reserved(opened, AT), Call(), TurnBack("declined", rejected=True))
    assert (failed.state, failed.error) == (State.REJECTED, "declined")
    assert ended(failed) == {"stock": UNDONE, "authorize": UNDONE}


def test_what_was_never_called_needs_no_undoing() -> None:
    cancelled = after(saga.opened(received(), takes_payments=False), TurnBack())
    assert (cancelled.state, cancelled.error) == (State.CANCELLED, None)
    before_shipping = after(paid(), TurnBack())
    assert before_shipping.step is Step.AUTHORIZE


def test_what_may_have_been_done_is_undone_at_the_party_that_has_the_key() -> None:
    doubtful = after(paid(), Call(), TurnBack())
    assert (doubtful.step, doubtful.undoing, doubtful.party) == (Step.SHIP, True, "a party")
    assert doubtful.intent_at == AT, "the key is repeated"
    assert after(doubtful, Call(), Undone()).step is Step.AUTHORIZE


def test_a_label_that_came_after_the_cancellation_is_voided() -> None:
    labelled = after(paid(), Call(), Done(label=LABEL), TurnBack())
    assert (labelled.step, labelled.state, labelled.label) == (Step.SHIP, State.READY, LABEL)


def test_a_step_that_a_person_gives_up_is_not_tried_again() -> None:
    undoing = after(paid(), Call(), TurnBack("no", rejected=True), Call(), GiveUp("seen to"))
    assert undoing.state is State.REJECTED
    assert ended(undoing)["authorize"] == GIVEN_UP
    capturing = saga.after_shipped(after(paid(), Call(), Done(label=LABEL)))
    assert capturing is not None
    assert after(capturing, Call(), GiveUp("seen to")).state is State.CLOSED


def test_the_steps_survive_their_row() -> None:
    shipment = after(paid(), Call(), TurnBack("no", rejected=True))
    assert decode_ended(encode_ended(shipment.ended)) == shipment.ended
    assert encode_ended(()) is None


@given(st.lists(st.sampled_from(["call", "done", "undone", "reject", "cancel"]), max_size=12), st.booleans())
def test_however_a_saga_goes_nothing_is_left_that_was_not_shipped(moves: list[str], pays: bool) -> None:
    """A model of the parties: what is done there at the end belongs to an order that has shipped."""
    at_parties: set[Step] = set()
    fields = {"amount_minor": 500, "currency": "EUR"} if pays else {}
    shipment = saga.opened(received(**fields), takes_payments=True)
    for move in moves:
        if shipment.state is State.READY and move == "call":
            shipment = called(shipment)
        elif shipment.state is State.CALLING and move == "done" and not shipment.undoing:
            at_parties.add(shipment.step)
            done = Done(LABEL if shipment.step is Step.SHIP else None, "a-1")
            shipment = saga.moved(shipment, done, AT)
        elif shipment.state is State.CALLING and move == "undone" and shipment.undoing:
            at_parties.discard(shipment.step)
            shipment = saga.moved(shipment, Undone(), AT)
        elif shipment.state is State.CALLING and move == "reject" and not shipment.undoing:
            shipment = saga.moved(shipment, TurnBack("no", rejected=True), AT)
        elif shipment.state in (State.READY, State.CALLING) and move == "cancel" and not shipment.undoing:
            # What is in doubt may have been done.
            if shipment.intent_at is not None:
                at_parties.add(shipment.step)
            shipment = saga.moved(shipment, TurnBack(), AT)
    if shipment.state in (State.REJECTED, State.CANCELLED):
        assert at_parties == set()
    if shipment.state is State.SHIPPED:
        assert at_parties == ({Step.AUTHORIZE, Step.SHIP} if pays else {Step.SHIP})


@pytest.mark.parametrize("name", [field.name for field in fields(Shipment)])
def test_a_changed_shipment_differs_in_what_was_changed_and_the_given_one_in_nothing(name: str) -> None:
    given_one = called(received(amount_minor=5, currency="EUR"))
    before = replace(given_one)
    assert changed(given_one, **{name: "new"}) == replace(given_one, **{name: "new"})
    assert given_one == before


def test_a_shipment_has_no_other_fields() -> None:
    with pytest.raises(AttributeError):
        changed(received(), weight=3)
