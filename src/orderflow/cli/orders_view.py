"""Orders for people to read: the table of a listing, and one order in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orderflow.cli.terminal import add_row, write_line, write_rich

COLUMNS = (("order", 36), ("status", 10), ("customer", 10), ("items", 5), ("created", 20), ("tracking", 8))
"""Title and least width. Fixed widths align the pages of a long listing without holding all of them."""


class OrderTable:
    """Writes pages of a listing under one heading. Customers' names are left out."""

    def __init__(self) -> None:
        self._heading = True

    def write(self, orders: Sequence[dict[str, Any]]) -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=self._heading)
        for title, width in COLUMNS:
            table.add_column(title, min_width=width, no_wrap=title in ("order", "status", "created"))
        for order in orders:
            shipped: dict[str, Any] = order["fulfillment"] or {}
            status = order["status"] + (" !" if order["attention"] else "")
            tracking: str = shipped.get("trackingNumber") or ""
            customer, lines = order["customer"]["customerId"], str(len(order["items"]))
            add_row(table, order["orderId"], status, customer, lines, _second(order["createdAt"]), tracking)
        write_rich(table)
        self._heading = False


def write_order(order: dict[str, Any]) -> None:
    """Write one order with its items, and with its timeline if it has one."""
    from rich.table import Table

    facts = Table(box=None, pad_edge=False, show_header=False)
    for name, value in _facts(order):
        if value:
            add_row(facts, name, value)
    items = Table("product", "quantity", "unit price (minor units)", box=None, pad_edge=False)
    for item in order["items"]:
        price = item.get("unitPrice")
        text = f"{price['amountMinor']} {price['currency']}" if price else ""
        add_row(items, item["productId"], str(item["quantity"]), text)
    write_rich(facts)
    write_line("")
    write_rich(items)
    if "timeline" in order:
        write_line("")
        write_rich(_timeline(order["timeline"]))


def _facts(order: dict[str, Any]) -> list[tuple[str, str]]:
    customer, attention = order["customer"], order["attention"]
    shipped: dict[str, Any] = order["fulfillment"] or {}
    ship_to: dict[str, Any] = order.get("shipTo") or {}
    address: list[str | None] = [
        ship_to.get("name"),
        *ship_to.get("lines", ()),
        ship_to.get("city"),
        ship_to.get("region"),
    ]
    address += [ship_to.get("postalCode"), ship_to.get("country")]
    return [
        ("order", order["orderId"]),
        ("status", f"{order['status']} (version {order['version']})"),
        ("allowed next", ", ".join(order["allowedTransitions"])),
        (
            "attention",
            f"{attention['kind']} since {attention['since']}: {attention['reason']}" if attention else "",
        ),
        ("customer", f"{customer['customerId']}, {customer['name']}"),
        ("ship to", ", ".join(part for part in address if part)),
        ("carrier", shipped.get("carrier") or ""),
        ("tracking", shipped.get("trackingNumber") or ""),
        ("shipped", shipped.get("shippedAt") or ""),
        ("error", shipped.get("errorMessage") or ""),
        ("created", order["createdAt"]),
        ("updated", order["updatedAt"]),
        ("correlation id", order["correlationId"]),
    ]


def _timeline(entries: Sequence[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("at", "version", "what", "actor", "reason", "in the log", box=None, pad_edge=False)
    for entry in entries:
        position = entry.get("topicPosition")
        where = f"partition {position['partition']}, offset {position['offset']}" if position else ""
        what = entry.get("eventType") or entry.get("status") or entry["kind"]
        version, actor = str(entry["orderVersion"]), entry.get("actor") or ""
        add_row(table, entry["at"], version, what, actor, entry.get("reason") or "", where)
    return table


def _second(instant: str) -> str:
    """An instant of the contract, to the second."""
    return instant[:19] + "Z" if instant.endswith("Z") else instant
