"""The lifecycle: the table, every move against it, and what an update does and leaves."""

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.orders.model import (
    TERMINAL,
    TRANSITIONS,
    Attention,
    AttentionChange,
    Fulfillment,
    IllegalTransition,
    OrderState,
    Status,
    apply_update,
)

NOW = datetime(2026, 2, 10, 9, 30, tzinfo=UTC)

# By hand from the design, so that a change of the table shows here.
LEGAL = {
    ("Created", "Processing"),
    ("Created", "OnHold"),
    ("Created", "Cancelled"),
    ("OnHold", "Created"),
    ("OnHold", "Cancelled"),
    ("Processing", "Shipped"),
    ("Processing", "Failed"),
    ("Processing", "Cancelling"),
    ("Cancelling", "Cancelled"),
    ("Cancelling", "Shipped"),
    ("Cancelling", "Failed"),
}


def state(
    status: Status, fulfillment: Fulfillment | None = None, attention: Attention | None = None
) -> OrderState:
    return OrderState(status, 7, fulfillment or Fulfillment(), attention)


def updated(
    order: OrderState,
    status: Status | None,
    fulfillment: Fulfillment | None = None,
    attention: AttentionChange | None = None,
) -> OrderState:
    """The order after an update that is legal."""
    after = apply_update(order, status, fulfillment, attention)
    assert isinstance(after, OrderState)
    return after


@pytest.mark.parametrize(("current", "requested"), list(product(Status, Status)))
def test_an_order_makes_exactly_the_moves_of_the_table(current: Status, requested: Status) -> None:
    before = state(current)
    if current is requested:
        assert apply_update(before, requested, None, None) is before
    elif (current.value, requested.value) in LEGAL:
        after = updated(before, requested)
        assert (after.status, after.version) == (requested, 8)
    else:
        refusal = apply_update(before, requested, None, None)
        assert isinstance(refusal, IllegalTransition)
        assert refusal.current is current
        assert {(current.value, move.value) for move in TRANSITIONS[refusal.current]} == {
            pair for pair in LEGAL if pair[0] == current.value
        }


def test_every_status_reaches_a_terminal_one() -> None:
    assert {Status.SHIPPED, Status.FAILED, Status.CANCELLED} == TERMINAL
    reaching = set(TERMINAL)
    for _ in Status:
        reaching |= {status for status, moves in TRANSITIONS.items() if reaching & set(moves)}
    assert reaching == set(Status)


texts = st.none() | st.sampled_from(["A", "B"])
fulfillments = st.none() | st.builds(Fulfillment, texts, texts, st.none() | st.just(NOW), texts)
attentions = st.none() | st.builds(
    AttentionChange,
    st.none() | st.builds(Attention, st.sampled_from(["x", "y"]), st.just("why"), st.just(NOW)),
)
updates = st.lists(st.tuples(st.none() | st.sampled_from(Status), fulfillments, attentions), max_size=12)


@given(updates)
def test_versions_rise_by_one_with_each_change_and_nothing_leaves_a_terminal_status(
    steps: list[tuple[Status | None, Fulfillment | None, AttentionChange | None]],
) -> None:
    order = OrderState(Status.CREATED, 1, Fulfillment(), None)
    for status, fulfillment, attention in steps:
        after = apply_update(order, status, fulfillment, attention)
        if isinstance(after, IllegalTransition):
            assert after.current is order.status
            continue
        if after is not order:
            assert after.version == order.version + 1
            assert (after.status, after.fulfillment, after.attention) != (
                order.status,
                order.fulfillment,
                order.attention,
            )
        if order.status in TERMINAL:
            assert after.status is order.status
            assert after.fulfillment == order.fulfillment
        # The very same update again is a success that changes nothing.
        assert apply_update(after, status, fulfillment, attention) is after
        order = after


def test_a_repeat_that_names_only_part_of_what_is_recorded_is_a_repeat() -> None:
    order = updated(state(Status.PROCESSING), None, Fulfillment(carrier="A"))
    order = updated(order, Status.SHIPPED, Fulfillment(tracking_number="T"))
    assert order.fulfillment == Fulfillment("A", "T")
    assert apply_update(order, Status.SHIPPED, Fulfillment(tracking_number="T"), None) is order
    assert apply_update(order, Status.SHIPPED, None, None) is order


@pytest.mark.parametrize("sent", [Fulfillment("A", "other"), Fulfillment("other", "T"), Fulfillment("other")])
def test_another_carrier_or_tracking_number_is_no_repeat(sent: Fulfillment) -> None:
    refusal = apply_update(state(Status.SHIPPED, Fulfillment("A", "T")), Status.SHIPPED, sent, None)
    assert isinstance(refusal, IllegalTransition)


def test_a_terminal_status_clears_the_attention_and_a_later_one_may_be_set() -> None:
    looked_at = Attention("stuck", "why", NOW)
    order = updated(state(Status.PROCESSING, attention=looked_at), Status.SHIPPED)
    assert order.attention is None
    late = updated(order, None, None, AttentionChange(looked_at))
    assert (late.attention, late.status) == (looked_at, Status.SHIPPED)


def test_an_attention_said_again_keeps_its_since() -> None:
    order = state(Status.PROCESSING, attention=Attention("stuck", "why", NOW))
    later = AttentionChange(Attention("stuck", "why", NOW.replace(year=2027)))
    assert apply_update(order, None, None, later) is order
