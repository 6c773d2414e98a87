"""How everything flows: one part after the other, each with its state and the reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Document = dict[str, Any]
State = Literal["good", "watch", "bad", "unknown"]

BACKLOG_AGE_WATCH_MS, BACKLOG_AGE_BAD_MS = 10_000, 60_000
LAG_WATCH, LAG_BAD = 1_000, 100_000
EVENT_LOG = "event-log"
"""What both services call it among what is degraded."""

_RANK: dict[State, int] = {"good": 0, "unknown": 1, "watch": 2, "bad": 3}


@dataclass(slots=True)
class Part:
    """A part of the way that an order takes. `reason` says why it is not good; `arriving`, what comes."""

    name: str
    state: State = "good"
    reason: str = ""
    figures: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    arriving: tuple[str, ...] = ()

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
    rates: Mapping[str, float | None]


class Diagram(NamedTuple):
    """`path`: the parts that an order passes, one after the other. `parties`: who is called for it then.
    `back`: the way by which its status comes back."""

    path: list[Part]
    parties: list[Part]
    back: Part


def diagram(seen: Seen) -> Diagram:
    """The way that orders take, with the state of each part."""
    circuits: dict[str, str] = {} if seen.fulfillment is None else seen.fulfillment.get("circuits", {})
    parties = [_circuit(name.capitalize(), state) for name, state in circuits.items() if name != "orders"]
    back = _circuit("Status updates", circuits.get("orders"))
    back.arriving = (_rate(seen, "shipped"), _rate(seen, "failed"))
    return Diagram([_intake(seen), _outbox(seen), _log(seen), _fulfillment(seen)], parties, back)


def _rate(seen: Seen, name: str) -> str:
    return f"{measure(seen.rates.get(name))} {name}/s"


def measure(value: float | None) -> str:
    """A number for people: two digits, or all of a larger one."""
    if value is None:
        return "–"
    return f"{value:,.0f}".replace(",", "\u202f") if value >= 10 else f"{value:.2g}"


def _intake(seen: Seen) -> Part:
    part = Part("Order Service", arriving=(_rate(seen, "placed"),))
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
    for ready in (seen.orders, seen.fulfillment):
        for each in _degraded(ready):
            if each["part"] == EVENT_LOG:
                part.worsen("bad", each["reason"])
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


def _circuit(name: str, state: str | None) -> Part:
    """Calls of somebody, behind a circuit breaker."""
    part = Part(name, figures=[("circuit", state or "unknown")])
    if state is None:
        part.worsen("unknown", "The Fulfillment Service, which calls, does not tell.")
    elif state == "open":
        part.worsen("bad", "It does not answer: work waits, and one call at a time tries it.")
    elif state != "closed":
        part.worsen("watch", "A call tries whether it answers again.")
    return part


def _told(part: Part, ready: Document) -> None:
    """What a service says of itself."""
    if "detail" in ready:
        part.worsen("bad", ready["detail"])
    for each in _degraded(ready):
        if each["part"] != EVENT_LOG:  # it is a part of its own
            part.worsen("watch", f"{each['part']}: {each['reason']}")


def _degraded(ready: Document | None) -> list[Document]:
    return [] if ready is None else ready.get("degraded", [])
