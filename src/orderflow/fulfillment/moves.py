"""Writes how the saga of a shipment has moved, and what becomes of its stock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa
from pydantic_core import from_json

from orderflow.database import bulk
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.fencing import (
    Change,
    Key,
    Moved,
    key_of,
    lock,
    order_id_of,
    row,
    statement,
    update,
)
from orderflow.fulfillment.model import (
    ERROR_CHARS_MAX,
    UNDONE,
    Call,
    Close,
    Done,
    Ended,
    Park,
    Shipment,
    State,
    Step,
    TurnBack,
    Wait,
    clean,
    encode_ended,
)
from orderflow.fulfillment.saga import holds_stock, may_turn, moved, reserved
from orderflow.fulfillment.stock import reservations as stock
from orderflow.fulfillment.tables import stock as stock_table


def stock_moves(changes: Sequence[Change], now: Moved) -> list[stock.Move]:
    """What becomes of the stock that these shipments held: it is taken out once their Shipped is
    acknowledged, for until then a person may still get the shipment voided, and given back if they turned
    back."""
    moves: list[stock.Move] = []
    for change in changes:
        shipment, after = change.shipment, now.get(key_of(change))
        if not holds_stock(shipment):
            continue
        if isinstance(change.decision, Call):
            if shipment.step is Step.CAPTURE:
                moves.append(stock.Consume(shipment.order_id, shipment.traceparent))
        elif isinstance(change.decision, Close):
            if after is not None and shipment.state is State.SHIPPED:
                moves.append(stock.Consume(shipment.order_id, shipment.traceparent))
        elif after is not None and not holds_stock(after):
            moves.append(stock.Release(shipment.order_id, shipment.traceparent))
    return moves


def _after(change: Change) -> Shipment:
    if isinstance(change.decision, (Wait, Close, Park)):
        raise TypeError(change.decision)
    return moved(change.shipment, change.decision, change.at)


def _is_usual(change: Change) -> bool:
    """Whether the order is only shipped, as far as it has come: then fewer columns are written."""
    shipment = change.shipment
    return shipment.step is Step.SHIP and not shipment.ended and not shipment.undoing


def was_found(change: Change) -> bool:
    """Whether a look-up found the order's shipment before the carrier was ever called."""
    is_label = isinstance(change.decision, Done) and change.shipment.step is Step.SHIP
    return is_label and change.shipment.attempts == 0


def write_begun(tx: Transaction, changes: Sequence[Change], ended: list[stock.Move]) -> Moved:
    """Write the intents, and the labels that look-ups found: with the first of these, an order's stock is
    reserved."""
    reserving = _reserve(tx, changes, ended)
    intents = [change for change in reserving if not isinstance(change.decision, Done)]
    written = _write_intents(tx, intents)
    short = [change for change in changes if key_of(change) not in written and not was_found(change)]
    written |= _turn_cancelled(tx, [change for change in short if may_turn(change.shipment)])
    return written | write_done(tx, [change for change in reserving if isinstance(change.decision, Done)])


def _write_intents(tx: Transaction, changes: Sequence[Change]) -> Moved:
    written = write_turned(tx, [change for change in changes if isinstance(change.decision, TurnBack)])
    calls = [change for change in changes if isinstance(change.decision, Call)]
    usual = {key_of(change): change for change in calls if _is_usual(change)}
    rows = [
        (
            change,
            (
                State.CALLING.value,
                shipment.step.value,
                shipment.attempts + 1,
                shipment.intent_at,
                shipment.party,
            ),
        )
        for change in usual.values()
        if (shipment := change.shipment)
    ]
    written |= _written(usual, update(tx, _INTENT, rows) if rows else set())
    others = [change for change in calls if key_of(change) not in usual]
    written |= _save(tx, [c for c in others if may_turn(c.shipment)], _SAVE_UNLESS_CANCELLED)
    return written | _save(tx, [c for c in others if not may_turn(c.shipment)], _SAVE)


