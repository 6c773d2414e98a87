"""Which calls of a shipment's parties have failed, as its row keeps them: a line of JSON for each, oldest
first. Only our own words are kept, for a party's may name a person."""

from typing import Any, cast

import sqlalchemy as sa
from pydantic_core import from_json, to_json

from orderflow.fulfillment.fencing import Change
from orderflow.fulfillment.model import Park, State, Wait
from orderflow.fulfillment.tables import shipments

CHARS_MAX = 4_000
"""Room for about thirty calls; older ones make way."""


def line_of(change: Change) -> str:
    """The line that the decision adds: empty unless it follows a call that failed. Quick retries in between
    are not told one by one: the number of the attempt says how many there were."""
    shipment, decision = change.shipment, change.decision
    if shipment.state is not State.CALLING or not isinstance(decision, (Wait, Park)):
        return ""
    told = {
        "step": f"{'undo ' if shipment.undoing else ''}{shipment.step}",
        "attempt": shipment.attempts,
        "at": change.at,
        "outcome": decision.kind if isinstance(decision, Park) else "retry",
        "reason": decision.cause or decision.note,
    }
    return to_json(told).decode() + "\n"


def _kept() -> sa.ColumnElement[str | None]:
    """What the row keeps once the line is added. Its first line may be cut."""
    together = sa.func.coalesce(shipments.c.failed_calls, "").concat(sa.bindparam("b_failed", type_=sa.Text))
    length = sa.func.length(together)
    start = sa.case((length > CHARS_MAX, length - CHARS_MAX + 1), else_=1)
    return sa.func.nullif(sa.func.substr(together, start), "")


KEPT = _kept()
"""With the line as the parameter `b_failed`."""


def told_failures(kept: str | None) -> list[dict[str, Any]]:
    """The calls as the shipment's document has them, oldest first."""
    lines = (kept or "").splitlines()
    whole = lines[1:] if len(kept or "") == CHARS_MAX else lines
    return [cast("dict[str, Any]", from_json(line)) for line in whole]
