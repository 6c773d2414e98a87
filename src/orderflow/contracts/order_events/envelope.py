"""What every event has: the types of its common fields, and where it comes from."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

SOURCE = "OrderService"
EVENT_BYTES_MAX = 1_500_000


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Uuid = Annotated[
    str,
    BeforeValidator(_lower),
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]
BoundedText = Annotated[str, StringConstraints(max_length=1000)]


def _in_utc(value: datetime) -> datetime:
    """In UTC. The proof of concept wrote times without an offset; they were UTC."""
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


UtcInstant = Annotated[datetime, AfterValidator(_in_utc)]


class EventModel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, serialize_by_alias=True, extra="ignore", frozen=True)


class Metadata(EventModel):
    source: BoundedText
    # Stored unchanged: PostgreSQL accepts no NUL in a text.
    correlation_id: Annotated[
        str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")
    ]
