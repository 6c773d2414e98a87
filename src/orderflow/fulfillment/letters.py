"""Dead letters: a durable row each, with the original bytes, and what was done with it."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import cast

import sqlalchemy as sa
from pydantic_core import from_json, to_json

from orderflow.contracts.traceparent import parse_traceparent, span_id, trace_id
from orderflow.database.dialects import insert_absent, now_ms
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import attentions
from orderflow.fulfillment.model import ERROR_CHARS_MAX, TEXT_CHARS_MAX, Park, Shipment, clean
from orderflow.fulfillment.tables import dead_letter_actions, dead_letters
from orderflow.messaging import Headers, Record
from orderflow.runtime.telemetry.metrics import dead_letter

PROGRAM = "orderflow"
"""The actor of what the program does unasked."""

_ID_NAMESPACE = uuid.UUID("6f726465-7266-5c6f-8a77-646561640001")


class LetterState(StrEnum):
    """`redriven`: processing was resumed, and is followed until the order is done; then it is `resolved`.
    `discarding`: a discard has begun, and the carrier may have voided something; unless it certainly has not,
    the letter can only be discarded."""

    OPEN = "open"
    REDRIVEN = "redriven"
    RESOLVED = "resolved"
    DISCARDING = "discarding"
    DISCARDED = "discarded"


SETTLED = (LetterState.RESOLVED, LetterState.DISCARDED)
"""Nobody has to do with such a letter any more."""


class Action(StrEnum):
    REDRIVE = "redrive"
    FAILED_AGAIN = "failed-again"
    RESOLVE = "resolve"
    DISCARD = "discard"
    DISCARD_REFUSED = "discard-refused"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`id` is computed from the message, so one that is delivered twice is kept once."""

    id: str
    kind: str
    reason: str
    order_id: str | None
    topic: str | None
    partition: int | None
    offset: int | None
    key: bytes | None
    value: bytes | None
    headers: bytes
    attempts: int
    at: datetime
    attention: str | None = None
    step: str | None = None
    """The step that was given up, for example `ship` or `undo authorize`."""

    @property
    def rows(self) -> int:
        return 2


def of_record(
    record: Record, *, kind: str, reason: str, order_id: str | None, at: datetime, attention: bool = True
) -> DeadLetter:
    """A message that could not become a shipment. With `attention`, its order is to tell a person, if
    known."""
    value = hashlib.sha256(record.value or b"").hexdigest()
    place = f"{record.topic}/{record.partition}/{record.offset}/{record.timestamp_ms}/{value}"
    return DeadLetter(
        id=str(uuid.uuid5(_ID_NAMESPACE, place)),
        kind=kind,
        reason=clean(reason, ERROR_CHARS_MAX) or kind,
        order_id=order_id,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=_packed(record.headers),
        attempts=1,
        at=at,
        attention=f"Fulfillment could not process an event of this order ({kind}); see its dead letters."
        if attention
        else None,
    )


def of_shipment(shipment: Shipment, park: Park, at: datetime) -> DeadLetter:
    """The carrier's request of a shipment that was given up. It has one letter, however often that
    happens."""
    return DeadLetter(
        id=str(uuid.uuid5(_ID_NAMESPACE, f"{shipment.order_id}/shipment")),
        kind=park.kind,
        reason=park.note,
        order_id=shipment.order_id,
        topic=None,
        partition=None,
        offset=None,
        key=shipment.order_id.encode(),
        value=shipment.request,
        headers=_packed((("correlation-id", shipment.correlation_id.encode()),)),
        attempts=shipment.attempts,
        at=at,
        step=f"{'undo ' if shipment.undoing else ''}{shipment.step}",
    )


def _packed(headers: Headers) -> bytes:
    # latin-1 maps every byte to one character and back.
    return to_json([(name, value.decode("latin-1")) for name, value in headers])


def unpacked(headers: bytes) -> Headers:
    pairs = cast("list[tuple[str, str]]", from_json(headers))
    return tuple((name, value.encode("latin-1")) for name, value in pairs)


def ids_of(letter: DeadLetter) -> dict[str, str | None]:
    """What a log line about the letter has in common with others about its order; from the headers, for the
    body may not be readable."""
    headers = dict(unpacked(letter.headers))
    correlation_id = headers.get("correlation-id", b"").decode("utf-8", "replace")
    traceparent = parse_traceparent(headers.get("traceparent"))
    return {
        "order_id": letter.order_id,
        "correlation_id": clean(correlation_id, TEXT_CHARS_MAX) or None,
        "trace_id": trace_id(traceparent),
        "span_id": span_id(traceparent),
    }


def insert(tx: Transaction, letters: Sequence[DeadLetter]) -> list[None]:
    """Store the letters, and the attentions that tell their orders to ask for a person."""
    by_id = {letter.id: letter for letter in letters}
    for letter in sorted(by_id.values(), key=lambda kept: kept.id):
        if _insert(tx, letter):
            tx.after_commit(partial(dead_letter, letter.kind))
    owed = {
        letter.order_id: attentions.Attention(letter.order_id, "dead-letter", letter.attention, None)
        for letter in by_id.values()
        if letter.order_id is not None and letter.attention is not None
    }
    attentions.put(tx, list(owed.values()))
    return [None] * len(letters)


def _insert(tx: Transaction, letter: DeadLetter) -> bool:
    """False if the letter exists already."""
    values = {
        "id": letter.id,
        "kind": letter.kind,
        "reason": letter.reason,
        "order_id": letter.order_id,
        "step": letter.step,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": letter.key,
        "value": letter.value,
        "headers": letter.headers,
        "attempts": letter.attempts,
        "at": letter.at,
        "state": LetterState.OPEN,
        "copy_due_ms": now_ms(),
    }
    return insert_absent(tx.connection, dead_letters, values)


def give_up(tx: Transaction, letter: DeadLetter) -> None:
    """Store the letter of a shipment, or reopen it if the shipment was given up before."""
    tx.after_commit(partial(dead_letter, letter.kind))
    if _insert(tx, letter):
        return
    tx.connection.execute(
        sa.update(dead_letters)
        .where(dead_letters.c.id == letter.id)
        .values(
            kind=letter.kind,
            reason=letter.reason,
            step=letter.step,
            attempts=letter.attempts,
            state=LetterState.OPEN,
            outcome=None,
            copy_due_ms=now_ms(),
        )
    )
    record(tx, letter.id, Action.FAILED_AGAIN, actor=PROGRAM, note=letter.reason, at=letter.at)


def record(
    tx: Transaction, letter_id: str, action: Action, *, actor: str, note: str | None, at: datetime
) -> None:
    """Record what was done with a letter, and by whom."""
    tx.connection.execute(
        sa.insert(dead_letter_actions).values(
            id=str(uuid.uuid4()),
            letter_id=letter_id,
            at=at,
            actor=clean(actor, TEXT_CHARS_MAX),
            action=action,
            note=None if note is None else clean(note, ERROR_CHARS_MAX),
        )
    )
