"""What the Fulfillment Service shows: plain SELECTs into the documents of its HTTP API.

Only `get_message` gives the bytes of an event or a request, which may hold personal data: nothing else
has a customer or an address.
"""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from orderflow.contracts.pages import page_of
from orderflow.contracts.traceparent import trace_id
from orderflow.database.dialects import ids_parameter, now_ms, one_of
from orderflow.fulfillment.failed_calls import told_failures
from orderflow.fulfillment.letters import LetterState, unpacked
from orderflow.fulfillment.model import State
from orderflow.fulfillment.redrive_stages import stage
from orderflow.fulfillment.tables import dead_letter_actions, dead_letters, redrives, shipments
from orderflow.fulfillment.told_steps import told_steps
from orderflow.fulfillment.waiting import NOTHING_KNOWN, Known, waits_for

GROUPS_MAX = 200
REDRIVES_MAX = 50

Document = dict[str, Any]

_SHIPMENT = (
    *(column for column in shipments.c if column.name != "request"),
    now_ms().label("now_ms"),
)
_LETTER = (
    *(column for column in dead_letters.c if column.name not in ("value", "headers")),
    sa.func.length(dead_letters.c.value).label("value_bytes"),
)


def get_shipment(connection: Connection, order_id: str, *, known: Known = NOTHING_KNOWN) -> Document | None:
    found = (
        connection.execute(sa.select(*_SHIPMENT).where(shipments.c.order_id == order_id)).mappings().first()
    )
    return None if found is None else _shipment(found, known)


def list_shipments(
    connection: Connection,
    *,
    states: Sequence[State],
    limit: int,
    after: str | None,
    order_ids: Sequence[str] = (),
    known: Known = NOTHING_KNOWN,
) -> bytes:
    """A page of shipments by order id, those after the given one, as JSON; with `order_ids`, only those of
    these orders."""
    c = shipments.c
    wanted = sa.select(*_SHIPMENT).order_by(c.order_id).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(c.order_id > after)
    if order_ids:
        wanted = wanted.where(one_of(c.order_id, "ids"))
    if states:
        wanted = wanted.where(c.state.in_(states))
        # These conditions follow from the states. They let a partial index find what is rare.
        if set(states) == {State.PARKED}:
            wanted = wanted.where(c.parked_kind.is_not(None))
        elif not {State.PARKED, State.CLOSED} & set(states):
            wanted = wanted.where(c.due_at_ms.is_not(None))
    rows = connection.execute(wanted, ids_parameter(order_ids) if order_ids else {}).mappings().all()
    return page_of(rows, lambda found: _shipment(found, known), itemgetter("order_id"), limit)


# Written out: only then does every database see that a partial index has these rows.
_IS_OPEN = dead_letters.c.state == sa.literal_column("'open'")


def list_dead_letters(
    connection: Connection,
    *,
    kind: str | None,
    order_id: str | None,
    states: Sequence[LetterState],
    limit: int,
    after: str | None,
) -> bytes:
    """A page of dead letters by id, those after the given one, as JSON."""
    wanted = sa.select(*_LETTER).order_by(dead_letters.c.id).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(dead_letters.c.id > after)
    if kind is not None:
        wanted = wanted.where(dead_letters.c.kind == kind)
    if order_id is not None:
        wanted = wanted.where(dead_letters.c.order_id == order_id)
    if states == [LetterState.OPEN]:
        wanted = wanted.where(_IS_OPEN)
    elif states:
        wanted = wanted.where(dead_letters.c.state.in_(states))
    rows = connection.execute(wanted).mappings().all()
    return page_of(rows, _letter, itemgetter("id"), limit)


def dead_letter_groups(connection: Connection) -> Document:
    """Open dead letters by kind and reason, the largest groups first; at most 200 of them."""
    c = dead_letters.c
    count = sa.func.count().label("open")
    groups = connection.execute(
        sa.select(c.kind, c.reason, count, sa.func.min(c.at), sa.func.max(c.at))
        .where(_IS_OPEN)
        .group_by(c.kind, c.reason)
        .order_by(count.desc(), c.kind, c.reason)
        .limit(GROUPS_MAX)
    )
    names = ("kind", "reason", "open", "oldestAt", "newestAt")
    return {"items": [dict(zip(names, group, strict=True)) for group in groups]}


