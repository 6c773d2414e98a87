"""The audit log of the Order Service over HTTP."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from orderflow.contracts.audit import AuditQuery
from orderflow.database.engine import Reader
from orderflow.orders.audit import AUDIT_LOG
from orderflow.web.answers import json_text


class Audit:
    """The endpoint."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def list_entries(self, query: Annotated[AuditQuery, Query()]) -> Response:
        return json_text(await self._reader.run(AUDIT_LOG.page, query))
