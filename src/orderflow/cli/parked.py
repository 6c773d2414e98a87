"""`orders parked list` and `release`: events that the log refuses for their size."""

from __future__ import annotations

import asyncio
import json as json_module
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from orderflow.cli.configuration import Json, JsonArray, Whole, load_settings
from orderflow.cli.terminal import WrongUse, as_json, write_line, write_list, write_table

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.settings import Settings

PATH = "/api/outbox/parked"


def list_parked(
    *,
    limit: Annotated[Whole, Parameter(help="At most this many.")] = 50,
    json: JsonArray = False,
) -> int:
    """List parked events: the event log refuses them for their size, and their orders wait."""
    if limit < 1:
        raise WrongUse("--limit takes 1 or more")
    items = asyncio.run(_list(load_settings(), limit))
    if json:
        write_list(items)
    else:
        write_table(items, ("orderId", "orderVersion", "eventType", "topic", "nextTryAt", "reason"))
    return 0


async def _list(settings: Settings, limit: int) -> list[Any]:
    from orderflow.cli.client import order_service

    async with order_service(settings) as client:
        return await client.first(PATH, {}, limit)


def release(
    order_id: Annotated[str | None, Parameter(name="ID")] = None,
    /,
    *,
    all_: Annotated[bool, Parameter(name="--all", negative="", help="Instead of ID: every one.")] = False,
    json: Json = False,
) -> int:
    """Have the parked event of an order sent again at once, or all of them: the limit has been raised."""
    if (order_id is None) != all_:
        raise WrongUse("give the ID of an order or --all, not both")
    body = {} if order_id is None else {"orderId": order_id}
    answer = asyncio.run(_release(load_settings(), body))
    write_line(
        as_json(answer) if json else f"{answer['released']} sent again; those refused again stay parked"
    )
    return 0


async def _release(settings: Settings, body: dict[str, str]) -> dict[str, Any]:
    from orderflow.cli.client import order_service

    async with order_service(settings) as client:
        return await client.post(f"{PATH}/release", json_module.dumps(body).encode())
