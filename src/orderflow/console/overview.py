"""The pages that show the whole: how everything flows, and stock."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from orderflow.console.charts import charts, latest
from orderflow.console.flow import Seen, diagram
from orderflow.console.forms import page_query
from orderflow.console.rendering import page
from orderflow.console.sampling import KEPT_S, Sampler
from orderflow.console.services import Away, Document, Service, Services


class OverviewPages:
    """The pages."""

    def __init__(self, services: Services, sampler: Sampler) -> None:
        self._services = services
        self._sampler = sampler

    async def flow(self, _request: Request, key: str | None) -> Response:
        orders, fulfillment = self._services
        away: dict[str, str] = {}
        stats, *ready = await asyncio.gather(
            self._stats(key), _health(orders, "orders", away), _health(fulfillment, "fulfillment", away)
        )
        # Without the Order Service, nobody can tell whether the key is still good for what was counted.
        is_known = key is None or stats is not None
        drawn = charts(list(self._sampler.samples) if is_known else ())
        rates = latest(drawn)
        return page(
            "flow.html",
            signs_in=key is not None,
            diagram=diagram(Seen(stats, ready[0], ready[1], away, rates)),
            stats=stats,
            series=json.dumps(drawn, separators=(",", ":")),
            latest=rates,
            untold=self._sampler.trouble,
            since=(datetime.now(UTC) - timedelta(seconds=KEPT_S)).isoformat(timespec="seconds"),
        )

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
