"""What the Fulfillment Service answers, for its OpenAPI document. The answers themselves are made by
`queries.py`, straight from the rows."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from orderflow.contracts.orders_api import OrderId
from orderflow.fulfillment.breaker import Circuit
from orderflow.fulfillment.letters import Action, LetterState
from orderflow.fulfillment.model import State, Step
from orderflow.web import health


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class SagaStep(_Document):
    """A step of an order. `at` is when it ended; `reason` says why it was skipped, undone or parked."""

    step: Step
    state: Literal["pending", "done", "skipped", "undone", "parked"]
    attempts: int
    at: datetime | None = None
    reason: str | None = None


class FailedCall(_Document):
    """A call that failed for good or is to be repeated. `outcome` is `retry` or the kind of a dead letter."""

    step: str
    attempt: int
    at: datetime
    outcome: str
    reason: str | None


class Label(_Document):
    """What the carrier has made."""

    shipment_id: str
    carrier: str | None
    tracking_number: str | None
    shipped_at: datetime | None


class Shipment(_Document):
    """A shipment, without customer and address. `parked` is the kind of its dead letter."""

    order_id: OrderId
    state: State
    step: Step
    direction: Literal["do", "undo"]
    steps: list[SagaStep]
    failed_calls: list[FailedCall]
    waits_for: str
    attempts: int
    waits: int
    interruptions: int
    due_at: datetime | None
    worker_id: str | None
    epoch: int | None
    label: Label | None
    error: str | None
    note: str | None
    parked: str | None
    event_id: str
    correlation_id: str
    trace_id: str | None
    ordered_at: datetime
    received_at: datetime
    intent_at: datetime | None
    party: str | None
    closed_at: datetime | None


class ShipmentPage(_Document):
    items: list[Shipment]
    next_cursor: str | None


class DeadLetter(_Document):
    """What could not be processed or shipped. One that was a message has `topic`, `partition` and `offset`;
    its key is `keyBase64` if it is not UTF-8. `published`: a copy is in the dead-letter topic."""

    id: str
    kind: str
    reason: str
    order_id: OrderId | None
    key: str | None = None
    key_base64: str | None = None
    value_bytes: int | None
    topic: str | None
    step: str | None
    partition: int | None
    offset: int | None
    attempts: int
    state: LetterState
    outcome: str | None
    redriven_at: datetime | None
    published: bool
    at: datetime


class DeadLetterPage(_Document):
    items: list[DeadLetter]
    next_cursor: str | None


class LetterAction(_Document):
    """Something that was done with a dead letter, and by whom."""

    at: datetime
    actor: str
    action: Action
    note: str | None


class DeadLetterDetails(DeadLetter):
    """A dead letter, what was done with it, and the shipment of its order, if there is one."""

    actions: list[LetterAction]
    shipment: Shipment | None


class LetterHeader(_Document):
    """A header of a message; `valueBase64` if its value is not UTF-8."""

    name: str
    value: str | None = None
    value_base64: str | None = None


class LetterMessage(_Document):
    """A message from the log, or of a shipment that was given up the request to its carrier. What is not
    UTF-8 is in base64, under the other name. Once its customer was erased, `value` is `erased`."""

    key: str | None = None
    key_base64: str | None = None
    headers: list[LetterHeader]
    value: str | None = None
    value_base64: str | None = None


class DeadLetterGroup(_Document):
    """Open dead letters of one kind and reason."""

    kind: str
    reason: str
    open: int
    oldest_at: datetime
    newest_at: datetime


class DeadLetterGroups(_Document):
    items: list[DeadLetterGroup]


class GroupRedrive(_Document):
    """The redrive of a group. `letters` is how many there were when it began, `stage` which of its
    four stages it is in, if it has any, and `note` why it has ended."""

    id: str
    kind: str
    reason: str | None
    rate_per_s: int
    actor: str
    state: Literal["running", "done", "stopped"]
    note: str | None
    letters: int | None
    redriven: int
    stage: int | None
    started_at: datetime
    ended_at: datetime | None


class GroupRedrives(_Document):
    items: list[GroupRedrive]


class StockRecord(_Document):
    """Pieces of a product: what was counted last and has not left since, and what is reserved of it."""

    product_id: str
    on_hand: int
    reserved: int


class Behaviour(_Document):
    """Of the simulated carrier. It answers after between `delayMsLeast` and `delayMsMost`; `failureRate` is
    the share of orders that it rejects, `errorRate` that of calls which fail."""

    delay_ms_least: int
    delay_ms_most: int
    failure_rate: float
    error_rate: float


class StockPage(_Document):
    items: list[StockRecord]
    next_cursor: str | None


class ConsumerHealth(_Document):
    """`lag` is in messages, over all partitions of `assignment`; null while it is unknown."""

    group: str
    assignment: list[int]
    lag: int | None
    last_poll_age_ms: int | None
    error: str | None


class WorkerReady(health.Ready):
    """`held` are shipments in this worker's memory, `inFlight` those that a party is asked for now.
    `skippedEvents` counts events meant for others, by type, since the start."""

    model_config = ConfigDict(alias_generator=to_camel)

    worker_id: str
    epoch: int
    in_flight: int
    held: int
    consumer: ConsumerHealth
    circuits: dict[str, Circuit]
    skipped_events: dict[str, int]
