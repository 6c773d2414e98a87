"""The pages of orders: the list with its search, and one order with its story and its actions."""

import re
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orderflow.console.forms import following, read_form
from orderflow.console.rendering import HEADERS, page
from orderflow.console.services import Away, Document, Query, Refused, Services
from orderflow.console.story import waterfall
from orderflow.contracts.order_story import Story, Told, waits_for
from orderflow.web.problems import ProblemError

PAGE_ORDERS = 50
LETTERS_MAX = 50

STATUSES = ("Created", "OnHold", "Processing", "Shipped", "Failed", "Cancelling", "Cancelled")
_ORDER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FILTERS = (
    *("status", "customerId", "productId", "trackingNumber", "idempotencyKey"),
    *("attention", "createdFrom", "cursor"),
)
_SEARCHED = ("customerId", "productId", "trackingNumber", "idempotencyKey")
"""What words without a field may be, in this order."""

ACTIONS = {
    "hold": ("OnHold", "Hold", "It will not be processed until it is released."),
    "release": ("Created", "Release", "It will be processed."),
    "cancel": ("Cancelled", "Cancel order", "An order that is being shipped may be too late to cancel."),
}
"""By name: the status that it leads to at once, the words on its button, and what happens."""


class OrderPages:
    """The pages."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def search(self, request: Request, key: str | None) -> Response:
        given = {name: request.query_params.get(name, "").strip() for name in ("q", *_FILTERS)}
        if _ORDER_ID.fullmatch(given["q"]):
            return RedirectResponse(_address(given["q"].lower()), 303, HEADERS)
        query: Query = [(name, given[name]) for name in _FILTERS if given[name]]
        if given["q"]:
            return await self._found(key, given, query)
        return self._list(await self._page(key, query), given, key)

    async def _found(self, key: str | None, given: dict[str, str], query: Query) -> Response:
        """The orders of the first field that has the words."""
        for name in _SEARCHED:
            found = await self._page(key, [*query, (name, given["q"])])
            if found["items"]:
                told = {**given, "q": "", name: given["q"]}
                return self._list(found, told, key)
        return self._list({"items": [], "nextCursor": None}, given, key)

    async def _page(self, key: str | None, query: Query) -> Document:
        return await self._services.orders.get("/api/orders", key, [*query, ("limit", str(PAGE_ORDERS))])

    def _list(self, found: Document, given: dict[str, str], key: str | None) -> Response:
        kept = {name: value for name, value in given.items() if name != "cursor"}
        return page(
            "orders.html",
            signs_in=key is not None,
            orders=found["items"],
            given=given,
            statuses=STATUSES,
            following=following(found, **kept),
            is_newest=not given["cursor"],
            address="/console/orders?" + urlencode({name: value for name, value in kept.items() if value}),
            is_filtered=any(given[name] for name in ("q", *_FILTERS[:-1])),
        )

    async def one(self, request: Request, key: str | None) -> Response:
        order_id: str = request.path_params["order_id"]
        story = await self._story(order_id, key)
        order = story.told.order if story.told else None
        allowed = set(order["allowedTransitions"]) if order else set[str]()
        if "Cancelling" in allowed:
            allowed.add("Cancelled")
        return page(
            "order.html",
            signs_in=key is not None,
            story=story,
            order=order,
            waits=waits_for(story),
            bars=waterfall(story),
            actions={name: told for name, told in ACTIONS.items() if told[0] in allowed},
            document=story.document(),
        )

    async def act(self, request: Request, key: str | None) -> Response:
        order_id: str = request.path_params["order_id"]
        form = await read_form(request)
        action, reason = form.get("action", ""), form.get("reason", "").strip()
        if action not in ACTIONS:
            raise ProblemError(422, "There is no such action.")
        body = {"reason": reason} if reason else {}
        path = f"/api/orders/{quote(order_id, safe='')}/{action}"
        await self._services.orders.send("POST", path, key, body)
        return RedirectResponse(_address(order_id), 303, HEADERS)

    async def _story(self, order_id: str, key: str | None) -> Story:
        """Raises Away if neither service tells anything, and Refused if the Order Service has no such
        order."""
        orders, fulfillment = self._services
        untold: dict[str, str] = {}
        told = None
        path = f"/api/orders/{quote(order_id, safe='')}"
        try:
            timeline: Document = await orders.get(f"{path}/timeline", key)
            told = Told(await orders.get(path, key), timeline["items"])
        except Away as away:
            untold["orders"] = str(away)
        shipment: Document | None = None
        letters: list[Any] = []
        try:
            shipment = await self._shipment(order_id, key)
            query = [("orderId", order_id), ("limit", str(LETTERS_MAX))]
            letters = (await fulfillment.get("/api/fulfillment/dead-letters", key, query))["items"]
        except (Away, Refused) as failure:
            untold["fulfillment"] = str(failure)
        if told is None and shipment is None:
            raise Away(" ".join(untold.values()))
        return Story(order_id, told, shipment, letters, untold)

    async def _shipment(self, order_id: str, key: str | None) -> Document | None:
        try:
            path = f"/api/fulfillment/shipments/{quote(order_id, safe='')}"
            return await self._services.fulfillment.get(path, key)
        except Refused as refused:
            if refused.status != 404:
                raise
            return None


def _address(order_id: str) -> str:
    return f"/console/orders/{quote(order_id, safe='')}"
