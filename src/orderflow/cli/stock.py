"""`stock list` and `set`: what there is of each tracked product."""

from __future__ import annotations

import asyncio
import json as json_module
import re
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from orderflow.cli.configuration import Json, JsonArray, Whole, load_settings
from orderflow.cli.terminal import WrongUse, as_json, write_line, write_list, write_table

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.settings import Settings

PATH = "/api/fulfillment/stock"
ON_HAND_MAX = 10**12

_COUNT = re.compile(r"[0-9]{1,13}")


def list_stock(
    *,
    product: Annotated[str | None, Parameter(help="Only the product with this very id.")] = None,
    limit: Annotated[Whole, Parameter(help="At most this many.")] = 50,
    json: JsonArray = False,
) -> int:
    """List tracked products: what is on hand, and what of it is reserved for orders."""
    if limit < 1:
        raise WrongUse("--limit takes 1 or more")
    query = {} if product is None else {"productId": product}
    items = asyncio.run(_list(load_settings(), query, limit))
    if json:
        write_list(items)
    else:
        write_table(items, ("productId", "onHand", "reserved"))
    return 0


async def _list(settings: Settings, query: dict[str, str], limit: int) -> list[Any]:
    from orderflow.cli.client import fulfillment_service

    async with fulfillment_service(settings) as client:
        return await client.first(PATH, query, limit)


def set_on_hand(
    product: Annotated[str, Parameter(name="PRODUCT")],
    count: Annotated[str, Parameter(name="N")],
    /,
    *,
    reason: Annotated[str | None, Parameter(help="Why; the audit log keeps it.")] = None,
    json: Json = False,
) -> int:
    """Say that N pieces of a product are on hand. It is tracked from its first count on."""
    # A parameter of type int would round 1.5 to 2.
    if not _COUNT.fullmatch(count) or (on_hand := int(count)) > ON_HAND_MAX:
        raise WrongUse(f"N takes 0 to {ON_HAND_MAX}")
    if product in ("", ".", ".."):
        raise WrongUse("PRODUCT takes an id that an address can hold: not empty, and not . or ..")
    body = {"onHand": on_hand} | ({} if reason is None else {"reason": reason})
    record = asyncio.run(_set(load_settings(), product, body))
    if json:
        write_line(as_json(record))
    else:
        write_line(f"{record['productId']}: {record['onHand']} on hand, {record['reserved']} reserved")
    return 0


async def _set(settings: Settings, product: str, body: dict[str, Any]) -> dict[str, Any]:
    from orderflow.cli.client import fulfillment_service

    async with fulfillment_service(settings) as client:
        return await client.put(f"{PATH}/{quote(product, safe='')}", json_module.dumps(body).encode())
