"""Requests and answers of the Order Service.

Texts have 1 to 200 characters, not only blanks, and no control characters. Ids also do not end with white
space, which a database may ignore. Unknown fields are refused, so that a misspelt one is noticed and nothing
that the client sent is dropped silently. If a JSON key is repeated, the last one counts.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

from orderflow.contracts.order import CustomerFields, ItemFields, OrderFields, PriceFields, ShipToFields

ITEMS_MAX = 1_000
BATCH_MAX = 1_000
BODY_BYTES_MAX = 1 << 20
BATCH_BODY_BYTES_MAX = 8 << 20
IDEMPOTENCY_KEY_CHARS_MAX = 255
TEXT_CHARS_MAX = 200
REASON_CHARS_MAX = 1_000

STREAM = "/api/orders/stream"

# Control characters by number: the pattern is in the OpenAPI document, and not every engine knows \p{Cc}.
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x1f\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$"
_PRINTABLE_ID = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x1f\x7f-\x9f\s]$"
PATTERN_WORDS = {
    _PRINTABLE: "must not be blank, and must have no control characters",
    _PRINTABLE_ID: "must not be blank or end with white space, and must have no control characters",
}

Text = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_CHARS_MAX, pattern=_PRINTABLE)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_CHARS_MAX, pattern=_PRINTABLE_ID)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=REASON_CHARS_MAX, pattern=_PRINTABLE)]


def _trimmed(value: object) -> object:
    """Without the white space that HTTP trims around a header's value, so that a key has one spelling."""
    return value.strip(" \t") if isinstance(value, str) else value


IdempotencyKey = Annotated[
    str,
    BeforeValidator(_trimmed),
    StringConstraints(min_length=1, max_length=IDEMPOTENCY_KEY_CHARS_MAX, pattern=_PRINTABLE),
]
AttentionKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
OrderId = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]


_INSTANT_WANTED = "must be an ISO 8601 time with an offset, such as 2026-02-10T09:30:00Z"


def _require_text(value: object) -> object:
    """Refuses numbers and dates, which pydantic would accept for a datetime."""
    if isinstance(value, str) and "T" not in value.upper():
        raise ValueError(_INSTANT_WANTED)
    if not isinstance(value, (str, datetime)):
        raise ValueError(_INSTANT_WANTED)
    return value


def _in_utc(value: datetime) -> datetime:
    """Refuses a local time, which means another instant on every machine, and a time that is in the year 0 in
    UTC, which a database cannot keep."""
    if value.tzinfo is None:
        raise ValueError(_INSTANT_WANTED)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


Instant = Annotated[
    datetime,
    BeforeValidator(_require_text),
    AfterValidator(_in_utc),
    # Not strict: after our own validator, pydantic treats a text from JSON as a Python one, and strict mode
    # would refuse that.
    Field(strict=False, json_schema_extra={"format": "date-time"}),
]


def _integral(value: object) -> object:
    """JSON has one kind of number, so 2.0 is the integer 2 (RFC 8259, 6; JSON Schema says so, too)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_integral)]
Quantity = Annotated[Whole, Field(ge=1, le=1_000_000)]
AmountMinor = Annotated[Whole, Field(ge=0, le=10**12)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
AddressLines = Annotated[list[Text], Field(min_length=1, max_length=10)]


class Contract(BaseModel):
    """Camel case outside, snake case inside; strict, frozen, without unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
        strict=True,
        frozen=True,
    )


class Answer(Contract):
    """As a request, but a reader ignores fields that it does not know: later versions may add some."""

    model_config = ConfigDict(extra="ignore", strict=False)


class Customer(Contract, CustomerFields[Id, Text]): ...


class Money(Contract, PriceFields[AmountMinor, Currency]):
    """An amount in the currency's minor unit (pence, cents); never a float."""


class Item(Contract, ItemFields[Id, Quantity, Money]): ...


class ShipTo(Contract, ShipToFields[Text, AddressLines]): ...


Items = Annotated[list[Item], Field(min_length=1, max_length=ITEMS_MAX)]


