"""`audit log`: who has changed what by hand, in both services."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from orderflow.cli.configuration import JsonArray, ago, load_settings
from orderflow.cli.terminal import WrongUse, complain, write_list, write_table

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.settings import Settings


def log(
    *,
    since: Annotated[
        str | None, Parameter(help="A time such as 2026-02-10T09:30:00Z, or 30m, 24h, 7d.")
    ] = None,
    actor: Annotated[str | None, Parameter(help="Only what this caller has done.")] = None,
    action: Annotated[str | None, Parameter(help="Only this action, such as order.cancel.")] = None,
    service: Annotated[
        Literal["orders", "fulfillment"] | None, Parameter(help="Only this service; both, if none is named.")
    ] = None,
    limit: Annotated[int, Parameter(help="At most this many.")] = 50,
    json: JsonArray = False,
) -> int:
    """List what people have changed by hand, newest first: orders, dead letters, stock and keys."""
    if limit < 1:
        raise WrongUse("--limit takes 1 or more")
    query = {"since": _time(since), "actor": actor, "action": action}
    wanted = {name: value for name, value in query.items() if value is not None}
    entries = asyncio.run(_entries(load_settings(), wanted, service, limit))
    if json:
        write_list(entries)
    else:
        rows = [{**entry, "details": _told(entry["details"])} for entry in entries]
        write_table(rows, ("at", "service", "actor", "action", "subject", "reason", "details"))
    return 0


def _time(since: str | None) -> str | None:
    at = ago(since or "")
    return since if at is None else at.isoformat()


async def _entries(
    settings: Settings, query: dict[str, str], service: str | None, limit: int
) -> list[dict[str, Any]]:
    """The newest entries of the services together. A service that does not answer is an error: what it would
    have told must not be missing unnoticed."""
    from orderflow.cli.client import fulfillment_service, order_service
    from orderflow.contracts.audit import AUDIT

    entries: list[dict[str, Any]] = []
    more = False
    for name, connect in (("orders", order_service), ("fulfillment", fulfillment_service)):
        if service in (None, name):
            async with connect(settings) as client:
                async for items, left_out in client.pages(AUDIT, query, limit):
                    entries += [{"service": name, **item} for item in items]
                    more |= left_out
    entries.sort(key=lambda entry: entry["id"], reverse=True)
    if more or len(entries) > limit:
        complain(f"the first {limit}; --limit takes another number")
    return entries[:limit]


def _told(details: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in details.items())
