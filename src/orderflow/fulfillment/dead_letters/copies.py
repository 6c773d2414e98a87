"""Each dead letter has a copy on a topic, for whoever reads there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import RowMapping

from orderflow.database.dialects import has_passed, locked, now_ms
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.capacity import within
from orderflow.fulfillment.letters import unpacked
from orderflow.fulfillment.tables import dead_letters
from orderflow.fulfillment.until_written import TRANSIENT
from orderflow.messaging import Message, Publisher, PublishFailed
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

log = structlog.get_logger()

COPIES_MAX = 100
COPY_BYTES_MAX = 16 * 1024 * 1024
COPY_PAUSE_S = 1.0
COPY_RETRY_MS = 30_000
"""A copy that failed, or whose worker vanished, is tried again after that long."""


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
    due = tx.connection.execute(locked(wanting, dead_letters, skip_locked=True)).all()
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