class OrderIn(Contract, OrderFields[Customer, Items, ShipTo]):
    def price_errors(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """(location, message) for each item that breaks the rule: either all items have a price in the same
        currency, or none has one."""
        first = self.items[0].unit_price
        for line, item in enumerate(self.items):
            price = item.unit_price
            if (price is None) != (first is None):
                yield ("items", line, "unitPrice"), "price all items or none: the first one decides"
            elif price and first and price.currency != first.currency:
                yield (
                    ("items", line, "unitPrice", "currency"),
                    f"one currency per order: the first item has {first.currency}",
                )


class BatchOrderIn(OrderIn):
    idempotency_key: IdempotencyKey | None = None


class BatchIn(Contract):
    # Validation stops at the first wrong order; then each is validated on its own.
    orders: Annotated[list[BatchOrderIn], Field(min_length=1, max_length=BATCH_MAX), FailFast()]


class BatchEnvelope(Contract):
    """The batch without a look into its orders: used when one of them is wrong, so that the others do not
    suffer."""

    orders: Annotated[list[Any], Field(min_length=1, max_length=BATCH_MAX)]


class FulfillmentIn(Contract):
    carrier: Text | None = None
    tracking_number: Text | None = None
    shipped_at: Instant | None = None
    error_message: Reason | None = None


class AttentionIn(Contract):
    kind: AttentionKind
    reason: Reason


class StatusPatch(Contract):
    """Absent fields stay as they are; `attention: null` clears it."""

    status: Literal["Processing", "Shipped", "Failed", "Cancelled"] | None = None
    fulfillment: FulfillmentIn | None = None
    attention: AttentionIn | None = None


class StatusUpdate(StatusPatch):
    """One entry of a bulk. Correlation id and traceparent are the order's own, in case the caller's
    differ."""

    order_id: OrderId
    correlation_id: Text | None = None
    traceparent: Annotated[str, StringConstraints(max_length=55)] | None = None


class StatusUpdatesIn(Contract):
    updates: Annotated[list[StatusUpdate], Field(min_length=1, max_length=BATCH_MAX), FailFast()]


class StatusUpdatesEnvelope(Contract):
    updates: Annotated[list[Any], Field(min_length=1, max_length=BATCH_MAX)]


class ActionIn(Contract):
    """The optional body of an action (cancel, hold, release): why. The timeline shows it."""

    reason: Reason | None = None


class FulfillmentOut(Answer):
    carrier: str | None
    tracking_number: str | None
    shipped_at: datetime | None
    error_message: str | None


class AttentionOut(Answer):
    kind: str
    reason: str
    since: datetime


class CustomerOut(Answer, CustomerFields[str, str]): ...


class MoneyOut(Answer, PriceFields[int, str]): ...


class ItemOut(Answer, ItemFields[str, int, MoneyOut]): ...


class ShipToOut(Answer, ShipToFields[str, list[str]]): ...


class OrderOut(Answer, OrderFields[CustomerOut, list[ItemOut], ShipToOut]):
    order_id: OrderId
    status: str
    version: int
    fulfillment: FulfillmentOut | None
    attention: AttentionOut | None
    created_at: datetime
    updated_at: datetime
    correlation_id: str
    allowed_transitions: list[str]


class AttentionMark(Answer):
    """Attention without its reason, a text that people may have written: the order itself has it."""

    kind: str
    since: datetime


class OrderChange(Answer):
    """The data of an event in the stream: a version of an order."""

    position: int
    order_id: OrderId
    status: str
    version: int
    at: datetime
    attention: AttentionMark | None


class StreamReset(Answer):
    """The data of a reset: the stream goes on behind this position."""

    position: int


class OrderPage(Answer):
    items: list[OrderOut]
    next_cursor: str | None


class FieldError(Answer):
    """Where the error is (a JSON Pointer, RFC 6901; `in` is `query` or `header` if it is not in the body) and
    what is wrong."""

    model_config = ConfigDict(alias_generator=None)

    pointer: str
    message: str
    in_: Annotated[str | None, Field(alias="in")] = None


class Problem(Answer):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    correlation_id: str
    errors: list[FieldError] | None = None
    current_status: str | None = None
    allowed_transitions: list[str] | None = None


class BatchResult(Answer):
    """`replayed`: an earlier request with this idempotency key had placed the order."""

    status: int
    order: OrderOut | None = None
    replayed: bool = False
    problem: Problem | None = None


class BatchOut(Answer):
    results: list[BatchResult]


class UpdateResult(Answer):
    status: int
    problem: Problem | None = None


class StatusUpdatesOut(Answer):
    results: list[UpdateResult]


class TimelineEntry(Answer):
    """A change of the order, or an event about it with its position in the log (null until it is
    published)."""

    at: datetime
    kind: Literal["change", "event"]
    order_version: int
    status: str | None = None
    actor: str | None = None
    reason: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    topic_position: dict[str, int] | None = None
    correlation_id: str | None = None


class Timeline(Answer):
    items: list[TimelineEntry]


FINAL = frozenset(("Shipped", "Failed", "Cancelled"))
"""The statuses that an order never leaves."""

WORKER_AGENT = "orderflow-fulfillment"
"""The `User-Agent` of a fulfillment worker."""


class ParkedEvent(Answer):
    """An event that the log refuses for its size, even when it is sent alone."""

    order_id: OrderId
    order_version: int
    event_type: str
    topic: str
    created_at: datetime
    reason: str
    next_try_at: datetime


class ParkedPage(Answer):
    items: list[ParkedEvent]
    next_cursor: str | None


class ReleaseIn(Contract):
    """Releases the parked events of one order, or all of them if no order is named."""

    order_id: OrderId | None = None


class ReleaseOut(Answer):
    """How many events the relay now tries again."""

    released: int


class OutboxStats(Answer):
    backlog: int
    oldest_age_ms: int
    parked: int


class Stats(Answer):
    statuses: dict[str, int]
    attention: int
    outbox: OutboxStats
