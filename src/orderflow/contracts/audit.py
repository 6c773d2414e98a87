"""The audit log over HTTP, the same for both services: `GET /api/audit`, newest entries first."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from orderflow.contracts.orders_api import Instant
from orderflow.contracts.pages import PageQuery

AUDIT = "/api/audit"

_Filter = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class AuditQuery(PageQuery):
    """`since` is inclusive; actor and action are compared as a whole."""

    since: Instant | None = None
    actor: _Filter | None = None
    action: _Filter | None = None


class AuditEntry(BaseModel):
    """One change that somebody has made by hand."""

    model_config = ConfigDict(alias_generator=to_camel)

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str | None
    correlation_id: str
    details: dict[str, Any]


class AuditPage(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    items: list[AuditEntry]
    next_cursor: str | None
