"""What an audit of the Order Service needs over HTTP: its audit log, and its feed of orders."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from orderflow.contracts.audit import AuditQuery
from orderflow.contracts.audit_feeds import FeedQuery, with_horizon
from orderflow.database.engine import Reader
from orderflow.orders.audit import AUDIT_LOG
from orderflow.orders.audit_feed import audited_orders
from orderflow.web.answers import json_text


class Audit:
    """The endpoints."""

    def __init__(self, reader: Reader, *, clock: Callable[[], datetime], orders_kept_s: float | None) -> None:
        self._reader = reader
        self._clock = clock
        self._orders_kept_s = orders_kept_s

    async def list_entries(self, query: Annotated[AuditQuery, Query()]) -> Response:
        return json_text(await self._reader.run(AUDIT_LOG.page, query))

    async def list_orders(self, query: Annotated[FeedQuery, Query()]) -> Response:
        page = await self._reader.run(
            audited_orders, limit=query.limit, after=query.cursor, order_ids=query.order_id
        )
        return json_text(with_horizon(page, self._orders_kept_s, self._clock()))
