"""How a worker changes a shipment's row after its insert: only the row's exact owner may change it."""

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
from orderflow.fulfillment import attentions
from orderflow.fulfillment.dead_letters import letters as dead_letters
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
class Change:
    """A decision about a shipment, to be written at `at`."""

    shipment: Shipment
    decision: Written
    at: datetime


def apply(tx: Transaction, changes: Sequence[Change]) -> list[bool]:
    """Write the decisions; False where the row no longer belongs to the shipment's owner: nothing is changed.

    A shipment that the decision lets go of has no owner afterwards, so repeating the decision after a lost
    answer also gives False. It means the same to the caller: leave the shipment alone.
    """
    ours: set[Key] = set()
    todo: dict[type[Written], list[Change]] = {}
    for change in sorted(changes, key=_order_id):
        todo.setdefault(type(change.decision), []).append(change)
    for kind, writes in todo.items():
        ours |= _WRITE[kind](tx, writes)
    return [_key(change) in ours for change in changes]


def _order_id(change: Change) -> str:
    return change.shipment.order_id


Key = tuple[str, str, int]
"""Order id, worker and epoch: a batch may hold changes of an old and of a new life for the same order."""


def _key(change: Change) -> Key:
    owner = change.shipment.owner
    return change.shipment.order_id, owner.worker_id, owner.epoch


def _statement(values: Sequence[str], computed: bulk.Computed = MappingProxyType({})) -> bulk.Update:
    """Sets the values of each change's row, where it is its owner's; returns the keys of those, as far as
    they remain."""
    keys = ("order_id", "worker_id", "epoch")
    return bulk.Update(shipments, keys, values, computed, returning=True)


def _update(
    tx: Transaction, statement: bulk.Update, rows: Sequence[tuple[Change, tuple[object, ...]]]
) -> set[tuple[Any, ...]]:
    return tx.write(statement, [(*_key(change), *new) for change, new in rows])


def _locked(tx: Transaction, changes: Sequence[Change]) -> list[Change]:
    """The changes whose rows are their owner's, and now locked."""
    by_owner: dict[Owner, list[str]] = {}
    for change in changes:
        by_owner.setdefault(change.shipment.owner, []).append(change.shipment.order_id)
    ours: set[Key] = set()
    for owner, order_ids in by_owner.items():
        locked = tx.connection.execute(
            _OURS, {"ids": to_json(order_ids).decode(), "worker": owner.worker_id, "of_epoch": owner.epoch}
        )
        ours.update((order_id, owner.worker_id, owner.epoch) for order_id in locked.scalars())
    return [change for change in changes if _key(change) in ours]


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


def _fenced(change: Change) -> dict[str, object]:
    return dict(zip(("id", "worker", "of_epoch"), _key(change), strict=True))


_LET_GO: dict[str, Any] = {"worker_id": None, "epoch": None}


def _write_intents(tx: Transaction, changes: Sequence[Change]) -> set[Key]:
    rows = [
        (
            change,
            (
                State.CALLING.value,
                change.shipment.attempts + 1,
                change.shipment.intent_at,
                change.shipment.party,
            ),
        )
        for change in changes
    ]
    return _update(tx, _INTENT, rows)


_INTENT = _statement(("state", "attempts", "intent_at", "party"))

_NO_WAITS = {"waits": sa.literal(0)}
"""The status update that is owed from now on gets a whole schedule of waits of its own."""


def _write_labels(tx: Transaction, changes: Sequence[Change]) -> set[Key]:
    return _update(
        tx,
        _LABEL,
        [
            (
                change,
                (
                    State.SHIPPED.value,
                    label.shipment_id,
                    label.carrier,
                    label.tracking_number,
                    label.shipped_at,
                ),
            )
            for change in changes
            if isinstance(change.decision, RecordLabel) and (label := change.decision.label)
        ],
    )


_LABEL = _statement(("state", "shipment_id", "carrier", "tracking_number", "shipped_at"), _NO_WAITS)


def _write_rejections(tx: Transaction, changes: Sequence[Change]) -> set[Key]:
    return _update(
        tx,
        _REJECTION,
        [
            (change, (State.REJECTED.value, change.decision.error))
            for change in changes
            if isinstance(change.decision, RecordRejection)
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


def _write_waits(tx: Transaction, changes: Sequence[Change]) -> set[Key]:
    ours = _locked(tx, changes)
    if not ours:
        return set()
    tx.connection.execute(
        _WAIT,
        [
            _fenced(change)
            | {
                "to_state": change.decision.to_state,
                "waited": change.shipment.waits + change.decision.counts,
                "after_ms": change.decision.after_ms,
                "b_note": change.decision.note,
            }
            for change in ours
            if isinstance(change.decision, Wait)
        ],
    )
    return set(map(_key, ours))


def _write_closed(tx: Transaction, changes: Sequence[Change]) -> set[Key]:
    by_order = {_order_id(change): change for change in changes}
    if len(by_order) < len(changes):  # of several lives, and closed rows do not tell whose they were
        changes = _locked(tx, changes)
        by_order = {_order_id(change): change for change in changes}
    closed = _update(
        tx,
        _CLOSE,
        [
            (change, (State.CLOSED.value, change.at, change.decision.note))
            for change in changes
            if isinstance(change.decision, Close)
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


def _write_parked(tx: Transaction, changes: Sequence[Change]) -> set[Key]:
    ours = _locked(tx, changes)
    for change in ours:
        park, shipment = change.decision, change.shipment
        if not isinstance(park, Park):
            continue
        tx.connection.execute(_PARK, _fenced(change) | {"b_kind": park.kind, "b_note": park.note})
        dead_letters.give_up(tx, dead_letters.of_shipment(shipment, park, change.at))
        if park.attention is not None:
            attentions.put(
                tx,
                [attentions.Attention(shipment.order_id, park.kind, park.attention, shipment.correlation_id)],
            )
    return set(map(_key, ours))


_WRITE: dict[type[Written], Callable[[Transaction, Sequence[Change]], set[Key]]] = {
    CallCarrier: _write_intents,
    RecordLabel: _write_labels,
    RecordRejection: _write_rejections,
    Wait: _write_waits,
    Close: _write_closed,
    Park: _write_parked,
}
