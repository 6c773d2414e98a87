"""`orders list`, `show` and `create`; `orders cancel`, `hold` and `release`."""

from __future__ import annotations

import asyncio
import json as json_module
import re
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from orderflow.cli.configuration import Json, Whole, load_settings
from orderflow.cli.order_story import read_story
from orderflow.cli.orders_view import OrderTable, write_order, write_story
from orderflow.cli.terminal import CommandFailed, WrongUse, as_json, complain, write_line

if TYPE_CHECKING:  # aiohttp and the settings cost more time than `orderflow version` may take
    from orderflow.settings import Settings

WAIT_S_MAX = 7 * 86_400.0
ORDER_BYTES_MAX = 1 << 20

_ITEM = re.compile(
    r"(?P<product>[^:]+):(?P<quantity>[0-9]{1,9})(:(?P<amount>[0-9]{1,15}):(?P<currency>[A-Z]{3}))?"
)

Id = Annotated[str, Parameter(name="ID")]
Why = Annotated[str | None, Parameter(help="Why, for the order's timeline.")]


def list_orders(
    *,
    status: Annotated[str | None, Parameter(help="Such as Created, Processing, Shipped.")] = None,
    customer_id: str | None = None,
    product_id: str | None = None,
    tracking_number: str | None = None,
    idempotency_key: Annotated[
        str | None, Parameter(help="One that this caller placed an order with; with admin, anybody.")
    ] = None,
    attention: Annotated[
        bool | None, Parameter(help="Only orders that wait for a person, or only others.")
    ] = None,
    created_from: Annotated[str | None, Parameter(help="ISO 8601 with offset, inclusive.")] = None,
    created_to: Annotated[str | None, Parameter(help="ISO 8601 with offset, exclusive.")] = None,
    limit: Annotated[Whole, Parameter(help="At most this many.")] = 50,
    all_: Annotated[
        bool, Parameter(name="--all", negative="", help="All of them, whatever --limit.")
    ] = False,
    json: Annotated[
        bool, Parameter(negative="", help="Print a JSON array instead, with one order a line.")
    ] = False,
) -> int:
    """List orders, newest first."""
    if limit < 1:
        raise WrongUse("--limit takes 1 or more")
    settings = load_settings()
    query = {
        "status": status,
        "customerId": customer_id,
        "productId": product_id,
        "trackingNumber": tracking_number,
        "idempotencyKey": idempotency_key,
        "attention": None if attention is None else str(attention).lower(),
        "createdFrom": created_from,
        "createdTo": created_to,
    }
    given = {name: value for name, value in query.items() if value is not None}
    asyncio.run(_list(settings, given, None if all_ else limit, json))
    return 0


async def _list(settings: Settings, query: dict[str, str], limit: int | None, json: bool) -> None:
    from orderflow.cli.client import order_service

    table = None if json else OrderTable()
    separator = "[\n"
    async with order_service(settings) as client:
        async for orders, more in client.pages("/api/orders", query, limit):
            if table:
                table.write(orders)
                if more:
                    complain(f"the first {limit}; --all lists every order, --limit another number")
                continue
            for order in orders:
                sys.stdout.write(separator + as_json(order))
                separator = ",\n"
    if json:
        write_line("[]" if separator == "[\n" else "\n]")


def show(
    order_id: Id,
    /,
    *,
    timeline: Annotated[bool, Parameter(negative="", show=False)] = True,  # noqa: ARG001  # of earlier scripts
    json: Json = False,
) -> int:
    """Show one order's whole story: what both services say of it, and what it waits for now.

    If one of the services tells nothing, the rest is shown. Exit 1 if that is the Order Service.
    """
    story = asyncio.run(read_story(load_settings(), order_id))
    if json:
        write_line(as_json(story.document()))
    else:
        write_story(story)
    for service, reason in story.untold.items():
        complain(f"{service} tells nothing: {reason}")
    return 0 if story.told else 1


def cancel(order_id: Id, /, *, reason: Why = None, json: Json = False) -> int:
    """Cancel an order. One that is being processed becomes Cancelling first, and may still be shipped."""
    return _act("cancel", order_id, reason, json)


def hold(order_id: Id, /, *, reason: Why = None, json: Json = False) -> int:
    """Keep an order from being processed until it is released. It must be Created."""
    return _act("hold", order_id, reason, json)


def release(order_id: Id, /, *, reason: Why = None, json: Json = False) -> int:
    """Let an order that is on hold be processed."""
    return _act("release", order_id, reason, json)


def _act(action: str, order_id: str, reason: str | None, json: bool) -> int:
    body = {} if reason is None else {"reason": reason}
    order = asyncio.run(_acted(load_settings(), action, order_id, body))
    if json:
        write_line(as_json(order))
    else:
        write_line(f"{order['orderId']} is {order['status']} (version {order['version']})")
    return 0


