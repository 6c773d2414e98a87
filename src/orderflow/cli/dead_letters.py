"""`dead-letters list`, `show`, `redrive` and `discard`."""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from orderflow.cli.configuration import Json, JsonArray, Whole, load_settings
from orderflow.cli.terminal import (
    CommandFailed,
    WrongUse,
    as_json,
    complain,
    write_line,
    write_list,
    write_table,
)

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.cli.client import Client
    from orderflow.settings import Settings

PATH = "/api/fulfillment/dead-letters"
RATE_MAX = 100
GROUP_POLL_S = 1.0


def list_letters(
    *,
    groups: Annotated[
        bool, Parameter(negative="", help="Only how many are open, by kind and reason.")
    ] = False,
    kind: Annotated[str | None, Parameter(help="Such as carrier-unavailable, newer-schema.")] = None,
    state: Annotated[str | None, Parameter(help="open, redriven, resolved, discarding or discarded.")] = None,
    limit: Annotated[Whole, Parameter(help="At most this many.")] = 50,
    json: JsonArray = False,
) -> int:
    """List dead letters: what could not be processed or shipped, and waits for a person."""
    if limit < 1:
        raise WrongUse("--limit takes 1 or more")
    if groups and (kind or state):
        raise WrongUse("--groups shows what is open of every kind: leave --kind and --state out")
    given = {name: value for name, value in (("kind", kind), ("state", state)) if value is not None}
    items = asyncio.run(_list(load_settings(), given, limit, groups))
    if json:
        write_list(items)
    elif groups:
        write_table(items, ("open", "kind", "reason", "oldestAt"))
    else:
        write_table(items, ("id", "state", "kind", "orderId", "reason"))
    return 0


async def _list(settings: Settings, query: Mapping[str, str], limit: int, groups: bool) -> list[Any]:
    from orderflow.cli.client import fulfillment_service

    async with fulfillment_service(settings) as client:
        if groups:
            return (await client.get(f"{PATH}/groups"))["items"]
        return await client.first(PATH, query, limit)


def show(
    letter_id: Annotated[str, Parameter(name="ID")],
    /,
    *,
    message: Annotated[
        bool, Parameter(negative="", help="Also headers and content, which may name a customer.")
    ] = False,
    json: Json = False,
) -> int:
    """Show one dead letter, what was done with it, and the shipment of its order."""
    settings, path = load_settings(), f"/{quote(letter_id, safe='')}"
    letter = asyncio.run(_call(settings, "GET", path))
    if message:
        letter["message"] = asyncio.run(_call(settings, "GET", f"{path}/message"))
    _write(letter, json)
    return 0


def redrive(
    letter_id: Annotated[str | None, Parameter(name="ID")] = None,
    /,
    *,
    kind: Annotated[str | None, Parameter(help="Instead of ID: every open one of this kind.")] = None,
    reason: Annotated[str | None, Parameter(help="With --kind: only those with this very reason.")] = None,
    rate: Annotated[Whole, Parameter(help="With --kind: at most so many a second, 1 to 100.")] = 1,
    staged: Annotated[
        bool, Parameter(negative="", help="With --kind: 1 first, then 10, then 100, then all others.")
    ] = False,
    why: Annotated[str | None, Parameter(help="With --kind: why, for the audit log.")] = None,
    wait: Annotated[bool, Parameter(help="With --kind: wait for the end.")] = True,
    json: Json = False,
) -> int:
    """Put one back on its way, or a group; a group stops by itself when its letters fail again (exit 1)."""
    if (letter_id is None) == (kind is None):
        raise WrongUse("give an ID or --kind, not both")
    if (reason is not None or why is not None or staged) and kind is None:
        raise WrongUse("--reason, --staged and --why go with --kind")
    if not 1 <= rate <= RATE_MAX:
        raise WrongUse(f"--rate takes 1 to {RATE_MAX}")
    settings = load_settings()
    if letter_id is not None:
        _write(asyncio.run(_call(settings, "POST", f"/{quote(letter_id, safe='')}/redrive", {})), json)
        return 0
    body = {"kind": kind, "ratePerS": rate, "staged": staged, "reason": reason, "why": why}
    group = asyncio.run(_redrive_group(settings, body, wait=wait))
    if json:
        write_line(as_json(group))
    else:
        write_line(f"{group['state']}: {group['redriven']} redriven. {group['note'] or ''}".rstrip())
    return 1 if group["state"] == "stopped" else 0


async def _redrive_group(settings: Settings, body: dict[str, Any], *, wait: bool) -> dict[str, Any]:
    from orderflow.cli.client import fulfillment_service

    async with fulfillment_service(settings) as client:
        group = await client.post(f"{PATH}/redrive", json_module.dumps(body).encode())
        said = 0
        while wait and group["state"] == "running":
            await asyncio.sleep(GROUP_POLL_S)
            group = await _looked_at(client, group)
            if group["redriven"] != said:
                said = group["redriven"]
                complain(f"{said} of {group['letters']} redriven")
        return group


async def _looked_at(client: Client, group: dict[str, Any]) -> dict[str, Any]:
    try:
        return await client.get(f"{PATH}/redrives/{group['id']}")
    except CommandFailed as failure:
        complain(f"the redrive goes on: {failure}")
        return group


def discard(
    letter_id: Annotated[str, Parameter(name="ID")],
    /,
    *,
    reason: Annotated[str, Parameter(help="Why; the order fails with these words.")],
    json: Json = False,
) -> int:
    """Give one up: void what the carrier may have made (this is refused if that fails) and fail the order."""
    path = f"/{quote(letter_id, safe='')}/discard"
    _write(asyncio.run(_call(load_settings(), "POST", path, {"reason": reason})), json)
    return 0


async def _call(
    settings: Settings, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    from orderflow.cli.client import fulfillment_service

    async with fulfillment_service(settings) as client:
        if method == "GET":
            return await client.get(PATH + path)
        return await client.post(PATH + path, json_module.dumps(body).encode())


def _write(letter: dict[str, Any], json: bool) -> None:
    if json:
        write_line(as_json(letter))
        return
    shipment: dict[str, Any] = letter["shipment"] or {}
    facts = {name: letter[name] for name in ("id", "state", "outcome", "kind", "reason", "at", "attempts")}
    facts["order"] = letter["orderId"]
    if letter["topic"] is not None:
        facts["in the log"] = f"{letter['topic']}, partition {letter['partition']}, offset {letter['offset']}"
    facts["shipment"] = " ".join(filter(None, (shipment.get("state"), shipment.get("note"))))
    for name, value in facts.items():
        if value not in (None, ""):
            write_line(f"{name:<11} {value}")
    if letter["actions"]:
        write_line("")
        write_table(letter["actions"], ("at", "actor", "action", "note"))
    if message := letter.get("message"):
        _write_message(message)


def _write_message(message: dict[str, Any]) -> None:
    write_line("")
    for header in message["headers"]:
        write_line(f"{header['name']}: {header.get('value') or header.get('valueBase64', '')}")
    write_line("")
    write_line(message.get("value") or message.get("valueBase64") or "")
