"""Whether orders and ledgers agree."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Any

from orderflow.contracts.orders_api import FINAL, OrderOut

Entry = dict[str, Any]
PAUSE_S = 0.5

Verdict = tuple[list[OrderOut], list[str]]


async def last_verdict(look: Callable[[], Awaitable[Verdict]], seconds_max: float) -> Verdict:
    """The first verdict that finds nothing wrong, or that after so many seconds: what is wrong may come right
    by itself, because a payment is captured after its order is Shipped."""
    deadline = time.monotonic() + seconds_max
    while True:
        orders, wrong = await look()
        if not wrong or time.monotonic() >= deadline:
            return orders, wrong
        await asyncio.sleep(PAUSE_S)


def verdict(
    placed: Collection[str], orders: Sequence[OrderOut], shipments: Sequence[Entry], payments: Sequence[Entry]
) -> list[str]:
    """What is wrong, a sentence each: `placed` are the ids that were answered, the entries are those of the
    ledgers."""
    known = {order.order_id: order for order in orders}
    live: dict[str, list[Entry]] = defaultdict(list)
    for shipment in shipments:
        if shipment["state"] == "live":
            live[shipment["orderId"]].append(shipment)
    charged: dict[str, int] = defaultdict(int)
    held: set[str] = set()
    for payment in payments:
        charged[payment["orderId"]] += payment["capturedMinor"] - payment["refundedMinor"]
        if payment["authorized"] and not payment["voided"] and not payment["capturedMinor"]:
            held.add(payment["orderId"])
    wrong = [f"order {order_id} was accepted and is lost" for order_id in sorted(set(placed) - set(known))]
    unknown = sorted(set(live) - set(known))
    wrong += [f"order {order_id} was shipped, and nobody knows it" for order_id in unknown]
    for order in orders:
        is_held = order.order_id in held
        wrong += _of_order(order, live[order.order_id], charged[order.order_id], is_held=is_held)
    return wrong


def _of_order(order: OrderOut, live: Sequence[Entry], charged: int, *, is_held: bool) -> Iterator[str]:
    name = f"order {order.order_id} is {order.status}"
    if order.status not in FINAL:
        attention = f": {order.attention.reason}" if order.attention else ""
        yield f"{name}, and not finished{attention}"
        return
    shipped = order.status == "Shipped"
    if len(live) != int(shipped):
        yield f"{name} and has {len(live)} shipments"
    numbers = [each["trackingNumber"] for each in live]
    if shipped and order.fulfillment and order.fulfillment.tracking_number not in numbers:
        yield f"{name}, but its tracking number is not the carrier's"
    due = sum(item.quantity * item.unit_price.amount_minor for item in order.items if item.unit_price)
    if charged != (due if shipped else 0):
        yield f"{name} and is charged {charged} of {due}"
    if is_held:
        yield f"{name}, but money is still set aside for it"
