"""The Fulfillment Service's spans: events taken, calls of parties, status updates, dead letters.

Their attributes are ids and kinds. A party's own words may name a person, so none of them is among these.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orderflow.contracts.traceparent import parse_traceparent
from orderflow.fulfillment.model import Shipment, status_update
from orderflow.fulfillment.orders_answers import Answer
from orderflow.messaging import Record
from orderflow.runtime.telemetry import tracing
from orderflow.runtime.telemetry.tracing import SpanKind

if TYPE_CHECKING:  # traces that are off do not import the SDK
    from opentelemetry.trace import Span


def taken(records: Sequence[Record], began_ns: int) -> None:
    """A span for each event that is traced, with a link to the context that its headers carry."""
    if not tracing.is_on():
        return
    for record in records:
        header = next((value for name, value in record.headers if name == "traceparent"), None)
        traceparent = parse_traceparent(header)
        if traceparent is None or not tracing.is_traced(traceparent):
            continue
        tracing.record(
            tracing.PROCESS.format(topic=record.topic),
            SpanKind.CONSUMER,
            traceparent,
            began_ns,
            {
                **tracing.messaging("process", record.topic),
                tracing.PARTITION: str(record.partition),
                tracing.OFFSET: record.offset,
            },
            links=(traceparent,),
        )


def begin_call(shipment: Shipment, *, is_look_up: bool = False) -> "Span | None":
    """A call of the present step's party, which gets the span's context; None if the order is not traced."""
    if shipment.traceparent is None or not tracing.is_traced(shipment.traceparent):
        return None
    name = f"undo {shipment.step}" if shipment.undoing else shipment.step.value
    attributes: dict[str, str | int | bool] = {
        **_ids(shipment),
        tracing.STEP: shipment.step.value,
        tracing.UNDOING: shipment.undoing,
        tracing.ATTEMPT: shipment.attempts,
    }
    if is_look_up:
        name = tracing.LOOK_UP.format(step=shipment.step)
    return tracing.begin_call(name, shipment.traceparent, attributes)


def end_call(span: "Span | None", outcome: str, failure: str | None) -> None:
    """`outcome` and `failure` are names of ours."""
    if span is not None:
        tracing.end_call(span, {tracing.OUTCOME: outcome}, failure)


def reported(shipments: Sequence[Shipment], answers: Sequence[Answer | None], began_ns: int) -> None:
    """The status updates of a bulk that the Order Service has answered."""
    if not tracing.is_on():
        return
    for shipment, answer in zip(shipments, answers, strict=True):
        if answer is None or shipment.traceparent is None or not tracing.is_traced(shipment.traceparent):
            continue
        tracing.record(
            tracing.REPORT,
            SpanKind.CLIENT,
            shipment.traceparent,
            began_ns,
            {
                **_ids(shipment),
                tracing.METHOD: "PATCH",
                tracing.ORDER_STATUS: status_update(shipment)["status"],
                tracing.OUTCOME: type(answer).__name__.lower(),
            },
        )


def parked(shipment: Shipment, kind: str) -> None:
    """The shipment has become a dead letter."""
    if shipment.traceparent is None or not tracing.is_traced(shipment.traceparent):
        return
    told = {**_ids(shipment), tracing.KIND: kind, tracing.STEP: shipment.step.value}
    tracing.record(
        tracing.DEAD_LETTER,
        SpanKind.INTERNAL,
        shipment.traceparent,
        tracing.now_ns(),
        told,
        error_type=kind,
    )


def _ids(shipment: Shipment) -> dict[str, str]:
    return {tracing.ORDER_ID: shipment.order_id, tracing.CORRELATION_ID: shipment.correlation_id}
