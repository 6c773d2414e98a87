"""Reads one order's whole story from both services."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from orderflow.cli.terminal import CommandFailed
from orderflow.contracts.order_story import Document, Story, Told

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.cli.client import Client
    from orderflow.settings import Settings

LETTERS_MAX = 50


async def read_story(settings: Settings, order_id: str) -> Story:
    """Ask both services. Raises CommandFailed if the Order Service knows no such order, or tells nothing
    where the Fulfillment Service tells nothing either."""
    from orderflow.cli.client import Refused, fulfillment_service, order_service

    async with order_service(settings) as client:
        try:
            told = await _told(client, order_id)
            trouble = None
        except CommandFailed as failure:
            if isinstance(failure, Refused) and failure.status < 500:
                raise
            told, trouble = None, failure
    story = Story(order_id, told, untold={} if trouble is None else {"orders": str(trouble)})
    async with fulfillment_service(settings) as client:
        try:
            shipment, letters = await _fulfillment(client, told.order["orderId"] if told else order_id)
        except CommandFailed as failure:
            shipment, letters = None, []
            story.untold["fulfillment"] = str(failure)
    if trouble is not None and shipment is None and not letters:
        raise trouble
    return Story(order_id, told, shipment, letters, story.untold)


async def _told(client: Client, order_id: str) -> Told:
    path = f"/api/orders/{quote(order_id, safe='')}"
    return Told(await client.get(path), (await client.get(f"{path}/timeline"))["items"])


async def _fulfillment(client: Client, order_id: str) -> tuple[Document | None, list[Document]]:
    """The shipment, if there is one, and the order's dead letters, oldest first, LETTERS_MAX at most."""
    from orderflow.cli.client import Refused

    try:
        shipment = await client.get(f"/api/fulfillment/shipments/{quote(order_id, safe='')}")
    except Refused as refused:
        if refused.status != 404:
            raise
        shipment = None
    query = {"orderId": order_id}
    return shipment, await client.first("/api/fulfillment/dead-letters", query, LETTERS_MAX)
