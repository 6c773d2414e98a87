"""What a move writes, when the answer to an earlier COMMIT was lost or a person has interfered."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import World
from tests.fulfillment.test_paying import count, counted

from orderflow.database.transaction import Transaction
from orderflow.fulfillment import cancellation
from orderflow.fulfillment.cancellation import Cancel
from orderflow.fulfillment.carriers import Label
from orderflow.fulfillment.dead_letters import discard
from orderflow.fulfillment.fencing import Change
from orderflow.fulfillment.model import Call, Done, Owner, Park, Shipment, State, Step, TurnBack, Written
from orderflow.fulfillment.saga import moved
from orderflow.fulfillment.shipments import apply
from orderflow.fulfillment.tables import dead_letters, reservations, shipments

NOW = datetime.now(UTC)
US = Owner("w", 1)
REQUEST = b'{"items":[{"productId":"p-1","quantity":3}]}'
LABEL = Label("s-1", "Carrier", "T-1", NOW)


def held(world: World, **columns: Any) -> Shipment:
    """An order whose gate is open, and which this worker is about to call its carrier for."""
    order_id = str(uuid.uuid4())
    world.put_shipment(
        order_id,
        state="received",
        request=REQUEST,
        attempts=0,
        worker_id=US.worker_id,
        epoch=US.epoch,
        **columns,
    )
    return Shipment(
        order_id, US, "abc", None, REQUEST, NOW, NOW, state=State.READY, intent_at=NOW, party="carrier"
    )


def write(world: World, shipment: Shipment, *decisions: Written, lost: bool = False) -> Shipment:
    """Write the decisions one after the other, each in a transaction, and return the shipment after them."""
    for decision in decisions:
        with world.fulfillment.writer.begin() as connection:
            tx = Transaction(connection, may_be_committed=lost)
            [after] = apply(tx, [Change(shipment, decision, NOW)])
            tx.send()
        assert after is not None
        shipment = after
    return shipment


def cancel(world: World, shipment: Shipment) -> None:
    with world.fulfillment.writer.begin() as connection:
        cancellation.request(Transaction(connection), [Cancel(shipment.order_id, US, NOW)])


def act(world: World, use_case: Any, commands: Sequence[Any]) -> Any:
    with world.fulfillment.writer.begin() as connection:
        tx = Transaction(connection)
        results = use_case(tx, commands)
        tx.send()
    return results[0]


@pytest.mark.parametrize("lost", [False, True])
def test_a_first_intent_whose_answer_was_lost_leaves_no_stock_reserved_if_the_order_is_cancelled_then(
    world: World, lost: bool
) -> None:
    count(world, p_1=10)
    shipment = held(world)
    write(world, shipment, Call())
    assert counted(world) == {"p-1": (10, 3)}
    cancel(world, shipment)
    write(world, shipment, Call(), lost=lost)
    assert counted(world) == {"p-1": (10, 0)}


@pytest.mark.parametrize("lost", [False, True])
def test_a_label_whose_answer_was_lost_is_not_taken_back_by_a_cancellation_that_came_after_it(
    world: World, lost: bool
) -> None:
    count(world, p_1=10)
    calling = write(world, held(world), Call())
    assert write(world, calling, Done(label=LABEL)).state is State.SHIPPED
    cancel(world, calling)
    assert write(world, calling, Done(label=LABEL), lost=lost).state is State.SHIPPED
    assert world.states()[calling.order_id] == "shipped"


def test_a_payment_that_was_authorized_after_the_cancellation_came_is_undone_at_once(world: World) -> None:
    shipment = held(world, amount_minor=5, currency="EUR")
    paying = write(world, moved_to_authorize(shipment), Call())
    cancel(world, paying)
    turned = write(world, paying, Done(authorization_id="a-1"))
    assert (turned.step, turned.undoing, turned.party) == (Step.AUTHORIZE, True, "carrier")


def moved_to_authorize(shipment: Shipment) -> Shipment:
    return Shipment(
        shipment.order_id,
        US,
        "abc",
        None,
        REQUEST,
        NOW,
        NOW,
        amount_minor=5,
        currency="EUR",
        state=State.READY,
        step=Step.AUTHORIZE,
        intent_at=NOW,
        party="carrier",
    )


PARKED = Park("update-refused", "the Order Service refused the status update", "refused")


def parked(world: World, *decisions: Written) -> str:
    """An order that was parked after these decisions; the id of its dead letter."""
    write(world, write(world, held(world), Call(), *decisions), PARKED)
    [letter] = world.rows(dead_letters)
    return str(letter["id"])


def test_a_discard_of_a_rejected_order_whose_update_was_refused_reports_the_new_reason(world: World) -> None:
    letter_id = parked(world, TurnBack("no such street", rejected=True))
    begun = act(world, discard.begin, [discard.Begin(letter_id, str(uuid.uuid4()))])
    assert begun == discard.Begun(None, tried_before=False)
    act(world, discard.end, [discard.End(letter_id, "somebody", "seen to", NOW)])
    [row] = world.rows(shipments)
    assert (row["state"], row["error"]) == ("rejected", "seen to")


def test_a_discard_of_a_shipment_that_was_voided_returns_its_stock(world: World) -> None:
    count(world, p_1=10)
    letter_id = parked(world, Done(label=LABEL))
    begun = act(world, discard.begin, [discard.Begin(letter_id, str(uuid.uuid4()))])
    assert isinstance(begun, discard.Begun)
    assert begun.called is not None
    act(world, discard.end, [discard.End(letter_id, "somebody", "seen to", NOW)])
    assert counted(world) == {"p-1": (10, 0)}
    assert world.rows(reservations) == []
    assert world.states() == {begun.called.order_id: "rejected"}


def test_what_a_look_up_found_is_undone_although_nobody_has_called_for_it(world: World) -> None:
    found = Shipment("an order", US, "abc", None, REQUEST, NOW, NOW, state=State.READY, party="carrier")
    turned = moved(found, TurnBack(), NOW)
    assert (turned.step, turned.undoing) == (Step.SHIP, True)


def test_an_intent_says_which_step_it_is_for(world: World) -> None:
    """The row may say something else: another worker took payments when it opened the gate."""
    shipment = held(world, step="authorize")
    write(world, shipment, Call())
    with world.fulfillment.reader.connect() as connection:
        assert connection.execute(sa.select(shipments.c.step)).scalar_one() == "ship"


@pytest.mark.parametrize("world", ["postgres"], indirect=True)
def test_the_moves_of_a_shipment_touch_no_index_before_it_closes(world: World) -> None:
    """PostgreSQL then needs no new index entries: the next version of the row is on the same page, which has
    room for it. The table has many pages, and each of them is filled only by inserts."""
    ready = [held(world) for _ in range(200)]
    with world.fulfillment.writer.begin() as connection:
        called = apply(Transaction(connection), [Change(each, Call(), NOW) for each in ready])
        updated, heap_only = connection.execute(
            sa.text(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'shipments'"
            )
        ).one()
    assert None not in called
    assert updated == 200
    assert heap_only >= 190
