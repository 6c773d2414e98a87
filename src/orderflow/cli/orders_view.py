"""Orders for people to read: the table of a listing, and one order in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orderflow.cli.terminal import add_row, write_line, write_rich, write_table
from orderflow.contracts.order_story import Story, waits_for

if TYPE_CHECKING:  # rich costs more time than most commands
    from rich.table import Table

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
    """Write one order with its items."""
    from rich.table import Table

    items = Table("product", "quantity", "unit price (minor units)", box=None, pad_edge=False)
    for item in order["items"]:
        price = item.get("unitPrice")
        text = f"{price['amountMinor']} {price['currency']}" if price else ""
        add_row(items, item["productId"], str(item["quantity"]), text)
    write_rich(_table_of(_facts(order)))
    write_line("")
    write_rich(items)


def write_story(story: Story) -> None:
    """Write what both services say of an order, first what it waits for."""
    write_line(f"{story.order_id}: {waits_for(story)}")
    if story.told is not None:
        write_line("")
        write_order(story.told.order)
        _write_part("what happened", _timeline(story.told.timeline))
    if story.shipment is not None:
        _write_part("its shipment", _table_of(_shipment_facts(story.shipment)))
        _write_part("its steps", _steps(story.shipment["steps"]))
        if failed := story.shipment.get("failedCalls"):  # a worker of an earlier release has none
            write_line("\nits calls that failed")
            write_table(failed, ("at", "step", "attempt", "outcome", "reason"))
    if story.dead_letters:
        write_line("\nits dead letters")
        write_table(
            story.dead_letters, ("id", "state", "kind", "step", "attempts", "at", "reason", "outcome")
        )


def _write_part(title: str, table: Table) -> None:
    write_line(f"\n{title}")
    write_rich(table)


def _shipment_facts(shipment: dict[str, Any]) -> list[tuple[str, str]]:
    direction = "undoing step" if shipment["direction"] == "undo" else "step"
    return [
        ("state", f"{shipment['state']}, {direction} {shipment['step']}"),
        ("attempts", f"{shipment['attempts']} of this step, {shipment['interruptions']} interrupted"),
        ("waits", str(shipment["waits"] or "")),
        ("due", shipment["dueAt"] or ""),
        ("note", shipment["note"] or ""),
        ("error", shipment["error"] or ""),
        ("worker", f"{shipment['workerId']}, epoch {shipment['epoch']}" if shipment["workerId"] else ""),
        ("party", shipment["party"] or ""),
        ("received", shipment["receivedAt"]),
        ("closed", shipment["closedAt"] or ""),
        ("trace id", shipment["traceId"] or ""),
    ]


def _steps(steps: Sequence[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table("step", "state", "attempts", "at", "reason", box=None, pad_edge=False)
    for step in steps:
        at, reason = step.get("at") or "", step.get("reason") or ""
        add_row(table, step["step"], step["state"], str(step["attempts"]), at, reason)
    return table


def _table_of(facts: Sequence[tuple[str, str]]) -> Table:
    """Names and values; empty values are left out."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in facts:
        if value:
            add_row(table, name, value)
    return table


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


def _timeline(entries: Sequence[dict[str, Any]]) -> Table:
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
