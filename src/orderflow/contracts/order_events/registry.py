"""Which events this program understands, in which versions, and how it reads them."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import DEFAULT_REF_TEMPLATE
from pydantic_core import from_json

from orderflow.contracts.order_events.order_created import (
    ORDER_CREATED,
    OrderCreated,
    OrderCreatedV1,
    from_version_1,
)
from orderflow.contracts.order_events.order_moves import (
    ORDER_CANCELLATION_REQUESTED,
    ORDER_CANCELLED,
    ORDER_RELEASED,
    OrderCancellationRequested,
    OrderCancelled,
    OrderReleased,
)

Event = OrderCreated | OrderCancellationRequested | OrderCancelled | OrderReleased
"""An event of any type, in its newest version."""


class InvalidEvent(Exception):
    """An event that can never be processed. The text names the field, never its value.

    `kind`: `undecodable`, `newer-schema`, `unknown-type` or `contract-violation`. `order_id`: the order's id,
    if it could be read.
    """

    def __init__(self, kind: str, detail: str, order_id: str | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.order_id = order_id


class UnknownType(InvalidEvent):
    """The type is not in the registry, or its reader handles no events of it: the event is meant for others,
    and nothing is wrong with it."""

    def __init__(self, event_type: str, order_id: str | None) -> None:
        super().__init__("unknown-type", "the eventType is not one that is handled here", order_id)
        self.event_type = event_type


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of one version of an event; `upcast` converts an event to the newest version."""

    model: type[BaseModel]
    upcast: Callable[[Any], Event] | None = None


REGISTRY: Mapping[tuple[str, int], Schema] = {
    (ORDER_CREATED, 1): Schema(OrderCreatedV1, from_version_1),
    (ORDER_CREATED, 2): Schema(OrderCreated),
    (ORDER_CANCELLATION_REQUESTED, 1): Schema(OrderCancellationRequested),
    (ORDER_CANCELLED, 1): Schema(OrderCancelled),
    (ORDER_RELEASED, 1): Schema(OrderReleased),
}
"""By event type and schema version; the versions of a type have no gaps."""

_NEWEST = {name: max(version for of, version in REGISTRY if of == name) for name, _ in REGISTRY}


def decode(value: bytes | None) -> Event:
    """The event in its newest version. Raises UnknownType and InvalidEvent."""
    try:
        document: Any = from_json(value or b"", allow_inf_nan=False)
    except ValueError:
        raise InvalidEvent("undecodable", "the message is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise InvalidEvent("undecodable", "the message is not a JSON object")
    event = cast("dict[str, Any]", document)
    order_id = readable_order_id(event.get("orderId"))
    schema = _schema(event.get("eventType"), event.get("schemaVersion", 1), order_id)
    try:
        model = schema.model.model_validate(event)
        return cast("Event", model) if schema.upcast is None else schema.upcast(model)
    except ValidationError as error:
        raise InvalidEvent("contract-violation", _where(error), order_id) from None


def _schema(event_type: object, version: object, order_id: str | None) -> Schema:
    if not isinstance(event_type, str) or not event_type:
        raise InvalidEvent("contract-violation", "eventType is not a text", order_id)
    newest = _NEWEST.get(event_type)
    if newest is None:
        raise UnknownType(event_type, order_id)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidEvent("contract-violation", "schemaVersion is not a positive integer", order_id)
    if version > newest:
        raise InvalidEvent(
            "newer-schema",
            f"the schemaVersion is higher than {newest}, the newest this program knows: "
            "upgrade, then redrive",
            order_id,
        )
    return REGISTRY[event_type, version]


def json_schemas(ref_template: str = DEFAULT_REF_TEMPLATE) -> dict[str, dict[str, Any]]:
    """A JSON Schema (2020-12) for each version of each event, by names such as `OrderCreated.v2`.
    `ref_template` says where the schemas in its `$defs` will be found."""
    return {
        f"{name}.v{version}": schema.model.model_json_schema(by_alias=True, ref_template=ref_template)
        for (name, version), schema in REGISTRY.items()
    }


def readable_order_id(value: object) -> str | None:
    """The value if it is an order id, else None: a broken event may hold anything."""
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) and len(value) == 36 else None
    except ValueError:
        return None


def _where(error: ValidationError) -> str:
    """Field and rule of the first violations, without the values."""
    return "; ".join(
        f"{'/'.join(str(part) for part in item['loc']) or 'event'}: {item['msg']}"
        for item in error.errors(include_input=False, include_context=False, include_url=False)[:3]
    )
