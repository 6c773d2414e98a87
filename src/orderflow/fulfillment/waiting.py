"""What a shipment waits for now, in one sentence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orderflow.fulfillment.model import NOBODY, Owner, Shipment, State, Step

SENTENCE_CHARS_MAX = 1_200
"""A note has up to 1,000 characters."""

ORDERS = "orders"
"""The name of the Order Service's circuit."""

_REPORTED = {State.SHIPPED: "Shipped", State.REJECTED: "Failed", State.CANCELLED: "Cancelled"}
_OUTCOMES = (State.RECEIVED, *_REPORTED)


@dataclass(frozen=True, slots=True)
class Known:
    """What a worker knows that no row says: who it is, its circuits that are not closed, and its shipments
    that wait for their turn at a party, by order id. A row says that the gate is open only once the first
    intent is written.

    `probes_s`: seconds until the next probe, by the party's name as intents store it, by the step for the
    party that gets fresh keys, and by ORDERS.
    """

    owner: Owner = NOBODY
    probes_s: Mapping[str, float] = field(default_factory=dict[str, float])
    queued: Mapping[str, Shipment] = field(default_factory=dict[str, Shipment])


NOTHING_KNOWN = Known()


def waits_for(found: Mapping[Any, Any], now_ms: int, known: Known = NOTHING_KNOWN) -> str:
    """The sentence for a row of `shipments`, at most SENTENCE_CHARS_MAX characters, without a full stop.

    `now_ms` is the database's clock, by which shipments are due. Circuits are told only if the worker that
    knows them holds the shipment.
    """
    state = State(found["state"])
    if state is State.CLOSED:
        return _done(found)
    if state is State.PARKED:
        return f"parked as {found['parked_kind']}: redrive or discard its dead letter"
    held_by = found["worker_id"]
    if held_by is None and found["due_at_ms"] > now_ms:
        return _again(found, state, _seconds((found["due_at_ms"] - now_ms) / 1000))
    if held_by is None:
        return "waiting for a worker to take it"
    if (held_by, found["epoch"]) == (known.owner.worker_id, known.owner.epoch):
        return _here(found, state, known)
    return _under_way(found, state)


def _here(found: Mapping[Any, Any], state: State, known: Known) -> str:
    """For a shipment that the worker that knows this holds."""
    if state is State.RECEIVED and (queued := known.queued.get(found["order_id"])) is not None:
        state = State.READY
        found = {**found, "step": queued.step.value, "party": queued.party}
    asked = ORDERS if state in _OUTCOMES else found["party"] or found["step"]
    if (probe_s := known.probes_s.get(asked)) is None:
        return _under_way(found, state)
    when = f"next probe in {_seconds(probe_s)}" if probe_s > 0 else "a probe is due"
    return f"waiting for the {_party(found, state)}'s circuit: {when}"


def _under_way(found: Mapping[Any, Any], state: State) -> str:
    if state in _OUTCOMES:
        return f"waiting for the Order Service to acknowledge {_REPORTED.get(state, 'Processing')}"
    step = _step(found)
    if state is State.CALLING:
        return f"waiting for the {_party(found, state)}'s answer to attempt {found['attempts']} of {step}"
    return f"waiting for its turn at the {_party(found, state)}, for {step}"


def _again(found: Mapping[Any, Any], state: State, due: str) -> str:
    """For a shipment that is left alone until it is due. Its note says why."""
    note = f" after: {found['note']}" if found["note"] else ""
    if state is State.RECEIVED and not found["waits"] and found["note"]:  # a wait that does not count: a hold
        return f"waiting for the order's release, asked again in {due}: {found['note']}"
    if state in _OUTCOMES:
        return f"telling the Order Service {_REPORTED.get(state, 'Processing')} again in {due}{note}"
    return f"retry of {_step(found)} in {due}{note}"


def _done(found: Mapping[Any, Any]) -> str:
    if found["direction"] == "do" and found["shipment_id"] is not None:
        return f"done: shipped; {found['note']}" if found["note"] else "done: shipped"
    if found["error"] is not None:
        return f"done: failed: {found['error']}"
    if found["direction"] == "undo":
        return "done: cancelled"
    return f"done: {found['note']}" if found["note"] else "done"


def _step(found: Mapping[Any, Any]) -> str:
    return f"step {'undo ' if found['direction'] == 'undo' else ''}{found['step']}"


def _party(found: Mapping[Any, Any], state: State) -> str:
    if state in _OUTCOMES:
        return "Order Service"
    return "carrier" if found["step"] == Step.SHIP else "payment provider"


def _seconds(seconds: float) -> str:
    """Whole seconds, rounded up, as `28 s` or `1 h 5 min`."""
    whole = max(1, int(-(-seconds // 1)))
    if whole < 120:
        return f"{whole} s"
    hours, minutes = divmod(-(-whole // 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
