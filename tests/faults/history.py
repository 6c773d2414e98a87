"""What was sent and what was seen: the facts that the checker judges. No clock, no network."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Outcome = Literal["ok", "refused", "unknown", "wrong"]
"""`wrong` is an answer that no valid order may ever get: 4xx for good, or 500."""

CONTENT_FIELDS = ("customer", "items", "shipTo")


def order_content(seed: int, number: int) -> dict[str, Any]:
    """The order of that number, told from every other by its customer."""
    draw = random.Random(f"{seed}/{number}")
    priced = draw.random() < 0.5
    items: list[dict[str, Any]] = []
    for _ in range(draw.randint(1, 3)):
        item: dict[str, Any] = {"productId": f"p-{draw.randrange(500)}", "quantity": draw.randint(1, 9)}
        if priced:
            item["unitPrice"] = {"amountMinor": draw.randrange(1, 100_000), "currency": "EUR"}
        items.append(item)
    content: dict[str, Any] = {
        "customer": {"customerId": customer_id(number), "name": f"Customer {draw.randrange(10**9)}"},
        "items": items,
    }
    if draw.random() < 0.3:
        content["shipTo"] = {
            "name": "Ada",
            "lines": [f"{draw.randrange(1, 999)} Main Street"],
            "city": "Ghent",
            "postalCode": "9000",
            "country": "BE",
        }
    return content


def customer_id(number: int) -> str:
    return f"c-{number}"


def number_of(customer: str) -> int | None:
    prefix, _, number = customer.partition("-")
    return int(number) if prefix == "c" and number.isdigit() else None


def digest(document: Any) -> str:
    """Equal for equal JSON, whatever the order of fields."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def content_digest(document: Mapping[str, Any]) -> str:
    """Of what the customer said, wherever it is found: request, order or event."""
    return digest({name: document[name] for name in CONTENT_FIELDS if document.get(name) is not None})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for an order. `answer` is the digest of the whole answer, where it was ok."""

    at: float
    took_s: float
    outcome: Outcome
    status: int | None
    order_id: str | None = None
    answer: str | None = None
    content: str | None = None
    detail: str = ""


@dataclass(slots=True)
class Sent:
    """One order as the client knows it. Without a key it is requested once only."""

    number: int
    key: str | None
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    @property
    def outcome(self) -> Outcome:
        """ok as soon as one attempt was; refused only where every attempt was."""
        outcomes = {attempt.outcome for attempt in self.attempts}
        for outcome in ("ok", "wrong", "unknown"):
            if outcome in outcomes:
                return outcome
        return "refused" if outcomes else "unknown"

    @property
    def order_ids(self) -> set[str]:
        return {attempt.order_id for attempt in self.attempts if attempt.order_id is not None}


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """An order as the public API shows it at the end."""

    order_id: str
    customer_id: str
    content: str
    status: str
    version: int
    attention: str | None
    tracking_number: str | None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A record of the event log; the position orders those of one partition."""

    partition: int
    offset: int
    order_id: str
    order_version: int
    event_type: str
    event_id: str
    content: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the carrier's ledger says: a shipment that was made, or an order that was rejected."""

    order_id: str
    state: Literal["live", "voided", "rejected"]
    tracking_number: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """An order's status during the run; those of one order follow each other in time."""

    order_id: str
    status: str
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of an order's timeline, in its order."""

    order_version: int
    status: str


@dataclass(frozen=True, slots=True)
class Death:
    """A role that ended although nobody made it."""

    role: str
    exit_code: int
    last_lines: str


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault that took place. `alone`: nothing else was injected around it, so recovery is measured.

    `end_s` is when the fault itself was over: when a role of ours was killed or, where it stayed away, was
    started again (its start is part of the recovery), when PostgreSQL or Kafka answered again.
    """

    kind: str
    start_s: float
    end_s: float
    alone: bool
    detail: str = ""


@dataclass(slots=True)
class Probe:
    """An order whose way is watched. Times in seconds of the run; None where it has not come so far."""

    number: int
    posted_s: float
    terminal_s: float | None = None


@dataclass(slots=True)
class History:
    """All of a run."""

    seed: int
    sent: dict[int, Sent] = field(default_factory=dict[int, Sent])
    orders: list[SeenOrder] = field(default_factory=list[SeenOrder])
    events: list[LoggedEvent] = field(default_factory=list[LoggedEvent])
    decisions: list[Decision] = field(default_factory=list[Decision])
    sightings: dict[str, list[Sighting]] = field(default_factory=dict[str, list[Sighting]])
    timelines: dict[str, list[Change]] = field(default_factory=dict[str, list[Change]])
    deaths: list[Death] = field(default_factory=list[Death])
    injections: list[Injection] = field(default_factory=list[Injection])
    failed_injections: list[str] = field(default_factory=list[str])
    probes: list[Probe] = field(default_factory=list[Probe])
    rss_mib: dict[str, float] = field(default_factory=dict[str, float])
    in_flight: int = 0
    drained: bool = True
    log_wiped: bool = False
    """The event log lost records on purpose: then it need not hold every order's event."""
    partitions_kept: int | None = None
    """So many of `events`, the first ones, are from before the number of partitions was changed on purpose: a
    repeated event may lie on another one afterwards. None where it never was."""
    loaded_s: float = 0.0
    offered_per_s: float = 0.0


def lines(history: History) -> Iterator[str]:
    """The run as NDJSON: what was injected, what was sent and answered, how the probes fared."""
    groups = {
        "injection": history.injections,
        "sent": history.sent.values(),
        "probe": history.probes,
        "death": history.deaths,
    }
    for name, facts in groups.items():
        for fact in facts:
            yield json.dumps({name: asdict(fact)}) + "\n"
