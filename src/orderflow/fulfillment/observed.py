"""What calls of carriers and payment providers count in the metrics."""

from orderflow.fulfillment.decisions import CallFailed, Outcome
from orderflow.fulfillment.model import Done, Shipment, Step, Undone
from orderflow.fulfillment.parties import PartyRefused, PartyRejected
from orderflow.runtime.telemetry.metrics import party_call


def count_call(shipment: Shipment, outcome: Outcome, seconds: float) -> None:
    """Count a call for the shipment's present step, whatever came of it."""
    step = f"undo {shipment.step.value}" if shipment.undoing else shipment.step.value
    party_call("carrier" if shipment.step is Step.SHIP else "payments", step, _named(outcome), seconds)


def _named(outcome: Outcome) -> str:
    match outcome:
        case Done():
            return "done"
        case Undone():
            return "undone"
        case CallFailed(error=PartyRejected()):
            return "rejected"
        case CallFailed(error=PartyRefused()):
            return "refused"
        case CallFailed():
            return "failed"
        case _:
            return "parked"
