"""The steps of an order's saga, as the document of its shipment tells them (CONTRACT, `steps`)."""

from typing import Any

from sqlalchemy.engine import RowMapping

from orderflow.fulfillment.model import GIVEN_UP, Ended, State, Step, decode_ended

Document = dict[str, Any]

_ORDER = tuple(Step)
_OVER = (State.REJECTED, State.CANCELLED, State.CLOSED)


def told_steps(found: RowMapping) -> list[Document]:
    """Every step in the order of the saga: `pending`, `done`, `skipped`, `undone` or `parked`."""
    ended = {each.step: each for each in decode_ended(found["ended"])}
    return [_told(step, ended.get(step), found) for step in _ORDER]


def _told(step: Step, ended: Ended | None, found: RowMapping) -> Document:
    present = Step(found["step"])
    document: Document = {"step": step.value, "attempts": 0}
    if step is present and step is not Step.STOCK:
        document["attempts"] = found["attempts"]
    if ended is not None and not (step is present and found["state"] not in _OVER):
        state = "parked" if ended.state == GIVEN_UP else ended.state
        document |= {"state": state, "attempts": ended.attempts, "at": ended.at, "reason": ended.reason}
    elif step is Step.SHIP and found["direction"] == "do" and found["shipment_id"] is not None:
        document |= {"state": "done", "at": found["shipped_at"]}
    elif step is Step.SHIP and _was_rejected(found):
        document |= {"state": "undone", "attempts": found["attempts"], "reason": found["error"]}
    elif step is present and step is not Step.STOCK and found["state"] == State.PARKED:
        document |= {"state": "parked", "reason": found["note"]}
    else:
        document["state"] = _without_trace(step, present, found)
    return {name: value for name, value in document.items() if value is not None}


def _was_rejected(found: RowMapping) -> bool:
    """Whether the carrier rejected an order for which nothing else was done, and whose row has no steps."""
    return found["ended"] is None and found["error"] is not None and found["intent_at"] is not None


def _without_trace(step: Step, present: Step, found: RowMapping) -> str:
    """The state of a step that nothing was written about: it was left out, is under way, or comes later."""
    if found["state"] in _OVER or found["direction"] == "undo":
        return "pending" if step is present and found["state"] not in _OVER else "skipped"
    if found["state"] == State.RECEIVED or _ORDER.index(step) == _ORDER.index(present):
        return "pending"
    if _ORDER.index(step) < _ORDER.index(present):
        is_begun = found["intent_at"] is not None or found["ended"] is not None
        return "skipped" if is_begun else "pending"
    # A payment is captured only if it was authorized.
    return "pending" if step is Step.SHIP or (found["ended"] and "authorize" in found["ended"]) else "skipped"