def _reserve(tx: Transaction, changes: Sequence[Change], ended: list[stock.Move]) -> list[Change]:
    """The changes, those of orders whose stock is reserved now with shipments that hold it. What cannot be
    reserved turns back instead. `ended` goes along."""
    first = [change for change in changes if _is_first(change.shipment)]
    if not (first or ended) or tx.connection.execute(_SOME_STOCK).first() is None:
        return list(changes)
    ours = lock(tx, first, _UNLESS_CANCELLED)
    reserve = [
        stock.Reserve(
            order_id_of(change),
            _lines(shipment),
            is_shipped=was_found(change),
            traceparent=shipment.traceparent,
        )
        for change in ours
        if (shipment := change.shipment)
    ]
    answers = stock.move(tx, [*ended, *reserve])[len(ended) :]
    after = {key_of(change): _reserved(change, answer) for change, answer in zip(ours, answers, strict=True)}
    return [after.get(key_of(change), change) for change in changes]


_SOME_STOCK = sa.select(sa.literal(1)).select_from(stock_table).limit(1)


def _is_first(shipment: Shipment) -> bool:
    """Whether no stock was reserved for the order, and the present step was never called."""
    return may_turn(shipment) and shipment.attempts == 0 and shipment.ended_step(Step.STOCK) is None


def _lines(shipment: Shipment) -> tuple[tuple[str, int], ...]:
    return tuple((item["productId"], item["quantity"]) for item in from_json(shipment.request)["items"])


def _reserved(change: Change, answer: stock.ReserveResult | None) -> Change:
    if isinstance(answer, stock.Reserved):
        return replace(change, shipment=reserved(change.shipment, change.at))
    if isinstance(answer, stock.Insufficient):
        told = _out_of_stock(answer)
        missed = Ended(Step.STOCK, UNDONE, attempts=1, at=change.at, reason=told)
        ended = (missed, *change.shipment.ended)
        untouched = replace(change.shipment, intent_at=None, party=None, ended=ended)
        return replace(change, shipment=untouched, decision=TurnBack(told))
    return change


def _out_of_stock(answer: stock.Insufficient) -> str:
    missing = ", ".join(
        f"{m.product_id} ({m.wanted} ordered, {m.available} available)" for m in answer.missing
    )
    return clean(f"not enough in stock: {missing}", ERROR_CHARS_MAX)


def _written(changes: Mapping[Key, Change], keys: Iterable[Key]) -> Moved:
    return {key: _after(changes[key]) for key in keys}


_UNLESS_CANCELLED = row.cancel_requested_at.is_(None)
_INTENT = statement(("state", "step", "attempts", "intent_at", "party"), where=_UNLESS_CANCELLED)


def _turn_cancelled(tx: Transaction, changes: Sequence[Change]) -> Moved:
    """Turn back the sagas of those that are still their owner's: they were not written because their orders
    are to be cancelled. A step that is done by now is undone, too."""
    ours = lock(tx, changes, row.cancel_requested_at.is_not(None))
    turned = [replace(change, shipment=_reached(tx, change), decision=TurnBack()) for change in ours]
    # An earlier try whose answer was lost may have reserved what this one does not know of.
    first = [change for change in ours if isinstance(change.decision, Call) and _is_first(change.shipment)]
    if first:
        stock.release(tx, [stock.Release(order_id_of(c), c.shipment.traceparent) for c in first])
    return write_turned(tx, turned)


def _reached(tx: Transaction, change: Change) -> Shipment:
    """How far the shipment has come, if the decision is not to begin the first call of a step."""
    if isinstance(change.decision, Done):
        return _after(change)
    is_first = change.shipment.attempts == 0 and not tx.may_be_committed
    return replace(change.shipment, intent_at=None, party=None) if is_first else change.shipment


