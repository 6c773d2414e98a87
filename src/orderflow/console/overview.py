"""The pages that show the whole: how everything flows, and stock."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from orderflow.console.flow import Seen, parts
from orderflow.console.forms import page_query
from orderflow.console.rendering import page
from orderflow.console.services import Away, Document, Service, Services


class OverviewPages:
    """The pages."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def flow(self, _request: Request, key: str | None) -> Response:
        orders, fulfillment = self._services
        away: dict[str, str] = {}
        stats, *ready = await asyncio.gather(
            self._stats(key), _health(orders, "orders", away), _health(fulfillment, "fulfillment", away)
        )
        seen = Seen(stats, ready[0], ready[1], away)
        return page("flow.html", signs_in=key is not None, parts=parts(seen), stats=stats)

    async def _stats(self, key: str | None) -> Document | None:
        try:
            return await self._services.orders.get("/api/stats", key)
        except Away:
            return None

    async def stock(self, request: Request, key: str | None) -> Response:
        found = await self._services.fulfillment.get("/api/fulfillment/stock", key, page_query(request))
        return page(
            "stock.html", signs_in=key is not None, records=found["items"], cursor=found["nextCursor"]
        )


async def _health(service: Service, name: str, away: dict[str, str]) -> Document | None:
    try:
        return await service.health()
    except Away as failure:
        away[name] = str(failure)
        return None
