"""Every write to a shipment's row after its insert: only the row's exact owner changes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json

from orderflow.database import bulk
from orderflow.database.dialects import locked, now_ms, one_of
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import attentions, dead_letters
from orderflow.fulfillment.model import (
    CallCarrier,
    Close,
    Owner,
    Park,
    RecordLabel,
    RecordRejection,
    Shipment,
    State,
    Wait,
    Written,
)
from orderflow.fulfillment.tables import shipments

row = shipments.c


@dataclass(frozen=True, slots=True)
class Move:
    """A decision about a shipment, to be written at `at`."""

    shipment: Shipment
    decision: Written
    at: datetime


def apply(tx: Transaction, moves: Sequence[Move]) -> list[bool]:
    """Write the decisions; False where the row no longer belongs to the shipment's owner: nothing is changed.

    A shipment that the decision lets go of has no owner afterwards. So repeating the decision after a lost
    answer also says False, which means the same to the caller: hands off.
    """
    ours: set[Key] = set()
    todo: dict[type[Written], list[Move]] = {}
    for move in sorted(moves, key=_order_id):
        todo.setdefault(type(move.decision), []).append(move)
    for kind, writes in todo.items():
        ours |= _WRITE[kind](tx, writes)
    return [_key(move) in ours for move in moves]


def _order_id(move: Move) -> str:
    return move.shipment.order_id


Key = tuple[str, str, int]
"""Order id, worker and epoch: a batch may hold moves of an old and of a new life for the same order."""


def _key(move: Move) -> Key:
    owner = move.shipment.owner
    return move.shipment.order_id, owner.worker_id, owner.epoch


def _statement(values: Sequence[str], computed: bulk.Computed = MappingProxyType({})) -> bulk.Update:
    """Sets the values of each move's row, where it is its owner's; returns the keys of those, as far as they
    remain."""
    keys = ("order_id", "worker_id", "epoch")
    return bulk.Update(shipments, keys, values, computed, returning=True)


def _update(
    tx: Transaction, statement: bulk.Update, rows: Sequence[tuple[Move, tuple[object, ...]]]
) -> set[tuple[Any, ...]]:
    return tx.write(statement, [(*_key(move), *new) for move, new in rows])


def _locked(tx: Transaction, moves: Sequence[Move]) -> list[Move]:
    """The moves whose rows are their owner's, and now locked."""
    by_owner: dict[Owner, list[str]] = {}
    for move in moves:
        by_owner.setdefault(move.shipment.owner, []).append(move.shipment.order_id)
    ours: set[Key] = set()
    for owner, order_ids in by_owner.items():
        locked = tx.connection.execute(
            _OURS, {"ids": to_json(order_ids).decode(), "worker": owner.worker_id, "of_epoch": owner.epoch}
        )
        ours.update((order_id, owner.worker_id, owner.epoch) for order_id in locked.scalars())
    return [move for move in moves if _key(move) in ours]


_OURS = locked(
    sa.select(row.order_id)
    .where(
        one_of(row.order_id, "ids"),
        row.worker_id == sa.bindparam("worker"),
        row.epoch == sa.bindparam("of_epoch"),
    )
    .order_by(row.order_id),
    shipments,
)


_ONE = sa.update(shipments).where(
    row.order_id == sa.bindparam("id"),
    row.worker_id == sa.bindparam("worker"),
    row.epoch == sa.bindparam("of_epoch"),
)


def _fenced(move: Move) -> dict[str, object]:
    return dict(zip(("id", "worker", "of_epoch"), _key(move), strict=True))


_LET_GO: dict[str, Any] = {"worker_id": None, "epoch": None}


def _write_intents(tx: Transaction, moves: Sequence[Move]) -> set[Key]:
    rows = [
        (
            move,
            (State.CALLING.value, move.shipment.attempts + 1, move.shipment.intent_at, move.shipment.party),
        )
        for move in moves
    ]
    return _update(tx, _INTENT, rows)


