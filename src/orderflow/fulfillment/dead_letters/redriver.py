"""The loop that follows redriven letters until their orders are done, and goes on with groups' redrives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog

from orderflow.database.dialects import locked
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import attentions
from orderflow.fulfillment.dead_letters import group_redrive
from orderflow.fulfillment.inbox import CONFLICTING_EVENT
from orderflow.fulfillment.letters import PROGRAM, SETTLED, Action, LetterState, record
from orderflow.fulfillment.model import ERROR_CHARS_MAX, State, Step, clean
from orderflow.fulfillment.tables import dead_letters as letters
from orderflow.fulfillment.tables import shipments
from orderflow.fulfillment.until_written import TRANSIENT
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

log = structlog.get_logger()

FOLLOWED_MAX = 500
PAUSE_S = 1.0
LOOP = "redrives"


@dataclass(frozen=True, slots=True)
class TakeStep:
    at: datetime

    @property
    def rows(self) -> int:
        return FOLLOWED_MAX


def step(tx: Transaction, commands: Sequence[TakeStep]) -> list[int]:
    """Resolve letters whose orders are done, and do a step of every group's redrive that is due. Returns the
    number of letters that were redriven."""
    # Repeating this is safe: a step that was made is not due again.
    done: list[int] = []
    for command in commands:
        _follow(tx, command.at)
        done.append(group_redrive.advance(tx, command.at))
    return done


def _follow(tx: Transaction, at: datetime) -> None:
    c = shipments.c
    done = (
        sa.select(
            letters.c.id,
            letters.c.kind,
            letters.c.topic,
            letters.c.step,
            c.order_id,
            c.shipment_id,
            c.direction,
            c.error,
            c.note,
        )
        .join(shipments, c.order_id == letters.c.order_id)
        .where(letters.c.state == "redriven", c.state == State.CLOSED)
        .order_by(letters.c.id)
        .limit(FOLLOWED_MAX)
    )
    finished = tx.connection.execute(locked(done, letters, skip_locked=True)).all()
    for found in finished:
        outcome = _outcome(found)
        tx.connection.execute(
            sa.update(letters)
            .where(letters.c.id == found.id)
            .values(state=LetterState.RESOLVED, outcome=outcome)
        )
        record(tx, found.id, Action.RESOLVE, actor=PROGRAM, note=outcome, at=at)
    events = [found for found in finished if found.topic is not None and found.kind != CONFLICTING_EVENT]
    if events:
        _clear_attentions(tx, {found.order_id for found in events})
    for found in finished:
        if found.step == Step.CAPTURE:  # its order had ended before it asked for a person
            attentions.clear(tx, found.order_id)


def _outcome(shipment: Any) -> str | None:
    if shipment.shipment_id and shipment.direction == "do":
        return "Shipped"
    if shipment.error:
        return clean(f"Failed: {shipment.error}", ERROR_CHARS_MAX)
    if shipment.direction == "undo":
        return "Cancelled"
    return None if shipment.note is None else clean(shipment.note, ERROR_CHARS_MAX)


def _clear_attentions(tx: Transaction, order_ids: set[str]) -> None:
    """Orders whose events are resolved no longer ask for a person, unless other events of theirs do. An order
    may have ended before its event became a dead letter: then nothing else takes the attention away."""
    asking = tx.connection.execute(
        sa.select(letters.c.order_id).where(
            letters.c.order_id.in_(sorted(order_ids)),
            letters.c.topic.is_not(None),
            letters.c.kind != CONFLICTING_EVENT,
            letters.c.state.not_in(SETTLED),
        )
    )
    for order_id in sorted(order_ids - set(asking.scalars())):
        attentions.clear(tx, order_id)


class Redriver:
    """Follows redriven letters and does the steps of groups' redrives; any worker may do any step."""

    def __init__(self, writer: GroupCommit, health: Health, *, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._clock = clock
        self.loop = TaskLoop(LOOP, self._turn, health=health, pause_s=lambda: PAUSE_S)

    async def _turn(self) -> None:
        try:
            await self.run_once()
        except TRANSIENT as error:
            log.debug("redrives.wait", reason=str(error))

    async def run_once(self) -> int:
        """Do what is due, and return the number of letters redriven. Raises the database's errors."""
        return await self._writer.submit_one(step, TakeStep(self._clock()))
