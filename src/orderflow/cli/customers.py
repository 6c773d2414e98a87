"""`customers erase`: replaces a customer's personal data in both services."""

from __future__ import annotations

import asyncio
import json as json_module
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from orderflow.cli.configuration import Json, load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse, as_json, complain, write_line

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.cli.client import Client
    from orderflow.settings import Settings

ORDERS = "/api/customers/erase"
FULFILLMENT = "/api/fulfillment/customers/erase"
COUNTS = ("orders", "events", "reasons", "shipments", "deadLetters", "attentions")


def erase(
    customer_id: Annotated[str, Parameter(name="ID")],
    /,
    *,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Say what would be erased, and change nothing.")
    ] = False,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask whether that is meant.")] = False,
    json: Json = False,
) -> int:
    """Erase a customer's name and address in finished orders, events, shipments and dead letters. Repeat it
    for orders that are under way, once they have ended."""
    if not (yes or dry_run):
        _ask(customer_id)
    done = asyncio.run(_erase(load_settings(), customer_id, dry_run=dry_run))
    if json:
        write_line(as_json(done))
    else:
        _show(done, dry_run=dry_run)
    if done["underWay"]:
        complain("not everything is erased: orders are under way; repeat this once they have ended")
        return 1
    return 0


def _ask(customer_id: str) -> None:
    if not sys.stdin.isatty():
        raise WrongUse("erasing cannot be undone: give --yes, or look first with --dry-run")
    sys.stderr.write(f"Erase the personal data of customer {customer_id!r}? It cannot be undone. Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise CommandFailed("nothing was erased")


async def _erase(settings: Settings, customer_id: str, *, dry_run: bool) -> dict[str, Any]:
    """Both services, step by step: each step of orders, and then what fulfillment has of them."""
    from orderflow.cli.client import fulfillment_service, order_service

    done: dict[str, Any] = {"customerId": customer_id, "dryRun": dry_run, **dict.fromkeys(COUNTS, 0)}
    done |= {"underWay": [], "withoutShipment": [], "remains": []}
    body = {"customerId": customer_id, "dryRun": dry_run}
    async with order_service(settings) as orders, fulfillment_service(settings) as fulfillment:
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            step, cursor = await _step(orders, ORDERS, body | cursor, done)
            if step["orderIds"]:
                await _erase_shipments(fulfillment, body | {"orderIds": step["orderIds"]}, done)
        cursor = {}
        while cursor is not None:
            _, cursor = await _step(fulfillment, FULFILLMENT, body | cursor, done)
    return done


async def _erase_shipments(fulfillment: Client, body: dict[str, Any], done: dict[str, Any]) -> None:
    again = True
    while again:
        step, _ = await _step(fulfillment, FULFILLMENT, body, done)
        # A dry run has counted the first letters; the same step would count them again.
        again = step["more"] and not body["dryRun"]


async def _step(
    client: Client, path: str, body: dict[str, Any], done: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str] | None]:
    """What the step says, which is added to `done`, and where the next one begins, if there is one."""
    step = await client.post(path, json_module.dumps(body).encode())
    for name in COUNTS:
        done[name] += step.get(name, 0)
    for name in ("underWay", "withoutShipment", "remains"):
        done[name] += [each for each in step.get(name, []) if each not in done[name]]
    following: str | None = step["nextCursor"]
    return step, None if following is None else {"cursor": following}


def _show(done: dict[str, Any], *, dry_run: bool) -> None:
    counted = ", ".join(f"{done[name]} {said}" for name, said in zip(COUNTS, _SAID, strict=True))
    write_line(f"{'would be erased' if dry_run else 'erased'}: {counted}")
    for each in done["underWay"]:
        write_line(f"left as it is: order {each['orderId']}, {each.get('status') or each['state']}")
    if done["withoutShipment"]:
        write_line(
            f"{len(done['withoutShipment'])} orders have no shipment; if their events are still on the way, "
            "repeat this after they have arrived"
        )
    if done["remains"]:
        write_line("what still holds the data:")
    for each in done["remains"]:
        until = f"until {each['until']}" if each["until"] else "without a date"
        write_line(f"  {each['place']}, {until} ({each['why']})")


_SAID = ("orders", "events", "reasons of changes", "shipments", "dead letters", "attentions")
