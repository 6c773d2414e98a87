"""Reads the state after the run through the public interface."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any, Self

import aiohttp
from tests.faults.checker import TERMINAL
from tests.faults.history import Change, Counted, SeenOrder, content_digest

PAGE = 200
TIMELINES_MAX = 1_000
UNSETTLED = ("received", "ready", "calling", "shipped", "rejected", "cancelled")
REQUEST_S_MAX = 15.0


class Observer:
    """One Order Service at `url`. Every read is tried again for a while."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S_MAX))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._session.close()

    async def get(self, path: str) -> dict[str, Any]:
        """The answer. Raises the error of the last of 20 tries."""
        for last_try in (*[False] * 19, True):
            try:
                async with self._session.get(self._url + path) as response:
                    response.raise_for_status()
                    return await response.json()
            except (aiohttp.ClientError, OSError, TimeoutError):
                if last_try:
                    raise
                await asyncio.sleep(0.5)
        raise AssertionError("unreachable")

    async def orders(self) -> list[SeenOrder]:
        """All of them, page by page."""
        seen: list[SeenOrder] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await self.get(f"/api/orders?limit={PAGE}" + (f"&cursor={cursor}" if cursor else ""))
            seen += [_seen(order) for order in page["items"]]
            cursor = page["nextCursor"]
        return seen

    async def waiting(self) -> int:
        """How many orders are neither terminal nor have an attention."""
        count = 0
        for status in ("Created", "Processing", "OnHold", "Cancelling"):
            page = await self.get(f"/api/orders?limit={PAGE}&status={status}")
            count += sum(1 for order in page["items"] if order["attention"] is None)
        return count

    async def until_drained(self, seconds_max: float) -> bool:
        """Wait until every order is terminal or has an attention."""
        deadline = asyncio.get_running_loop().time() + seconds_max
        while await self.waiting():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.5)
        return True

    async def until_settled(self, seconds_max: float) -> bool:
        """Wait until no shipment has anything left to do. For an Observer of the Fulfillment Service."""
        unsettled = "&".join(f"state={state}" for state in UNSETTLED)
        deadline = asyncio.get_running_loop().time() + seconds_max
        while (await self.get(f"/api/fulfillment/shipments?limit=1&{unsettled}"))["items"]:
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.5)
        return True

    async def count_stock(self, counts: Mapping[str, int]) -> None:
        """There is so much of each of these products."""
        for product_id, on_hand in counts.items():
            url = f"{self._url}/api/fulfillment/stock/{product_id}"
            async with self._session.put(url, json={"onHand": on_hand}) as response:
                response.raise_for_status()

    async def stock(self, counts: Mapping[str, int]) -> dict[str, Counted]:
        page = await self.get(f"/api/fulfillment/stock?limit={PAGE}")
        return {
            item["productId"]: Counted(counts[item["productId"]], item["onHand"], item["reserved"])
            for item in page["items"]
        }

    async def timelines(self, orders: Sequence[SeenOrder], seed: int) -> dict[str, list[Change]]:
        """The timelines of a sample of orders, and of every order that did not end well."""
        odd = [order for order in orders if order.attention is not None or order.status not in TERMINAL]
        sample = random.Random(f"{seed}/timelines").sample(list(orders), min(len(orders), TIMELINES_MAX))
        found: dict[str, list[Change]] = {}
        for order in (*sample, *odd[:TIMELINES_MAX]):
            document = await self.get(f"/api/orders/{order.order_id}/timeline")
            found[order.order_id] = [
                Change(entry["orderVersion"], entry["status"])
                for entry in document["items"]
                if entry["kind"] == "change"
            ]
        return found


def _seen(order: dict[str, Any]) -> SeenOrder:
    attention: dict[str, Any] = order["attention"] or {}
    fulfillment: dict[str, Any] = order["fulfillment"] or {}
    return SeenOrder(
        order_id=order["orderId"],
        customer_id=order["customer"]["customerId"],
        content=content_digest(order),
        status=order["status"],
        version=order["version"],
        attention=attention.get("kind"),
        tracking_number=fulfillment.get("trackingNumber"),
        error=fulfillment.get("errorMessage"),
    )
