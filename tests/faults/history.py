"""What was sent and what was seen: the facts that the checker judges. No clock, no network."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Outcome = Literal["ok", "refused", "unknown", "wrong"]
"""`wrong` is an answer that no valid order may ever get: a permanent 4xx, or 500."""

CONTENT_FIELDS = ("customer", "items", "shipTo")


def order_content(seed: int, number: int) -> dict[str, Any]:
    """The order with that number. Its customer tells it from every other order."""
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


def price_minor(content: Mapping[str, Any]) -> int:
    """What the order costs; 0 if its items have no prices."""
    priced = [item for item in content["items"] if "unitPrice" in item]
    return sum(item["quantity"] * item["unitPrice"]["amountMinor"] for item in priced)


def customer_id(number: int) -> str:
    return f"c-{number}"


def number_of(customer: str) -> int | None:
    prefix, _, number = customer.partition("-")
    return int(number) if prefix == "c" and number.isdigit() else None


def digest(document: Any) -> str:
    """A digest that is equal for equal JSON, whatever the order of its fields."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def content_digest(document: Mapping[str, Any]) -> str:
    """The digest of what the customer said, which a request, an order and an event all contain."""
    return digest({name: document[name] for name in CONTENT_FIELDS if document.get(name) is not None})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for an order. `answer` is the digest of the whole answer if the outcome was ok."""

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
    """One order as the client knows it. An order without a key is requested only once."""

    number: int
    key: str | None
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    @property
    def outcome(self) -> Outcome:
        """ok if one attempt was ok; refused only if every attempt was refused."""
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
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A record of the event log; the position orders those of one partition.

    `life_ms`: when the topic was made again since, in Unix milliseconds; 0 while it is the first one.
    """

    partition: int
    offset: int
    order_id: str
    order_version: int
    event_type: str
    event_id: str
    content: str
    life_ms: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What the carrier's ledger says: a shipment that was made, or an order that was rejected."""

    order_id: str
    state: Literal["live", "voided", "rejected"]
    tracking_number: str


@dataclass(frozen=True, slots=True)
class SeenPayment:
    """What the payment provider's ledger says of one authorization; a declined one is not `authorized`."""

    order_id: str
    authorized: bool
    voided: bool
    captured_minor: int
    refunded_minor: int

    @property
    def is_open(self) -> bool:
        return self.authorized and not self.voided and self.captured_minor == 0


@dataclass(frozen=True, slots=True)
class Counted:
    """A product's stock: what there was at first, and what the record says at the end."""

    first: int
    on_hand: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """An order's status as seen during the run; the sightings of one order are in the order of time."""

    order_id: str
    status: str
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of an order's timeline; changes are listed as the timeline shows them."""

    order_version: int
    status: str


@dataclass(frozen=True, slots=True)
class Death:
    """A role that ended although no fault made it end."""

    role: str
    exit_code: int
    last_lines: str


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault that took place. `alone`: nothing else was injected around it, so recovery is measured.

    `end_s` is when the fault itself was over. For a killed role of ours that is the kill or, if it stayed
    away, the moment when it was started again: its start is part of the recovery. For PostgreSQL and Kafka it
    is when they answered again.
    """

    kind: str
    start_s: float
    end_s: float
    alone: bool
    detail: str = ""


@dataclass(slots=True)
class Probe:
    """An order that is watched until it is terminal. Times are in seconds of the run; None: not terminal
    yet."""

    number: int
    posted_s: float
    terminal_s: float | None = None


@dataclass(slots=True)
class History:
    """Everything that is known of a run."""

    seed: int
    sent: dict[int, Sent] = field(default_factory=dict[int, Sent])
    orders: list[SeenOrder] = field(default_factory=list[SeenOrder])
    events: list[LoggedEvent] = field(default_factory=list[LoggedEvent])
    decisions: list[Decision] = field(default_factory=list[Decision])
    payments: list[SeenPayment] = field(default_factory=list[SeenPayment])
    stock: dict[str, Counted] = field(default_factory=dict[str, Counted])
    sightings: dict[str, list[Sighting]] = field(default_factory=dict[str, list[Sighting]])
    timelines: dict[str, list[Change]] = field(default_factory=dict[str, list[Change]])
    deaths: list[Death] = field(default_factory=list[Death])
    injections: list[Injection] = field(default_factory=list[Injection])
    failed_injections: list[str] = field(default_factory=list[str])
    probes: list[Probe] = field(default_factory=list[Probe])
    cancelled: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """The orders whose cancellation was asked for, with the status that the answer showed; None for a refusal
    or no answer."""
    refusals: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    """Changes that were refused: the order, what was asked for, and the HTTP status."""
    audit: list[str] = field(default_factory=list[str])
    """What `orderflow audit` found at the end."""
    rss_mib: dict[str, float] = field(default_factory=dict[str, float])
    in_flight: int = 0
    drained: bool = True
    log_wiped: bool = False
    """Whether records of the event log were deleted on purpose. If so, some orders' events may be missing."""
    partitions_kept: int | None = None
    """How many of `events`, counted from the first, were written before the number of partitions was changed
    on purpose. After that, a repeated event may be on another partition. None if it was never changed."""
    loaded_s: float = 0.0
    offered_per_s: float = 0.0


def lines(history: History) -> Iterator[str]:
    """The run as NDJSON: what was injected, what was sent and answered, the probes' times, and deaths."""
    groups = {
        "injection": history.injections,
        "sent": history.sent.values(),
        "probe": history.probes,
        "death": history.deaths,
    }
    for name, facts in groups.items():
        for fact in facts:
            yield json.dumps({name: asdict(fact)}) + "\n"
