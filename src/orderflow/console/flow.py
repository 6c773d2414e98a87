"""How everything flows: one part after the other, each with its state and the reason."""

from dataclasses import dataclass, field
from typing import Any, Literal

Document = dict[str, Any]
State = Literal["good", "watch", "bad", "unknown"]

BACKLOG_AGE_WATCH_MS, BACKLOG_AGE_BAD_MS = 10_000, 60_000
LAG_WATCH, LAG_BAD = 1_000, 100_000

_RANK: dict[State, int] = {"good": 0, "unknown": 1, "watch": 2, "bad": 3}


@dataclass(slots=True)
class Part:
    """A part of the way that an order takes. `reason` says why it is not good."""

    name: str
    state: State = "good"
    reason: str = ""
    figures: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])

    def worsen(self, state: State, reason: str) -> None:
        if _RANK[state] > _RANK[self.state]:
            self.state, self.reason = state, reason


@dataclass(frozen=True, slots=True)
class Seen:
    """What the services told; None where one told nothing, and then `away` says why by its name."""

    stats: Document | None
    orders: Document | None
    fulfillment: Document | None
    away: dict[str, str]


def parts(seen: Seen) -> list[Part]:
    """The parts, in the order in which an order passes them."""
    return [_intake(seen), _outbox(seen), _log(seen), _fulfillment(seen), *_circuits(seen)]


def _intake(seen: Seen) -> Part:
    part = Part("Order Service")
    if seen.orders is None:
        part.worsen("bad", seen.away["orders"])
        return part
    _told(part, seen.orders)
    if seen.stats is not None:
        statuses: dict[str, int] = seen.stats["statuses"]
        part.figures = [("open", sum(statuses.get(s, 0) for s in ("Created", "Processing", "Cancelling")))]
        part.figures += [("need a person", seen.stats["attention"])]
        if seen.stats["attention"]:
            part.worsen("watch", "Some orders wait for a person.")
    return part


def _outbox(seen: Seen) -> Part:
    part = Part("Outbox and relay")
    if seen.stats is None:
        part.worsen("unknown", "The Order Service does not tell.")
        return part
    outbox: Document = seen.stats["outbox"]
    part.figures = [
        ("events waiting", outbox["backlog"]),
        ("oldest", f"{outbox['oldestAgeMs'] / 1000:.1f} s"),
    ]
    if outbox["parked"]:
        part.worsen("bad", f"{outbox['parked']} events are too large for the log.")
    if outbox["oldestAgeMs"] >= BACKLOG_AGE_BAD_MS:
        part.worsen("bad", "Events are not published: look at the relay and the event log.")
    elif outbox["oldestAgeMs"] >= BACKLOG_AGE_WATCH_MS:
        part.worsen("watch", "Events wait longer than usual.")
    return part


def _log(seen: Seen) -> Part:
    part = Part("Event log")
    if seen.fulfillment is None:
        part.worsen("unknown", "The Fulfillment Service, which reads it, does not tell.")
        return part
    consumer: Document = seen.fulfillment.get("consumer", {})
    lag = consumer.get("lag")
    part.figures = [("events not read", "unknown" if lag is None else lag)]
    if consumer.get("error"):
        part.worsen("bad", consumer["error"])
    if lag is not None and lag >= LAG_WATCH:
        part.worsen("bad" if lag >= LAG_BAD else "watch", "The workers are behind.")
    return part


def _fulfillment(seen: Seen) -> Part:
    part = Part("Fulfillment Service")
    if seen.fulfillment is None:
        part.worsen("bad", seen.away["fulfillment"])
        return part
    _told(part, seen.fulfillment)
    names = (("in flight", "inFlight"), ("held", "held"))
    part.figures = [(name, seen.fulfillment[field]) for name, field in names if field in seen.fulfillment]
    return part


def _circuits(seen: Seen) -> list[Part]:
    circuits: dict[str, str] = {} if seen.fulfillment is None else seen.fulfillment.get("circuits", {})
    found: list[Part] = []
    for name, state in circuits.items():
        part = Part(f"Calls to {name}", figures=[("circuit", state)])
        if state == "open":
            part.worsen("bad", "It does not answer: work waits, and one call at a time tries it.")
        elif state != "closed":
            part.worsen("watch", "A call tries whether it answers again.")
        found.append(part)
    return found


def _told(part: Part, ready: Document) -> None:
    """What a service says of itself."""
    if "detail" in ready:
        part.worsen("bad", ready["detail"])
    for each in ready.get("degraded", ()):
        part.worsen("watch", f"{each['part']}: {each['reason']}")
