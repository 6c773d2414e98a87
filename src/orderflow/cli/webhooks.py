"""`webhooks add`, `list`, `remove`, `test`, `dead-letters` and `redrive`: who gets the changes of orders."""

from __future__ import annotations

import asyncio
import json as json_module
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from orderflow.cli.configuration import Json, JsonArray, Whole, load_settings
from orderflow.cli.terminal import (
    WrongUse,
    as_json,
    complain,
    write_line,
    write_list,
    write_table,
)

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.settings import Settings

PATH = "/api/webhooks"

Id = Annotated[str, Parameter(name="ID", help="As `orderflow webhooks list` shows it.")]


def add(
    url: Annotated[str, Parameter(name="URL")],
    /,
    *,
    event: Annotated[
        list[str] | None,
        Parameter(
            help="Only this type, such as order.shipped; repeat it for several.",
            negative_iterable="",
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Send the changes of orders from now on to an address, and show its secret, this once."""
    body = {"url": url} | ({} if event is None else {"eventTypes": event})
    made = asyncio.run(_post(load_settings(), "", body))
    if json:
        write_line(as_json(made))
    else:
        write_line(f"{made['id']} {made['secret']}")
        complain(
            "keep the secret safe: it is not shown again. `orderflow webhooks test ID` tries the address."
        )
    return 0


def list_webhooks(
    *, limit: Annotated[Whole, Parameter(help="At most this many.")] = 50, json: JsonArray = False
) -> int:
    """List webhooks: how far behind each is, and what it did not take."""
    items = asyncio.run(_list(load_settings(), "", limit))
    if json:
        write_list(items)
    else:
        columns = ("id", "url", "behind", "waiting", "deadLetters", "missed", "failingSince", "lastError")
        write_table(items, columns)
    return 0


def remove(endpoint_id: Id, /, *, json: Json = False) -> int:
    """Remove a webhook and the messages that wait for it."""
    removed = asyncio.run(_remove(load_settings(), endpoint_id))
    write_line(
        as_json(removed) if json else f"removed; {removed['undelivered']} undelivered messages are gone"
    )
    return 0


def send_test(endpoint_id: Id, /, *, json: Json = False) -> int:
    """Send a test message from the Order Service, and say what happened (exit 1 if it was not taken)."""
    tested = asyncio.run(_post(load_settings(), f"/{quote(endpoint_id, safe='')}/test", {}))
    if json:
        write_line(as_json(tested))
    else:
        write_line(f"{'delivered' if tested['delivered'] else 'not delivered'}: {tested['detail']}")
    return 0 if tested["delivered"] else 1


def list_dead_letters(
    endpoint_id: Id,
    /,
    *,
    limit: Annotated[Whole, Parameter(help="At most this many.")] = 50,
    json: JsonArray = False,
) -> int:
    """List what a webhook did not take within the whole schedule of attempts."""
    items = asyncio.run(_list(load_settings(), f"/{quote(endpoint_id, safe='')}/dead-letters", limit))
    if json:
        write_list(items)
    else:
        write_table(items, ("id", "type", "attempts", "at", "reason"))
    return 0


def redrive(endpoint_id: Id, /, *, json: Json = False) -> int:
    """Try the dead letters of a webhook again, and at once what waits for a later attempt."""
    answer = asyncio.run(_post(load_settings(), f"/{quote(endpoint_id, safe='')}/redrive", {}))
    write_line(as_json(answer) if json else f"{answer['redriven']} are tried now")
    return 0


async def _list(settings: Settings, path: str, limit: int) -> list[Any]:
    from orderflow.cli.client import order_service

    if limit < 1:
        raise WrongUse("--limit takes 1 or more")
    async with order_service(settings) as client:
        return await client.first(PATH + path, {}, limit)


async def _post(settings: Settings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    from orderflow.cli.client import order_service

    async with order_service(settings) as client:
        return await client.post(PATH + path, json_module.dumps(body).encode())


async def _remove(settings: Settings, endpoint_id: str) -> dict[str, Any]:
    from orderflow.cli.client import order_service

    async with order_service(settings) as client:
        return await client.delete(f"{PATH}/{quote(endpoint_id, safe='')}")
