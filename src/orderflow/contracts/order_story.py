"""One order's whole story: what both services say of it, and what it waits for now, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]

_FINAL = {"Shipped": "done: shipped", "Failed": "done: failed", "Cancelled": "done: cancelled"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the Order Service tells: the order and its timeline."""

    order: Document
    timeline: list[Document]


@dataclass(frozen=True, slots=True)
class Story:
    """`told` is None if the Order Service told nothing. `shipment` is None if there is none yet, or if the
    Fulfillment Service told nothing. `untold`: why a service told nothing, by its name."""

    order_id: str
    told: Told | None = None
    shipment: Document | None = None
    dead_letters: list[Document] = field(default_factory=list[Document])
    untold: dict[str, str] = field(default_factory=dict[str, str])

    def document(self) -> Document:
        """The order, with the other parts as fields of it."""
        return {
            **(self.told.order if self.told else {"orderId": self.order_id}),
            "waitsFor": waits_for(self),
            "timeline": self.told.timeline if self.told else [],
            "shipment": self.shipment,
            "deadLetters": self.dead_letters,
            "untold": self.untold,
        }


def waits_for(story: Story) -> str:
    """What the order waits for now, without a full stop."""
    shipment = story.shipment
    if story.told is None:
        return shipment["waitsFor"] if shipment else "not known, because the Order Service does not tell"
    order = story.told.order
    if order["status"] == "OnHold":
        return _on_hold(story.told.timeline)
    if shipment is not None and shipment["state"] != "closed":
        return shipment["waitsFor"]
    if order["status"] in _FINAL:
        fulfillment: Document = order["fulfillment"] or {}
        error = fulfillment.get("errorMessage")
        return _FINAL[order["status"]] + (f": {error}" if error else "")
    if order["attention"]:
        return f"waiting for a person: {order['attention']['reason']}"
    if shipment is not None:
        return f"not known: it is {order['status']}, but its shipment is {shipment['waitsFor']}"
    if "fulfillment" in story.untold:
        return "not known, because the Fulfillment Service does not tell"
    return _not_received(story)


def _not_received(story: Story) -> str:
    """For an order that has no shipment yet."""
    if (letter := next((each for each in story.dead_letters if each["state"] == "open"), None)) is not None:
        return f"its event is a dead letter ({letter['kind']}): redrive or discard it"
    events = [entry for entry in story.told.timeline if entry["kind"] == "event"] if story.told else []
    if events and events[0]["topicPosition"] is None:
        return "waiting for its event to be published"
    return "waiting for the Fulfillment Service to take its event"


def _on_hold(timeline: list[Document]) -> str:
    held = [entry for entry in timeline if entry["kind"] == "change" and entry["status"] == "OnHold"]
    if not held:
        return "on hold"
    last = held[-1]
    reason = f": {last['reason']}" if last["reason"] else ""
    return f"on hold by {last['actor']} since {last['at']}{reason}"
