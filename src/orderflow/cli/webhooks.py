"""`webhooks add`, `list`, `remove`, `test`, `rotate`, `dead-letters`, `redrive` and `discard`: who gets the
changes of orders."""

from __future__ import annotations

import asyncio
import json as json_module
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from orderflow.cli.configuration import Json, JsonArray, Whole, load_settings, span
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

OF_LETTER = "Of a dead letter, as `orderflow webhooks dead-letters` shows it."

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
        write_table(items, ("position", "id", "type", "attempts", "at", "reason"))
    return 0


def redrive(
    endpoint_id: Id,
    position: Annotated[Whole | None, Parameter(name="POSITION", help=OF_LETTER)] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """Try the dead letters of a webhook again, and at once what waits for a later attempt; or one letter."""
    if position is None:
        answer = asyncio.run(_post(load_settings(), f"/{quote(endpoint_id, safe='')}/redrive", {}))
        write_line(as_json(answer) if json else f"{answer['redriven']} are tried now")
        return 0
    answer = asyncio.run(_post(load_settings(), f"{_letter(endpoint_id, position)}/redrive", {}))
    write_line(as_json(answer) if json else "it is tried now")
    return 0


def discard(
    endpoint_id: Id,
    position: Annotated[Whole, Parameter(name="POSITION", help=OF_LETTER)],
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; the audit log keeps it.")],
    json: Json = False,
) -> int:
    """Forget one dead letter of a webhook."""
    path = f"{_letter(endpoint_id, position)}/discard"
    answer = asyncio.run(_post(load_settings(), path, {"reason": reason}))
    write_line(as_json(answer) if json else "discarded")
    return 0


def rotate(
    endpoint_id: Id,
    /,
    *,
    overlap: Annotated[
        str,
        Parameter(help="For how long the former secret signs as well: 30m, 24h or 7d; 0m if others know it."),
    ] = "24h",
    json: Json = False,
) -> int:
    """Give a webhook another secret, and show it, this once."""
    lasts = span(overlap)
    if lasts is None:
        raise WrongUse("--overlap takes a time such as 30m, 24h or 7d")
    body = {"overlapSeconds": int(lasts.total_seconds())}
    made = asyncio.run(_post(load_settings(), f"/{quote(endpoint_id, safe='')}/rotate", body))
    if json:
        write_line(as_json(made))
    else:
        write_line(made["secret"])
        complain(
            "keep the secret safe: it is not shown again. "
            f"The former one signs as well until {made['formerSecretUntil']}."
        )
    return 0


def _letter(endpoint_id: str, position: int) -> str:
    return f"/{quote(endpoint_id, safe='')}/dead-letters/{position}"


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