def get_dead_letter(
    connection: Connection, letter_id: str, *, known: Known = NOTHING_KNOWN
) -> Document | None:
    """The letter, what was done with it, and its order's shipment, if there is one."""
    found = connection.execute(sa.select(*_LETTER).where(dead_letters.c.id == letter_id)).mappings().first()
    if found is None:
        return None
    c = dead_letter_actions.c
    done = sa.select(c.at, c.actor, c.action, c.note).where(c.letter_id == letter_id).order_by(c.at, c.id)
    actions = connection.execute(done).mappings().all()
    shipment = get_shipment(connection, found["order_id"], known=known) if found["order_id"] else None
    return _letter(found) | {"actions": [dict(action) for action in actions], "shipment": shipment}


def get_message(connection: Connection, letter_id: str) -> Document | None:
    """What the letter is about, whole: a message, or the request to a shipment's carrier."""
    c = dead_letters.c
    found = connection.execute(sa.select(c.key, c.value, c.headers).where(c.id == letter_id)).first()
    if found is None:
        return None
    headers = [{"name": name, **_text("value", value)} for name, value in unpacked(found.headers)]
    return {**_text("key", found.key), "headers": headers, **_text("value", found.value)}


def list_redrives(connection: Connection, *, redrive_id: str | None = None) -> Document:
    """Redrives of groups, the newest first, at most 50."""
    wanted = sa.select(redrives).order_by(redrives.c.started_at.desc(), redrives.c.id).limit(REDRIVES_MAX)
    if redrive_id is not None:
        wanted = wanted.where(redrives.c.id == redrive_id)
    return {"items": [_redrive(found) for found in connection.execute(wanted).mappings()]}


def _redrive(found: RowMapping) -> Document:
    return {
        "id": found["id"],
        "kind": found["kind"],
        "reason": found["reason"],
        "ratePerS": found["rate_per_s"],
        "actor": found["actor"],
        "state": found["state"],
        "note": found["note"],
        "letters": found["letters"],
        "redriven": found["redriven"],
        "stage": stage(found["redriven"]) if found["staged"] else None,
        "startedAt": found["started_at"],
        "endedAt": found["ended_at"],
    }


def _shipment(found: RowMapping, known: Known) -> Document:
    label = None
    if found["shipment_id"] is not None:
        label = {
            "shipmentId": found["shipment_id"],
            "carrier": found["carrier"],
            "trackingNumber": found["tracking_number"],
            "shippedAt": found["shipped_at"],
        }
    return {
        "orderId": found["order_id"],
        "state": found["state"],
        "step": found["step"],
        "direction": found["direction"],
        "steps": told_steps(found),
        "failedCalls": told_failures(found["failed_calls"]),
        "waitsFor": waits_for(found, found["now_ms"], known),
        "attempts": found["attempts"],
        "waits": found["waits"],
        "interruptions": found["interruptions"],
        "dueAt": _time(found["due_at_ms"]),
        "workerId": found["worker_id"],
        "epoch": found["epoch"],
        "label": label,
        "error": found["error"],
        "note": found["note"],
        "parked": found["parked_kind"],
        "eventId": found["event_id"],
        "correlationId": found["correlation_id"],
        "traceId": trace_id(found["traceparent"]),
        "orderedAt": found["ordered_at"],
        "receivedAt": found["received_at"],
        "intentAt": found["intent_at"],
        "party": found["party"],
        "closedAt": found["closed_at"],
    }


def _letter(found: RowMapping) -> Document:
    return {
        "id": found["id"],
        "kind": found["kind"],
        "reason": found["reason"],
        "orderId": found["order_id"],
        **_text("key", found["key"]),
        "valueBytes": found["value_bytes"],
        "topic": found["topic"],
        "step": found["step"],
        "partition": found["partition"],
        "offset": found["offset"],
        "attempts": found["attempts"],
        "state": found["state"],
        "outcome": found["outcome"],
        "redrivenAt": found["redriven_at"],
        "published": found["copy_due_ms"] is None,
        "at": found["at"],
    }


def _text(name: str, content: bytes | None) -> Document:
    """The content as text; what is not UTF-8 in base64, under a name of its own."""
    try:
        return {name: None if content is None else content.decode()}
    except UnicodeDecodeError:
        return {f"{name}Base64": b64encode(content or b"").decode()}


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
