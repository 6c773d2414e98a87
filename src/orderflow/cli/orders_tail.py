"""`orders tail`: the changes of orders, as they happen."""

from __future__ import annotations

import asyncio
import json as json_module
import random
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from orderflow.cli.configuration import Whole, load_settings
from orderflow.cli.terminal import WrongUse, as_json, complain, write_line

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.cli.client import Client
    from orderflow.settings import Settings

SILENT_S_MAX = 45.0
"""Three heartbeats of the service."""
PAUSE_S_MIN = 0.5
PAUSE_S_MAX = 10.0


class Event(NamedTuple):
    """A block of the stream; a heartbeat has no name."""

    id: str
    name: str = ""
    data: str = ""


def tail(
    *,
    customer_id: Annotated[
        str | None, Parameter(name=("--customer", "--customer-id"), help="Only this customer's orders.")
    ] = None,
    status: Annotated[
        list[str] | None,
        Parameter(negative="", help="Only changes to this status, such as Shipped; may be repeated."),
    ] = None,
    since: Annotated[
        Whole | None, Parameter(name="--since", help="First what came after this position; 0 for all.")
    ] = None,
    json: Annotated[bool, Parameter(negative="", help="Print a JSON object for each change.")] = False,
) -> int:
    """Show the changes of orders as they happen, until Ctrl-C.

    If the connection breaks off, it goes on where it was. Where changes are missing, because they are not
    kept any more, it says so on stderr; with --json also as {"position": …, "reset": true}.
    """
    if since is not None and since < 0:
        raise WrongUse("--since takes a position, or 0")
    query = {"customerId": customer_id, "status": status}
    last_id = None if since is None else str(since)
    with suppress(KeyboardInterrupt):
        asyncio.run(_tail(load_settings(), query, last_id, json=json))
    return 0


async def _tail(settings: Settings, query: Mapping[str, object], last_id: str | None, *, json: bool) -> None:
    from orderflow.cli.client import AnswerLost, Refused, Unreachable, order_service

    pause_s = PAUSE_S_MIN
    was_there = False
    async with order_service(settings) as client:
        while True:
            at_least_s = 0.0
            try:
                async with aclosing(_events(client, query, last_id)) as events:
                    async for event in events:
                        pause_s, was_there = PAUSE_S_MIN, True
                        _write(event, last_id, json=json)
                        last_id = event.id
            except (AnswerLost, Refused, Unreachable) as error:
                passes = not isinstance(error, Refused) or error.status == 429 or error.status >= 500
                if not (was_there and passes):
                    raise
                if pause_s == PAUSE_S_MIN:
                    complain(f"it goes on as soon as the service is there again: {error}")
                at_least_s = (isinstance(error, Refused) and error.retry_after_s) or 0.0
            await asyncio.sleep(max(at_least_s, random.uniform(pause_s / 2, pause_s)))
            pause_s = min(2 * pause_s, PAUSE_S_MAX)


async def _events(client: Client, query: Mapping[str, object], last_id: str | None) -> AsyncGenerator[Event]:
    """The events behind this id, and heartbeats, until the stream ends."""
    from orderflow.contracts.orders_api import STREAM

    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    fields: dict[str, str] = {}
    async with aclosing(client.lines(STREAM, query, headers, silent_s_max=SILENT_S_MAX)) as lines:
        async for line in lines:
            if line == b"\n":
                yield Event(fields["id"], fields.get("event", ""), fields.get("data", ""))
                fields = {}
                continue
            name, _, value = line.decode().rstrip("\n").partition(":")
            fields[name] = value.removeprefix(" ")


def _write(event: Event, last_id: str | None, *, json: bool) -> None:
    if event.name == "reset":
        complain(f"changes after position {last_id} are missing; it goes on after position {event.id}")
        if json:
            write_line(as_json({"position": int(event.id), "reset": True}))
    elif event.name == "order":
        change: dict[str, Any] = json_module.loads(event.data)
        write_line(as_json(change) if json else _line(change))
    sys.stdout.flush()


def _line(change: dict[str, Any]) -> str:
    attention = f"  attention: {change['attention']['kind']}" if change["attention"] else ""
    what = f"{change['status']:10}  version {change['version']}{attention}"
    return f"{change['position']}  {change['at']}  {change['orderId']}  {what}"
