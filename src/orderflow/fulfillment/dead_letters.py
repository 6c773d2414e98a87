"""What could not be processed: first a durable row with the original bytes, then a copy on its topic."""

import asyncio
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import cast

import sqlalchemy as sa
import structlog
from pydantic_core import from_json, to_json
from sqlalchemy.engine import RowMapping

from orderflow.database.dialects import has_passed, insert_absent, locked, now_ms
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import attentions
from orderflow.fulfillment.durable import TRANSIENT
from orderflow.fulfillment.holding import within
from orderflow.fulfillment.model import ERROR_CHARS_MAX, TEXT_CHARS_MAX, Park, Shipment, clean
from orderflow.fulfillment.tables import dead_letter_actions, dead_letters
from orderflow.messaging import Headers, Message, Publisher, PublishFailed, Record
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

log = structlog.get_logger()

COPIES_MAX = 100
COPY_BYTES_MAX = 16 * 1024 * 1024
COPY_PAUSE_S = 1.0
COPY_RETRY_MS = 30_000
"""A copy that failed, or whose worker vanished, is tried again after that long."""

PROGRAM = "orderflow"
"""The actor of what nobody asked for."""

_ID_NAMESPACE = uuid.UUID("6f726465-7266-5c6f-8a77-646561640001")


class LetterState(StrEnum):
    """`redriven`: put back on its way and followed until its order is done, then `resolved`. `discarding`:
    the carrier was asked to void, or may have been; from there it can only be discarded."""

    OPEN = "open"
    REDRIVEN = "redriven"
    RESOLVED = "resolved"
    DISCARDING = "discarding"
    DISCARDED = "discarded"


class Action(StrEnum):
    REDRIVE = "redrive"
    FAILED_AGAIN = "failed-again"
    RESOLVE = "resolve"
    DISCARD = "discard"
    DISCARD_REFUSED = "discard-refused"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`id` is a function of the message, so that one that is delivered twice is kept once."""

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

    @property
    def rows(self) -> int:
        return 2


def of_record(
    record: Record, *, kind: str, reason: str, order_id: str | None, at: datetime, attention: bool = True
) -> DeadLetter:
    """A message that can never become a shipment; its order, where one is known, is owed an attention."""
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
    """The carrier's request of a shipment that was given up: one letter, however often that happens."""
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
    )


def _packed(headers: Headers) -> bytes:
    # latin-1 maps every byte to one character and back.
    return to_json([(name, value.decode("latin-1")) for name, value in headers])


def unpacked(headers: bytes) -> Headers:
    pairs = cast("list[tuple[str, str]]", from_json(headers))
    return tuple((name, value.encode("latin-1")) for name, value in pairs)


def insert(tx: Transaction, letters: Sequence[DeadLetter]) -> list[None]:
    """Keep the letters and the attention their orders are owed."""
    by_id = {letter.id: letter for letter in letters}
    for letter in sorted(by_id.values(), key=lambda kept: kept.id):
        _insert(tx, letter)
    owed = {
        letter.order_id: attentions.Attention(letter.order_id, "dead-letter", letter.attention, None)
        for letter in by_id.values()
        if letter.order_id is not None and letter.attention is not None
    }
    attentions.put(tx, list(owed.values()))
    return [None] * len(letters)


