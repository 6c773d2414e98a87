"""The saga of an order: which step is next, and in which direction. Pure.

    stock ──▶ authorize ──▶ ship ──▶ (Shipped is reported) ──▶ capture

Until it has shipped, an order may turn back: its party rejects a step, or the Order Service wants the order
cancelled. From then on, in the opposite order, what was done is undone, and what may have been done is done
again under the same key and then undone, so that a late repeat meets what was undone. An order never turns
back twice, and never after it has shipped. Steps that do not apply to an order are left out: stock of
products without a record, payment of an order without prices.

Stock is in the fulfillment database: it is reserved with the first intent, taken with the label, and released
with the outcome, in the same transactions. The other steps call a party outside.
"""

from dataclasses import replace
from datetime import datetime

from orderflow.fulfillment.model import (
    DONE,
    GIVEN_UP,
    UNDONE,
    Call,
    Done,
    Ended,
    GiveUp,
    Move,
    Shipment,
    State,
    Step,
    TurnBack,
    Undone,
    changed,
)

_BACKWARDS = (Step.SHIP, Step.AUTHORIZE)
"""The steps that a party undoes, in the order in which they are undone."""


def opened(shipment: Shipment, *, takes_payments: bool) -> Shipment:
    """The shipment at its first step, once its gate is open. If a look-up found something of it at a party,
    it is there that it goes on."""
    if shipment.party is not None:
        return changed(shipment, state=State.READY, waits=0)
    pays = takes_payments and bool(shipment.amount_minor)
    return changed(shipment, state=State.READY, waits=0, step=Step.AUTHORIZE if pays else Step.SHIP)


def after_shipped(shipment: Shipment) -> Shipment | None:
    """The shipment at the step that follows once Shipped is acknowledged; None if none does."""
    authorized = shipment.done_step(Step.AUTHORIZE)
    if authorized is None:
        return None
    at = shipment.label.shipped_at if shipment.label else None
    return _at(_leaving(shipment, DONE, at), Step.CAPTURE, party=authorized.party)


def moved(shipment: Shipment, move: Move, at: datetime) -> Shipment:
    """The shipment after the move."""
    match move:
        case Call():
            return changed(shipment, state=State.CALLING, attempts=shipment.attempts + 1)
        case Done():
            return _done(shipment, move, at)
        case Undone():
            return _further_back(_leaving(shipment, UNDONE, at))
        case TurnBack():
            return _turned(shipment, move, at)
        case GiveUp(note=note):
            left = _leaving(shipment, GIVEN_UP, at, reason=note)
            return _further_back(left) if shipment.undoing else changed(left, state=State.CLOSED)


def _done(shipment: Shipment, done: Done, at: datetime) -> Shipment:
    match shipment.step:
        case Step.SHIP:
            return changed(shipment, state=State.SHIPPED, label=done.label, waits=0)
        case Step.CAPTURE:
            return changed(_leaving(shipment, DONE, at), state=State.CLOSED)
        case _:
            left = _leaving(shipment, DONE, at, authorization_id=done.authorization_id)
            return _at(left, Step.SHIP)


def _turned(shipment: Shipment, turn: TurnBack, at: datetime) -> Shipment:
    turned = changed(shipment, undoing=True, error=turn.error)
    if not shipment.may_be_done and shipment.label is None:
        return _further_back(turned)
    if turn.rejected:
        return _further_back(_leaving(turned, UNDONE, at, reason=turn.error))
    return changed(turned, state=State.READY, attempts=0, waits=0, interruptions=0)


def _further_back(shipment: Shipment) -> Shipment:
    """The shipment at the last step that is still to be undone, or with its outcome."""
    for step in _BACKWARDS:
        if (done := shipment.done_step(step)) is not None:
            return _at(shipment, step, party=done.party, intent_at=done.intent_at)
    held = shipment.done_step(Step.STOCK)
    released = tuple(replace(each, state=UNDONE) if each is held else each for each in shipment.ended)
    outcome = State.CANCELLED if shipment.error is None else State.REJECTED
    return changed(_at(shipment, Step.STOCK), state=outcome, ended=released)


def may_turn(shipment: Shipment) -> bool:
    """Whether the order may still turn back, as far as its owner knows."""
    return not shipment.undoing and shipment.step is not Step.CAPTURE


def holds_stock(shipment: Shipment) -> bool:
    return shipment.done_step(Step.STOCK) is not None


def reserved(shipment: Shipment, at: datetime) -> Shipment:
    """The shipment, for which stock is reserved now."""
    return changed(shipment, ended=(Ended(Step.STOCK, DONE, attempts=1, at=at), *shipment.ended))


def _at(
    shipment: Shipment, step: Step, *, party: str | None = None, intent_at: datetime | None = None
) -> Shipment:
    return changed(
        shipment,
        step=step,
        state=State.READY,
        party=party,
        intent_at=intent_at,
        attempts=0,
        waits=0,
        interruptions=0,
    )


def _leaving(
    shipment: Shipment,
    state: str,
    at: datetime | None,
    *,
    authorization_id: str | None = None,
    reason: str | None = None,
) -> Shipment:
    """The shipment, with its present step among those that ended."""
    before = shipment.ended_step(shipment.step)
    kept = before.authorization_id if before else None
    ended = Ended(
        shipment.step,
        state,
        attempts=shipment.attempts,
        at=at,
        party=shipment.party,
        intent_at=shipment.intent_at,
        authorization_id=authorization_id or kept,
        reason=reason,
    )
    return changed(shipment, ended=(*(each for each in shipment.ended if each is not before), ended))