async def _acted(settings: Settings, action: str, order_id: str, body: dict[str, str]) -> dict[str, Any]:
    from orderflow.cli.client import order_service

    async with order_service(settings) as client:
        path = f"/api/orders/{quote(order_id, safe='')}/{action}"
        return await client.post(path, json_module.dumps(body).encode())


def create(
    file: Annotated[
        str | None,
        Parameter(name="FILE", allow_leading_hyphen=True, help="An order as JSON; - reads stdin."),
    ] = None,
    /,
    *,
    customer_id: str | None = None,
    name: Annotated[str | None, Parameter(help="The customer's name.")] = None,
    item: Annotated[
        list[str] | None,
        Parameter(
            negative="", help="PRODUCT:QUANTITY or PRODUCT:QUANTITY:AMOUNT_MINOR:CURRENCY; repeatable."
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None, Parameter(help="Repeating the command with it places no second order.")
    ] = None,
    wait: Annotated[bool, Parameter(negative="", help="Wait until the order is in a final status.")] = False,
    wait_seconds: Annotated[float, Parameter(help="Bound of --wait; exit 1 after it.")] = 300.0,
    json: Json = False,
) -> int:
    """Place one order, from a file or from the options."""
    if file is not None and file.startswith("-") and file != "-":
        raise WrongUse(f"unknown option {file}; a file of that name is ./{file}")
    if not 0 < wait_seconds <= WAIT_S_MAX:
        raise WrongUse(f"--wait-seconds takes a number above 0, {WAIT_S_MAX:.0f} at most")
    if file is not None and (customer_id or name or item):
        raise WrongUse("give a FILE, or --customer-id, --name and --item: not both")
    if file is not None:
        order = _order_of_file(file)
    elif customer_id and name and item:
        order = {
            "customer": {"customerId": customer_id, "name": name},
            "items": [_item(text) for text in item],
        }
    else:
        raise WrongUse("an order needs a FILE, or all of --customer-id, --name and --item")
    key = order.pop("idempotencyKey", None)
    if idempotency_key is not None:
        key = idempotency_key
    elif key is None:
        key = f"cli-{uuid.uuid4()}"
    placed = asyncio.run(_create(load_settings(), order, _checked(key), wait_seconds if wait else None))
    if json:
        write_line(as_json(placed))
    else:
        write_order(placed)
    if wait and not _is_final(placed):
        complain(f"still {placed['status']} after {wait_seconds:g} s")
        return 1
    return 0


def _checked(key: object) -> str:
    """The idempotency key as the API spells it. Raises WrongUse."""
    from pydantic import TypeAdapter, ValidationError

    from orderflow.contracts.orders_api import IdempotencyKey

    rule: TypeAdapter[str] = TypeAdapter(IdempotencyKey)
    try:
        return rule.validate_python(key)
    except ValidationError:
        raise WrongUse("an idempotency key is 1 to 255 printable characters") from None


async def _create(settings: Settings, order: dict[str, Any], key: str, wait_s: float | None) -> Any:
    from orderflow.cli.client import AnswerLost, Refused, order_service

    body = json_module.dumps(order).encode()
    async with order_service(settings) as client:
        try:
            placed = await client.post("/api/orders", body, key=key)
        except (AnswerLost, Refused) as error:
            if isinstance(error, Refused) and error.status < 500:
                raise
            raise CommandFailed(
                f"{error}\nthe order may or may not have been placed: repeat with --idempotency-key {key}, "
                "which is safe"
            ) from None
        if wait_s is None:
            return placed
        return placed if _is_final(placed) else await client.final(placed["orderId"], wait_s)


def _is_final(order: Any) -> bool:
    from orderflow.contracts.orders_api import FINAL

    return order["status"] in FINAL


def _item(text: str) -> dict[str, Any]:
    match = _ITEM.fullmatch(text)
    if not match:
        raise WrongUse(
            "--item takes PRODUCT:QUANTITY or PRODUCT:QUANTITY:AMOUNT_MINOR:CURRENCY, as in A1:2:1250:EUR"
        )
    item: dict[str, Any] = {"productId": match["product"], "quantity": int(match["quantity"])}
    if match["amount"]:
        item["unitPrice"] = {"amountMinor": int(match["amount"]), "currency": match["currency"]}
    return item


def _order_of_file(file: str) -> dict[str, Any]:
    try:
        if file == "-":
            content = sys.stdin.buffer.read(ORDER_BYTES_MAX + 1)
        else:
            with Path(file).open("rb") as stream:
                content = stream.read(ORDER_BYTES_MAX + 1)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from None
    if len(content) > ORDER_BYTES_MAX:
        raise CommandFailed(f"{file} is larger than 1 MiB; `orderflow orders import` takes many orders")
    try:
        order: object = json_module.loads(content)
    except (ValueError, RecursionError) as error:
        raise CommandFailed(f"{file} is not JSON: {error}") from None
    if not isinstance(order, dict):
        raise CommandFailed(f"{file} holds no order: it must be a JSON object")
    return order  # pyright: ignore[reportUnknownVariableType]  # what json gives; the server validates it