_INTENT = _statement(("state", "attempts", "intent_at", "party"))

_NO_WAITS = {"waits": sa.literal(0)}
"""The status update that is owed from here on has a whole schedule of its own."""


def _write_labels(tx: Transaction, moves: Sequence[Move]) -> set[Key]:
    return _update(
        tx,
        _LABEL,
        [
            (
                move,
                (
                    State.SHIPPED.value,
                    label.shipment_id,
                    label.carrier,
                    label.tracking_number,
                    label.shipped_at,
                ),
            )
            for move in moves
            if isinstance(move.decision, RecordLabel) and (label := move.decision.label)
        ],
    )


_LABEL = _statement(("state", "shipment_id", "carrier", "tracking_number", "shipped_at"), _NO_WAITS)


def _write_rejections(tx: Transaction, moves: Sequence[Move]) -> set[Key]:
    return _update(
        tx,
        _REJECTION,
        [
            (move, (State.REJECTED.value, move.decision.error))
            for move in moves
            if isinstance(move.decision, RecordRejection)
        ],
    )


_REJECTION = _statement(("state", "error"), _NO_WAITS)


_WAIT = _ONE.values(
    _LET_GO
    | {
        "state": sa.func.coalesce(sa.bindparam("to_state", type_=sa.String), row.state),
        "waits": sa.bindparam("waited"),
        "due_at_ms": now_ms() + sa.bindparam("after_ms"),
        "note": sa.bindparam("b_note"),
    }
)


def _write_waits(tx: Transaction, moves: Sequence[Move]) -> set[Key]:
    ours = _locked(tx, moves)
    if not ours:
        return set()
    tx.connection.execute(
        _WAIT,
        [
            _fenced(move)
            | {
                "to_state": move.decision.to_state,
                "waited": move.shipment.waits + move.decision.counts,
                "after_ms": move.decision.after_ms,
                "b_note": move.decision.note,
            }
            for move in ours
            if isinstance(move.decision, Wait)
        ],
    )
    return set(map(_key, ours))


def _write_closed(tx: Transaction, moves: Sequence[Move]) -> set[Key]:
    by_order = {_order_id(move): move for move in moves}
    if len(by_order) < len(moves):  # of several lives, and closed rows do not tell whose they were
        moves = _locked(tx, moves)
        by_order = {_order_id(move): move for move in moves}
    closed = _update(
        tx,
        _CLOSE,
        [
            (move, (State.CLOSED.value, move.at, move.decision.note))
            for move in moves
            if isinstance(move.decision, Close)
        ],
    )
    return {_key(by_order[order_id]) for (order_id,) in closed}


_CLOSE = _statement(
    ("state", "closed_at", "note"), dict.fromkeys(("worker_id", "epoch", "due_at_ms"), sa.null())
)


_PARK = _ONE.values(
    _LET_GO
    | {
        "state": State.PARKED,
        "due_at_ms": None,
        "parked_kind": sa.bindparam("b_kind"),
        "note": sa.bindparam("b_note"),
    }
)


def _write_parked(tx: Transaction, moves: Sequence[Move]) -> set[Key]:
    ours = _locked(tx, moves)
    for move in ours:
        park, shipment = move.decision, move.shipment
        if not isinstance(park, Park):
            continue
        tx.connection.execute(_PARK, _fenced(move) | {"b_kind": park.kind, "b_note": park.note})
        dead_letters.give_up(tx, dead_letters.of_shipment(shipment, park, move.at))
        if park.attention is not None:
            attentions.put(
                tx,
                [attentions.Attention(shipment.order_id, park.kind, park.attention, shipment.correlation_id)],
            )
    return set(map(_key, ours))


_WRITE: dict[type[Written], Callable[[Transaction, Sequence[Move]], set[Key]]] = {
    CallCarrier: _write_intents,
    RecordLabel: _write_labels,
    RecordRejection: _write_rejections,
    Wait: _write_waits,
    Close: _write_closed,
    Park: _write_parked,
}
