"""The pages that show the whole: how everything flows, and stock."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orderflow.console.charts import charts, latest
from orderflow.console.flow import Seen, diagram
from orderflow.console.forms import address_of, page_query, read_form
from orderflow.console.rendering import HEADERS, page
from orderflow.console.sampling import KEPT_S, Sampler
from orderflow.console.services import Away, Document, Service, Services
from orderflow.web.problems import ProblemError

STOCK = "/api/fulfillment/stock"
ON_HAND_DIGITS_MAX = 13


class OverviewPages:
    """The pages."""

    def __init__(self, services: Services, sampler: Sampler, *, tries: bool) -> None:
        self._services = services
        self._sampler = sampler
        self._tries = tries

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
            tries=self._tries,
            since=(datetime.now(UTC) - timedelta(seconds=KEPT_S)).isoformat(timespec="seconds"),
        )

    async def _stats(self, key: str | None) -> Document | None:
        try:
            return await self._services.orders.get("/api/stats", key)
        except Away:
            return None

    async def stock(self, request: Request, key: str | None) -> Response:
        found = await self._services.fulfillment.get(STOCK, key, page_query(request))
        return page(
            "stock.html",
            signs_in=key is not None,
            records=found["items"],
            cursor=found["nextCursor"],
            address=address_of(request),
        )

    async def count_stock(self, request: Request, key: str | None) -> Response:
        """Say how many pieces of a product are on hand. Its first count makes it tracked."""
        form = await read_form(request)
        count, reason = form.get("onHand", "").strip(), form.get("reason", "").strip()
        if not (count.isascii() and count.isdecimal() and len(count) <= ON_HAND_DIGITS_MAX):
            raise ProblemError(422, "A count is a whole number of pieces.")
        body: Document = {"onHand": int(count), **({"reason": reason} if reason else {})}
        path = f"{STOCK}/{quote(form.get('productId', ''), safe='')}"
        await self._services.fulfillment.send("PUT", path, key, body)
        return RedirectResponse("/console/stock", 303, HEADERS)


async def _health(service: Service, name: str, away: dict[str, str]) -> Document | None:
    try:
        return await service.health()
    except Away as failure:
        away[name] = str(failure)
        return None
