"""How a worker changes a shipment's row after its insert: only the row's exact owner may change it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from orderflow.database.dialects import now_ms
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import attentions, failed_calls
from orderflow.fulfillment import letters as dead_letters
from orderflow.fulfillment.fencing import Change, Moved, key_of, lock, order_id_of, row, statement
from orderflow.fulfillment.model import (
    Call,
    Close,
    Done,
    Park,
    Shipment,
    State,
    Step,
    TurnBack,
    Undone,
    Wait,
    Written,
)
from orderflow.fulfillment.moves import (
    stock_moves,
    was_found,
    write_begun,
    write_done,
    write_turned,
    write_undone,
)
from orderflow.fulfillment.saga import may_turn
from orderflow.fulfillment.stock import reservations as stock
from orderflow.fulfillment.tables import shipments


def apply(tx: Transaction, changes: Sequence[Change]) -> list[Shipment | None]:
    """Write the decisions. Returns each shipment as it is now; None where its row no longer belongs to the
    shipment's owner: nothing is changed.

    A step that its order needs no more is not begun: if the row says that the order is to be cancelled, the
    saga turns back instead, and the returned shipment shows that. A shipment that the decision lets go of has
    no owner afterwards, so repeating the decision after a lost answer also gives None. It means the same to
    the caller: leave the shipment alone.
    """
    now: Moved = {}
    todo: dict[type[Written], list[Change]] = {}
    for change in sorted(changes, key=order_id_of):
        todo.setdefault(Call if was_found(change) else type(change.decision), []).append(change)
    begun = todo.pop(Call, [])
    for kind, writes in todo.items():
        now |= _WRITE[kind](tx, writes)
    captured = [change for change in todo.get(Done, []) if change.shipment.step is Step.CAPTURE]
    _write_closed(tx, [replace(change, decision=Close()) for change in captured if key_of(change) in now])
    # What was reserved is given back before more is reserved, and all stock is locked at once.
    ended = stock_moves(changes, now)
    now |= write_begun(tx, begun, ended) if begun else {}
    if ended and not begun:
        stock.move(tx, ended)
    return [now.get(key_of(change)) for change in changes]


_ONE = sa.update(shipments).where(
    row.order_id == sa.bindparam("id"),
    row.worker_id == sa.bindparam("worker"),
    row.epoch == sa.bindparam("of_epoch"),
)


def _fenced(change: Change) -> dict[str, object]:
    return dict(zip(("id", "worker", "of_epoch"), key_of(change), strict=True))


_LET_GO: dict[str, Any] = {"worker_id": None, "epoch": None}


def _step(shipment: Shipment) -> dict[str, object]:
    """The present step may be in memory only, until its first intent is written."""
    return {"b_step": shipment.step.value, "b_party": shipment.party}


def _after_ms(change: Change) -> dict[str, object]:
    """An order that was to be cancelled during the call does not wait: whoever claims it turns it back."""
    if not isinstance(change.decision, Wait):
        raise TypeError(change.decision)
    after_ms, shipment = change.decision.after_ms, change.shipment
    turns = may_turn(shipment) and shipment.state in (State.READY, State.CALLING)
    return {"after_ms": after_ms, "cancelled_after_ms": 0 if turns else after_ms}


_WAIT = _ONE.values(
    _LET_GO
    | {
        "state": sa.func.coalesce(sa.bindparam("to_state", type_=sa.String), row.state),
        "step": sa.bindparam("b_step"),
        "party": sa.bindparam("b_party"),
        "waits": sa.bindparam("waited"),
        "due_at_ms": now_ms()
        + sa.case(
            (row.cancel_requested_at.is_(None), sa.bindparam("after_ms", type_=sa.BigInteger)),
            else_=sa.bindparam("cancelled_after_ms", type_=sa.BigInteger),
        ),
        "note": sa.bindparam("b_note"),
        "failed_calls": failed_calls.KEPT,
    }
)


def _write_waits(tx: Transaction, changes: Sequence[Change]) -> Moved:
    ours = lock(tx, changes)
    if not ours:
        return {}
    tx.connection.execute(
        _WAIT,
        [
            _fenced(change)
            | {
                "to_state": change.decision.to_state,
                **_step(change.shipment),
                "waited": change.shipment.waits + change.decision.counts,
                **_after_ms(change),
                "b_note": change.decision.note,
                "b_failed": failed_calls.line_of(change),
            }
            for change in ours
            if isinstance(change.decision, Wait)
        ],
    )
    return _let_go(ours)


def _let_go(changes: Sequence[Change]) -> Moved:
    """What is let go of is as it was, for all that its worker needs to know."""
    return {key_of(change): change.shipment for change in changes}


def _write_closed(tx: Transaction, changes: Sequence[Change]) -> Moved:
    if not changes:
        return {}
    by_order = {order_id_of(change): change for change in changes}
    if len(by_order) < len(changes):  # of several lives, and closed rows do not tell whose they were
        changes = lock(tx, changes)
        by_order = {order_id_of(change): change for change in changes}
    closed = tx.write(
        _CLOSE,
        [
            (*key_of(change), State.CLOSED.value, change.at, change.decision.note)
            for change in changes
            if isinstance(change.decision, Close)
        ],
    )
    return _let_go([by_order[order_id] for (order_id,) in closed])


_CLOSE = statement(
    ("state", "closed_at", "note"), dict.fromkeys(("worker_id", "epoch", "due_at_ms"), sa.null())
)


_PARK = _ONE.values(
    _LET_GO
    | {
        "state": State.PARKED,
        "step": sa.bindparam("b_step"),
        "party": sa.bindparam("b_party"),
        "due_at_ms": None,
        "parked_kind": sa.bindparam("b_kind"),
        "note": sa.bindparam("b_note"),
        "failed_calls": failed_calls.KEPT,
    }
)


def _write_parked(tx: Transaction, changes: Sequence[Change]) -> Moved:
    ours = lock(tx, changes)
    for change in ours:
        park, shipment = change.decision, change.shipment
        if not isinstance(park, Park):
            continue
        told = {"b_kind": park.kind, "b_note": park.note, "b_failed": failed_calls.line_of(change)}
        tx.connection.execute(_PARK, _fenced(change) | _step(shipment) | told)
        dead_letters.give_up(tx, dead_letters.of_shipment(shipment, park, change.at))
        if park.attention is not None:
            attentions.put(
                tx,
                [attentions.Attention(shipment.order_id, park.kind, park.attention, shipment.correlation_id)],
            )
    return _let_go(ours)


_WRITE: dict[type[Written], Callable[[Transaction, Sequence[Change]], Moved]] = {
    Done: write_done,
    Undone: write_undone,
    TurnBack: write_turned,
    Wait: _write_waits,
    Close: _write_closed,
    Park: _write_parked,
}