def write_done(tx: Transaction, changes: Sequence[Change]) -> Moved:
    usual = {key_of(change): change for change in changes if _is_usual(change) and not was_found(change)}
    rows = [
        (
            change,
            (
                State.SHIPPED.value,
                change.shipment.step.value,
                label.shipment_id,
                label.carrier,
                label.tracking_number,
                label.shipped_at,
            ),
        )
        for change in usual.values()
        if isinstance(change.decision, Done) and (label := change.decision.label)
    ]
    written = _written(usual, update(tx, _LABEL, rows) if rows else set())
    others = [change for change in changes if key_of(change) not in usual]
    written |= _save(tx, [c for c in others if may_turn(c.shipment)], _SAVE_UNLESS_CANCELLED)
    written |= _save(tx, [c for c in others if c.shipment.step is Step.CAPTURE], _SAVE)
    unwritten = [c for c in changes if may_turn(c.shipment) and key_of(c) not in written]
    # An earlier try whose answer was lost may have recorded the label before the cancellation came.
    shipped = {key_of(change): change for change in lock(tx, unwritten, row.state == State.SHIPPED)}
    written |= _written(shipped, shipped)
    return written | _turn_cancelled(tx, [c for c in unwritten if key_of(c) not in written])


_NO_WAITS = {"waits": sa.literal(0)}
"""The status update that is owed from now on gets a whole schedule of waits of its own."""

_LABEL = statement(
    ("state", "step", "shipment_id", "carrier", "tracking_number", "shipped_at"), _NO_WAITS, _UNLESS_CANCELLED
)


def write_turned(tx: Transaction, changes: Sequence[Change]) -> Moved:
    usual = {
        key_of(change): change
        for change in changes
        if _is_usual(change) and isinstance(change.decision, TurnBack) and change.decision.rejected
    }
    rejected = [
        (change, (after.state.value, after.step.value, direction(undoing=True), after.error))
        for change in usual.values()
        if (after := _after(change))
    ]
    written = _written(usual, update(tx, _REJECTION, rejected) if rejected else set())
    return written | _save(tx, [change for change in changes if key_of(change) not in usual], _SAVE)


_REJECTION = statement(("state", "step", "direction", "error"), _NO_WAITS)


def write_undone(tx: Transaction, changes: Sequence[Change]) -> Moved:
    return _save(tx, changes, _SAVE)


def _save(tx: Transaction, changes: Sequence[Change], statement: bulk.Update) -> Moved:
    """Write everything that the move may have changed."""
    if not changes:
        return {}
    after = {key_of(change): _after(change) for change in changes}
    found = update(tx, statement, [(change, _saga_row(after[key_of(change)])) for change in changes])
    return {key: after[key] for key in found}


_SAGA_COLUMNS = (
    "state",
    "step",
    "direction",
    "ended",
    "attempts",
    "waits",
    "interruptions",
    "intent_at",
    "party",
    "shipment_id",
    "carrier",
    "tracking_number",
    "shipped_at",
    "error",
)
_SAVE = statement(_SAGA_COLUMNS)
_SAVE_UNLESS_CANCELLED = statement(_SAGA_COLUMNS, where=_UNLESS_CANCELLED)


def _saga_row(shipment: Shipment) -> tuple[object, ...]:
    label = shipment.label
    return (
        shipment.state.value,
        shipment.step.value,
        direction(undoing=shipment.undoing),
        encode_ended(shipment.ended),
        shipment.attempts,
        shipment.waits,
        shipment.interruptions,
        shipment.intent_at,
        shipment.party,
        *(
            (label.shipment_id, label.carrier, label.tracking_number, label.shipped_at)
            if label
            else (None, None, None, None)
        ),
        shipment.error,
    )


def saga_values(shipment: Shipment) -> dict[str, object]:
    """The columns that a move may change."""
    return dict(zip(_SAGA_COLUMNS, _saga_row(shipment), strict=True))


def direction(*, undoing: bool) -> str:
    """As the row has it."""
    return "undo" if undoing else "do"
