"""The Order Service's spans: orders and status updates that are written, events that are sent."""

from collections.abc import Sequence
from functools import wraps
from typing import Any

from orderflow.database.batch import UseCase
from orderflow.database.transaction import Transaction
from orderflow.messaging import Position, PublishFailed
from orderflow.orders.outbox import OutboxRow
from orderflow.runtime.telemetry import tracing
from orderflow.runtime.telemetry.tracing import SpanKind


def traced(place_orders: UseCase[Any, Any]) -> UseCase[Any, Any]:
    """The use case, whose orders tell which batch they were written with: a span for the batch, in the trace
    of its first order that is traced, and one for each such order that links it."""

    @wraps(place_orders)
    def place(tx: Transaction, commands: Sequence[Any]) -> Sequence[Any]:
        sampled = [each for each in commands if tracing.is_traced(each.traceparent)]
        if not sampled:
            return place_orders(tx, commands)
        began_ns = tracing.now_ns()
        results = place_orders(tx, commands)
        system = {tracing.DB_SYSTEM: tx.connection.dialect.name}
        tx.after_commit(lambda: _committed(sampled, began_ns, len(commands), system))
        return results

    return place


def _committed(sampled: Sequence[Any], began_ns: int, size: int, system: dict[str, str]) -> None:
    batch = tracing.record(
        tracing.COMMIT_BATCH,
        SpanKind.CLIENT,
        sampled[0].traceparent,
        began_ns,
        {**system, tracing.DB_OPERATION: "COMMIT", tracing.DB_BATCH_SIZE: size},
    )
    for each in sampled:
        told = {tracing.ORDER_ID: each.order_id, tracing.CORRELATION_ID: each.correlation_id}
        tracing.record(tracing.COMMIT, SpanKind.INTERNAL, each.traceparent, began_ns, told, links=(batch,))


def updated(
    order_id: str,
    correlation_id: str,
    traceparent: str | None,
    began_ns: int,
    *,
    outcome: str,
    status: str | None,
) -> None:
    """A status update, which was written or refused. `status` is what it has led to, if it was written."""
    if traceparent is None or not tracing.is_traced(traceparent):
        return
    told = {tracing.ORDER_ID: order_id, tracing.CORRELATION_ID: correlation_id, tracing.OUTCOME: outcome}
    if status is not None:
        told[tracing.ORDER_STATUS] = status
    tracing.record(tracing.UPDATE, SpanKind.INTERNAL, traceparent, began_ns, told)


def published(
    batch: Sequence[OutboxRow], outcomes: Sequence[Position | PublishFailed], began_ns: int
) -> None:
    """A span for each event that is traced: how it was sent, and where it is in the log."""
    if not tracing.is_on():
        return
    for row, outcome in zip(batch, outcomes, strict=True):
        if row.traceparent is None or not tracing.is_traced(row.traceparent):
            continue
        attributes: dict[str, str | int | bool] = {
            **tracing.messaging("send", row.topic),
            tracing.ORDER_ID: row.order_id,
            tracing.CORRELATION_ID: row.correlation_id,
        }
        failed = isinstance(outcome, PublishFailed)
        if isinstance(outcome, Position):
            attributes |= {tracing.PARTITION: str(outcome.partition), tracing.OFFSET: outcome.offset}
        tracing.record(
            tracing.SEND.format(topic=row.topic),
            SpanKind.PRODUCER,
            row.traceparent,
            began_ns,
            attributes,
            error_type="not-published" if failed else None,
        )
