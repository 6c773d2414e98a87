"""What transactions on orders count in the metrics, once they are committed."""

from collections.abc import Mapping
from typing import Any

from orderflow.database.transaction import Transaction
from orderflow.orders.model import OrderState, Status
from orderflow.runtime.ids import unix_ms_of
from orderflow.runtime.telemetry.metrics import INTAKE_BATCH, ORDER_TO_SHIPPED


def count_placed(tx: Transaction, orders: int) -> None:
    if orders:
        tx.after_commit(lambda: INTAKE_BATCH.observe(orders))


def count_shipped(
    tx: Transaction,
    before: Mapping[str, Mapping[Any, Any]],
    changed: Mapping[str, Any],
    after: Mapping[str, OrderState],
) -> None:
    """Of the changed orders, time those that are Shipped now; `changed` has the updates, by order id."""
    seconds = [
        changed[order_id].at.timestamp() - unix_ms_of(order_id) / 1000
        for order_id in changed
        if after[order_id].status is Status.SHIPPED and before[order_id]["status"] != Status.SHIPPED.value
    ]
    if seconds:
        tx.after_commit(lambda: [ORDER_TO_SHIPPED.observe(max(0.0, each)) for each in seconds])
