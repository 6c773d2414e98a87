"""Validates what a request says: queries, headers, bodies and the entries of bulk bodies."""

import re
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from orderflow.contracts import orders_api as api
from orderflow.contracts.pages import PageQuery
from orderflow.contracts.traceparent import parse_traceparent
from orderflow.orders import commands
from orderflow.orders.http.problems import unknown_order
from orderflow.orders.model import Attention, AttentionChange, Fulfillment, Status
from orderflow.web.access import other_customer
from orderflow.web.front_door import Caller
from orderflow.web.problems import ProblemError, broken_contract, field_error, validation_problem

WAIT_MS_MAX = 60_000


class ListQuery(PageQuery):
    """Filters of `GET /api/orders`; times are ISO 8601 with an offset, `createdTo` is exclusive."""

    status: list[Status] = Field([])
    customer_id: api.Id | None = None
    product_id: api.Id | None = None
    tracking_number: api.Text | None = None
    idempotency_key: api.IdempotencyKey | None = None
    attention: bool | None = None
    created_from: api.Instant | None = None
    created_to: api.Instant | None = None


class StreamQuery(BaseModel):
    """Filters of `GET /api/orders/stream`."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    status: list[Status] = Field([])
    customer_id: api.Id | None = None


class OrderQuery(BaseModel):
    """`wait` names the status to wait for; a terminal status or the time-out ends the wait, too."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    wait: Status | None = None
    timeout_ms: Annotated[int, Field(ge=0, le=WAIT_MS_MAX)] = 30_000


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ORDER: TypeAdapter[api.OrderIn] = TypeAdapter(api.OrderIn)
BATCH: TypeAdapter[api.BatchIn] = TypeAdapter(api.BatchIn)
PATCH: TypeAdapter[api.StatusPatch] = TypeAdapter(api.StatusPatch)
ACTION: TypeAdapter[api.ActionIn] = TypeAdapter(api.ActionIn)
UPDATES: TypeAdapter[api.StatusUpdatesIn] = TypeAdapter(api.StatusUpdatesIn)

M = TypeVar("M", bound=BaseModel)


def order_id(text: str) -> str:
    order_id = text.lower()
    if not UUID.fullmatch(order_id):
        raise unknown_order()
    return order_id


def check_prices(order: api.OrderIn, at: tuple[str | int, ...] = ()) -> None:
    errors = [field_error((*at, *location), message) for location, message in order.price_errors()]
    if errors:
        raise broken_contract(errors)


def check_customer(order: api.OrderIn, sender: Caller) -> None:
    """Raises ProblemError 403 if the sender is bound to another customer than the order's."""
    owner = sender.principal.customer_id
    if owner is not None and owner != order.customer.customer_id:
        raise other_customer()


def entries(
    body: bytes, whole: TypeAdapter[Any], envelope: type[BaseModel], entry: type[M], name: str
) -> list[M | ProblemError]:
    """The entries of a bulk request, with a ProblemError in place of each wrong one. They are validated all
    at once, and one by one only if one of them is wrong."""
    try:
        return list(getattr(whole.validate_json(body), name))
    except ValidationError:
        pass
    try:
        raw: list[Any] = getattr(envelope.model_validate_json(body), name)
    except ValidationError as error:
        raise validation_problem(error) from None
    entries: list[M | ProblemError] = []
    for index, value in enumerate(raw):
        try:
            entries.append(entry.model_validate_json(to_json(value)))
        except ValidationError as error:
            entries.append(validation_problem(error, at=(name, index)))
    return entries


def update_command(
    order_id: str,
    patch: api.StatusPatch,
    now: datetime,
    caller: Caller,
    *,
    topic: str,
    versions: frozenset[int] | None = None,
) -> commands.UpdateOrder:
    sent = patch.fulfillment
    attention = None
    if "attention" in patch.model_fields_set:
        given = patch.attention
        attention = AttentionChange(Attention(given.kind, given.reason, now) if given else None)
    return commands.UpdateOrder(
        order_id=order_id,
        status=Status(patch.status) if patch.status else None,
        fulfillment=Fulfillment(sent.carrier, sent.tracking_number, sent.shipped_at, sent.error_message)
        if sent
        else None,
        attention=attention,
        at=now,
        actor=caller.name,
        reason=patch.attention.reason if patch.attention else (sent.error_message if sent else None),
        correlation_id=getattr(patch, "correlation_id", None) or caller.correlation_id,
        versions=versions,
        topic=topic,
        traceparent=_own_trace(patch) or caller.traceparent,
    )


def _own_trace(patch: api.StatusPatch) -> str | None:
    """The trace of the order itself, where an entry of a bulk names it."""
    given = patch.traceparent if isinstance(patch, api.StatusUpdate) else None
    return parse_traceparent(given.encode()) if given else None