def _insert(tx: Transaction, letter: DeadLetter) -> bool:
    """False where it is there already."""
    values = {
        "id": letter.id,
        "kind": letter.kind,
        "reason": letter.reason,
        "order_id": letter.order_id,
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
    """Keep the letter of a shipment, or open it again where the shipment was given up before."""
    if _insert(tx, letter):
        return
    tx.connection.execute(
        sa.update(dead_letters)
        .where(dead_letters.c.id == letter.id)
        .values(
            kind=letter.kind,
            reason=letter.reason,
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
    """Write down what was done with a letter, by whom."""
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


@dataclass(frozen=True, slots=True)
class ClaimCopies:
    rows_max: int

    @property
    def rows(self) -> int:
        return self.rows_max


@dataclass(frozen=True, slots=True)
class Copied:
    id: str


def claim_copies(tx: Transaction, commands: Sequence[ClaimCopies]) -> list[list[RowMapping]]:
    """Letters without a copy; others leave them alone for 30 s."""
    return [_claim_copies(tx, command.rows_max) for command in commands]


def _claim_copies(tx: Transaction, rows_max: int) -> list[RowMapping]:
    size = sa.func.coalesce(sa.func.length(dead_letters.c.value), 0)
    wanting = (
        sa.select(dead_letters.c.id, size)
        .where(
            dead_letters.c.copy_due_ms.is_not(None),
            has_passed(dead_letters.c.copy_due_ms, longest_ms=COPY_RETRY_MS),
        )
        .order_by(dead_letters.c.copy_due_ms)
        .limit(rows_max)
    )
    due = tx.connection.execute(locked(wanting, dead_letters, skip_locked=True))
    ids = within(((letter_id, size) for letter_id, size in due), COPY_BYTES_MAX)
    if not ids:
        return []
    claimed = tx.connection.execute(
        sa.update(dead_letters)
        .where(dead_letters.c.id.in_(ids))
        .values(copy_due_ms=now_ms() + COPY_RETRY_MS)
        .returning(dead_letters)
    )
    return list(claimed.mappings())


def mark_copied(tx: Transaction, copies: Sequence[Copied]) -> list[None]:
    """These are on the dead-letter topic."""
    ids = sorted({copy.id for copy in copies})
    tx.connection.execute(sa.update(dead_letters).where(dead_letters.c.id.in_(ids)).values(copy_due_ms=None))
    return [None] * len(copies)


def message(found: RowMapping, topic: str) -> Message:
    """The copy: original bytes and headers, and why and where it failed."""
    told: dict[str, object] = {
        "reason": f"{found['kind']}: {found['reason']}",
        "topic": found["topic"],
        "partition": found["partition"],
        "offset": found["offset"],
        "attempts": found["attempts"],
    }
    added = tuple((name, str(value).encode()) for name, value in told.items() if value is not None)
    return Message(
        topic=topic,
        key=found["key"],
        value=found["value"],
        headers=unpacked(found["headers"]) + added,
    )


class DeadLetterCopier:
    """Copies dead letters to their topic, at least once, and never forgets one that failed."""

    def __init__(self, writer: GroupCommit, publisher: Publisher, health: Health, *, topic: str) -> None:
        self._writer = writer
        self._publisher = publisher
        self._health = health
        self._topic = topic
        self._is_behind = False
        self.loop = TaskLoop("dead-letters", self._turn, health=health, pause_s=self._pause_s)

    def _pause_s(self) -> float:
        return 0.0 if self._is_behind else COPY_PAUSE_S

    async def _turn(self) -> None:
        self._is_behind = False
        try:
            self._is_behind = await self.run_once() == COPIES_MAX
        except TRANSIENT as error:
            log.debug("dead_letters.copy_waits", reason=str(error))

    async def run_once(self) -> int:
        """Copy what is due; the number of letters that the log took. Raises what the database says."""
        letters = await self._writer.submit_one(claim_copies, ClaimCopies(COPIES_MAX))
        if not letters:
            return 0
        messages = [message(letter, self._topic) for letter in letters]
        outcomes = await asyncio.to_thread(self._publisher.publish, messages)
        copied: list[Copied] = []
        for letter, outcome in zip(letters, outcomes, strict=True):
            if isinstance(outcome, PublishFailed):
                self._health.trouble("dead-letter-topic", outcome.reason)
            else:
                copied.append(Copied(letter["id"]))
        if len(copied) == len(letters):
            self._health.recovered("dead-letter-topic")
        await self._writer.submit(mark_copied, copied)
        return len(copied)
