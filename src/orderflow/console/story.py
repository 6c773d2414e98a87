"""One order as a waterfall: bars that say when each step began, and how long it took."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orderflow.contracts.order_story import Story

Document = dict[str, Any]

UNITS = 100
"""Bars are placed and sized in hundredths of the whole time, for which the style sheet has classes."""

_STEPS = {
    "stock": "reserve stock",
    "authorize": "authorize payment",
    "ship": "carrier ships",
    "capture": "capture payment",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """`offset` and `width` are hundredths of the whole. `state` chooses the colour, and stands in words
    beside it."""

    name: str
    state: str
    at: str
    note: str
    offset: int
    width: int
    milliseconds: float


def waterfall(story: Story) -> list[Bar]:
    """A bar for each change, event and step of which a time is known, oldest first. Each lasts until the
    next one."""
    told = sorted(_moments(story), key=lambda moment: moment[0])
    if not told:
        return []
    first = told[0][0]
    whole_ms = max((told[-1][0] - first).total_seconds() * 1000, 1)
    bars: list[Bar] = []
    for index, (at, name, state, note, text) in enumerate(told):
        began = (at - first).total_seconds() * 1000
        until = told[index + 1][0] if index + 1 < len(told) else at
        lasts = (until - at).total_seconds() * 1000
        offset = min(round(began / whole_ms * UNITS), UNITS - 1)
        width = max(1, min(round(lasts / whole_ms * UNITS), UNITS - offset))
        bars.append(Bar(name, state, text, note, offset, width, lasts))
    return bars


Moment = tuple[datetime, str, str, str, str]


def _moments(story: Story) -> list[Moment]:
    found: list[Moment] = []
    for entry in story.told.timeline if story.told else ():
        reason = entry["reason"] or ""
        if entry["kind"] == "change":
            by = f"by {entry['actor']}" + (f": {reason}" if reason else "")
            found.append(_moment(entry["at"], entry["status"], entry["status"], by))
        else:
            position = entry["topicPosition"]
            where = f"partition {position['partition']}, offset {position['offset']}" if position else ""
            state = "published" if position else "waiting"
            found.append(_moment(entry["at"], entry["eventType"], state, where or reason or "not published"))
    if story.shipment is not None:
        found.append(_moment(story.shipment["receivedAt"], "event received", "received", "by a worker"))
        found += [_step(step) for step in story.shipment["steps"] if step.get("at")]
    return found


def _step(step: Document) -> Moment:
    attempts = step["attempts"]
    note = f"{attempts} attempt{'' if attempts == 1 else 's'}" if attempts else ""
    reason = step.get("reason") or ""
    return _moment(step["at"], _STEPS.get(str(step["step"]), "another step"), step["state"], reason or note)


def _moment(at: str, name: str, state: str, note: str) -> Moment:
    return datetime.fromisoformat(at), name, state, note, at
