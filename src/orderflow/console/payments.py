"""Payments in trouble: what could not be authorized, captured or undone, and what the provider may hold."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from orderflow.console.letters import LETTERS
from orderflow.console.rendering import page
from orderflow.console.services import Document, Services

SHIPMENTS = "/api/fulfillment/shipments"
KINDS = ("payment", "compensation")
"""Kinds of the dead letters. Whatever could not be undone is a compensation, a shipment as well."""
SHOWN_MAX = 25
"""Letters of each kind that are shown."""

_HELD = {
    ("capture", "done"): "charged",
    ("capture", "parked"): "set aside; whether it was charged is not known",
    ("authorize", "done"): "set aside, not charged",
    ("authorize", "parked"): "not known: it may be set aside",
    ("authorize", "undone"): "nothing: it was released",
}


class PaymentPages:
    """The page."""

    def __init__(self, services: Services) -> None:
        self._fulfillment = services.fulfillment

    async def all(self, _request: Request, key: str | None) -> Response:
        lists = await asyncio.gather(*(self._listed(kind, key) for kind in KINDS))
        letters = [letter for each in lists for letter in each]
        shipments = await self._shipments({letter["orderId"] for letter in letters} - {None}, key)
        return page(
            "payments.html",
            signs_in=key is not None,
            letters=[_with_shipment(letter, shipments.get(letter["orderId"])) for letter in letters],
            kinds=KINDS,
            is_cut=any(len(each) == SHOWN_MAX for each in lists),
        )

    async def _listed(self, kind: str, key: str | None) -> list[Any]:
        query = [("state", "open"), ("kind", kind), ("limit", str(SHOWN_MAX))]
        return (await self._fulfillment.get(LETTERS, key, query))["items"]

    async def _shipments(self, order_ids: set[str], key: str | None) -> dict[str, Document]:
        """The shipments of these orders, by order id. An order may have none."""
        if not order_ids:
            return {}
        query = [("orderId", order_id) for order_id in sorted(order_ids)]
        found = await self._fulfillment.get(SHIPMENTS, key, [*query, ("limit", str(len(query)))])
        return {shipment["orderId"]: shipment for shipment in found["items"]}


def _with_shipment(letter: Document, shipment: Document | None) -> Document:
    return letter | {"shipment": shipment, "held": held(shipment)}


def held(shipment: Document | None) -> str:
    """What the payment provider holds of an order's money, as far as its shipment tells."""
    states = {step["step"]: step["state"] for step in shipment["steps"]} if shipment else {}
    for step in ("capture", "authorize"):
        if found := _HELD.get((step, states.get(step, ""))):
            return found
    return "nothing"
