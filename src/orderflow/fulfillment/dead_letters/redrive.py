"""Redrives dead letters: one, or a group at a limited rate, which stops by itself when they fail again.

A shipment that was given up goes on where it stopped; an event is processed again from its original bytes.
Either is followed until its order is done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import RowMapping

from orderflow.contracts.order_events import InvalidEvent
from orderflow.database.dialects import Failure, classify, has_passed, insert_absent, locked, now_ms
from orderflow.database.engine import reason
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import attentions, cancellation, lease
from orderflow.fulfillment.claims import shipment_of
from orderflow.fulfillment.decisions import party_changed
from orderflow.fulfillment.event_handlers import Receive, received
from orderflow.fulfillment.inbox import CONFLICTING_EVENT, Received, receive
from orderflow.fulfillment.letters import PROGRAM, Action, LetterState, record, unpacked
from orderflow.fulfillment.model import ERROR_CHARS_MAX, NOBODY, State, Step, clean
from orderflow.fulfillment.tables import dead_letters as letters
from orderflow.fulfillment.tables import redrives, shipments
from orderflow.fulfillment.until_written import TRANSIENT
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

log = structlog.get_logger()

RATE_PER_S_MAX = 100
FAILURES_IN_A_ROW_MAX = 3
UNDECIDED_MAX = 100
"""A group's redrive pauses while so many of its letters have neither succeeded nor failed yet."""
STEP_MS = 1_000
FOLLOWED_MAX = 500
PAUSE_S = 1.0
LOOP = "redrives"


class Redriven(Enum):
    BACK = "on its way"
    FAILED = "failed again at once"
    NOT_OPEN = "not open"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Redrive:
    """`redrive_id` names the group's redrive that this belongs to, if any."""

    letter_id: str
    actor: str
    at: datetime
    redrive_id: str | None = None

    @property
    def rows(self) -> int:
        return 4


def redrive(tx: Transaction, commands: Sequence[Redrive]) -> list[tuple[Redriven, str]]:
    """Redrive each letter; if that is not possible, say why."""
    # Repeating this is safe: a letter that is redriven already counts as a success.
    return [_redrive(tx, command) for command in commands]


def _redrive(tx: Transaction, command: Redrive) -> tuple[Redriven, str]:
    letter = lock(tx, command.letter_id)
    if letter is None:
        return Redriven.UNKNOWN, "There is no such dead letter."
    if letter["state"] == LetterState.REDRIVEN:
        return Redriven.BACK, ""
    if letter["state"] != LetterState.OPEN:
        return Redriven.NOT_OPEN, f"The dead letter is {letter['state']}."
    values: dict[str, Any] = {"redriven_at": command.at, "redrive_id": command.redrive_id}
    record(tx, command.letter_id, Action.REDRIVE, actor=command.actor, note=None, at=command.at)
    failure, order_id = _try(tx, letter, command.at)
    if failure is None:
        values |= {"state": LetterState.REDRIVEN, "order_id": order_id}
    else:
        values |= {"attempts": letters.c.attempts + 1}
        record(tx, command.letter_id, Action.FAILED_AGAIN, actor=PROGRAM, note=failure, at=command.at)
    tx.connection.execute(sa.update(letters).where(letters.c.id == command.letter_id).values(values))
    return (Redriven.BACK, "") if failure is None else (Redriven.FAILED, failure)


def lock(tx: Transaction, letter_id: str) -> RowMapping | None:
    """The letter, locked: nobody else changes it before this transaction ends. None if there is none."""
    found = tx.connection.execute(locked(sa.select(letters).where(letters.c.id == letter_id), letters))
    return found.mappings().first()


def _try(tx: Transaction, letter: RowMapping, at: datetime) -> tuple[str | None, str | None]:
    """Why the letter cannot go on (None if it can), and its order, if known. If the database will never take
    it, that is this letter's failure alone: others in the transaction go on."""
    try:
        with tx.savepoint():
            if letter["topic"] is None:
                return _put_back(tx, letter["order_id"]), letter["order_id"]
            return _process(tx, letter, at)
    except Exception as error:
        if classify(error) not in (Failure.DATA, Failure.DEFECT):
            raise
        log.warning("redrive.impossible", letter_id=letter["id"], reason=reason(error))
        return reason(error), letter["order_id"]


def _put_back(tx: Transaction, order_id: str) -> str | None:
    """The shipment goes on where it was parked, with a whole new schedule of retries. Returns why not: it is
    not parked, or there are live workers and none can ask the carrier that may have it."""
    c = shipments.c
    undoing = c.direction == "undo"
    where_it_stood = sa.case(
        (sa.and_(undoing, c.step != Step.STOCK), State.READY),
        (sa.and_(undoing, c.error.is_not(None)), State.REJECTED),
        (undoing, State.CANCELLED),
        (c.step == Step.CAPTURE, State.READY),
        (c.shipment_id.is_not(None), State.SHIPPED),
        (sa.and_(c.error.is_not(None), c.intent_at.is_not(None)), State.REJECTED),
        (sa.or_(c.intent_at.is_not(None), c.ended.is_not(None)), State.READY),
        else_=State.RECEIVED,
    )
    parked = sa.and_(c.order_id == order_id, c.state == State.PARKED)
    stood = sa.select(shipments, where_it_stood.label("stood")).where(parked)
    found = tx.connection.execute(locked(stood, shipments)).mappings().first()
    if found is not None and found["stood"] == State.READY and found["party"] is not None:
        reachable = lease.reachable_parties(tx)
        if reachable and found["party"] not in reachable:
            return party_changed(shipment_of(found, NOBODY)).note
    put = tx.connection.execute(
        sa.update(shipments)
        .where(parked)
        .values(
            state=where_it_stood,
            waits=0,
            interruptions=0,
            parked_kind=None,
            note=None,
            due_at_ms=now_ms(),
        )
        .returning(c.order_id)
    )
    if put.first() is None:
        return "its shipment is not parked"
    attentions.forget(tx, order_id)
    return None


def _process(tx: Transaction, letter: RowMapping, at: datetime) -> tuple[str | None, str | None]:
    """Why the event cannot be processed this time either (None if it can), and its order, if known."""
    try:
        command = received(letter["value"], unpacked(letter["headers"]), NOBODY, at)
    except InvalidEvent as error:
        return f"{error.kind}: {error}", letter["order_id"]
    if not isinstance(command, Receive):
        cancellation.request(tx, [command])
        return None, command.order_id
    if receive(tx, [command])[0] is Received.CONFLICTING:
        return "its order has a shipment already, with other content", letter["order_id"]
    return None, command.shipment.order_id


@dataclass(frozen=True, slots=True)
class StartRedrive:
    """Asks to redrive all open letters of a kind, or only those with exactly this reason if one is given."""

    id: str
    kind: str
    reason: str | None
    rate_per_s: int
    actor: str
    at: datetime


def start(tx: Transaction, commands: Sequence[StartRedrive]) -> list[bool]:
    """Start these redrives; False if one of the same kind is running already."""
    return [_start(tx, command) for command in commands]


def _start(tx: Transaction, command: StartRedrive) -> bool:
    values = {
        "id": command.id,
        "kind": command.kind,
        "reason": command.reason,
        "rate_per_s": command.rate_per_s,
        "actor": command.actor,
        "state": "running",
        "redriven": 0,
        "started_at": command.at,
        "step_due_ms": now_ms(),
    }
    insert_absent(tx.connection, redrives, values)
    return (
        tx.connection.execute(sa.select(redrives.c.id).where(redrives.c.id == command.id)).first() is not None
    )


@dataclass(frozen=True, slots=True)
class StopRedrive:
    id: str
    actor: str
    at: datetime


def stop(tx: Transaction, commands: Sequence[StopRedrive]) -> list[bool]:
    """End these redrives; False for one that is not running. The letters that it has redriven go on."""
    return [_end(tx, c.id, "stopped", f"stopped by {c.actor}", c.at) for c in commands]


def _end(tx: Transaction, redrive_id: str, state: str, note: str, at: datetime) -> bool:
    ended = tx.connection.execute(
        sa.update(redrives)
        .where(redrives.c.id == redrive_id, redrives.c.state == "running")
        .values(state=state, note=note, ended_at=at)
    )
    return ended.rowcount > 0


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
        done.append(sum(_step(tx, found, command.at) for found in _due(tx)))
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
            letters.c.state.not_in((LetterState.RESOLVED, LetterState.DISCARDED)),
        )
    )
    for order_id in sorted(order_ids - set(asking.scalars())):
        attentions.clear(tx, order_id)


def _due(tx: Transaction) -> Sequence[RowMapping]:
    due = (
        sa.select(redrives)
        .where(redrives.c.state == "running", has_passed(redrives.c.step_due_ms, longest_ms=STEP_MS))
        .order_by(redrives.c.id)
    )
    return tx.connection.execute(locked(due, redrives, skip_locked=True)).mappings().all()


def _step(tx: Transaction, group: RowMapping, at: datetime) -> int:
    """Redrive one second's worth of the group, and return the number of letters."""
    undecided, failures = _so_far(tx, group["id"])
    wanted = sa.select(letters.c.id).where(
        letters.c.kind == group["kind"],
        letters.c.state == LetterState.OPEN,
        letters.c.at <= group["started_at"],
        sa.or_(letters.c.redrive_id.is_(None), letters.c.redrive_id != group["id"]),
    )
    if group["reason"] is not None:
        wanted = wanted.where(letters.c.reason == group["reason"])
    room = min(group["rate_per_s"], UNDECIDED_MAX - undecided)
    ids = (
        tx.connection.execute(wanted.order_by(letters.c.at, letters.c.id).limit(max(1, room))).scalars().all()
    )
    count = 0
    for letter_id in ids[: max(0, room)]:
        if failures >= FAILURES_IN_A_ROW_MAX:
            break
        result, _ = _redrive(tx, Redrive(letter_id, group["actor"], at, group["id"]))
        failures = failures + 1 if result is Redriven.FAILED else failures
        count += 1
    tx.connection.execute(
        sa.update(redrives)
        .where(redrives.c.id == group["id"])
        .values(redriven=redrives.c.redriven + count, step_due_ms=now_ms() + STEP_MS)
    )
    if failures >= FAILURES_IN_A_ROW_MAX:
        note = f"stopped by itself: {failures} redriven items in a row failed again"
        _end(tx, group["id"], "stopped", note, at)
        log.warning("redrive.stopped", redrive_id=group["id"], kind=group["kind"], reason=note)
    elif not ids and undecided == 0:
        _end(tx, group["id"], "done", "every item has its outcome", at)
    return count


def _so_far(tx: Transaction, redrive_id: str) -> tuple[int, int]:
    """How many letters are undecided, and how many of those decided last failed in a row.

    A letter counts as failed once its first round of calls has failed: the durable schedule goes on after
    that, but its end is too far away to wait for.
    """
    c = shipments.c
    latest = tx.connection.execute(
        sa.select(letters.c.state, c.state.label("shipment_state"), c.waits)
        .outerjoin(shipments, c.order_id == letters.c.order_id)
        .where(letters.c.redrive_id == redrive_id)
        .order_by(letters.c.redriven_at.desc(), letters.c.at.desc(), letters.c.id.desc())
        .limit(2 * UNDECIDED_MAX)
    ).all()
    undecided = failures = 0
    in_a_row = True
    for item in latest:
        if item.state == LetterState.OPEN:
            failures += in_a_row  # whatever happened to a shipment that its order had before
        elif item.state == LetterState.RESOLVED or item.shipment_state == State.CLOSED:
            in_a_row = False
        elif item.shipment_state == State.PARKED or (item.waits or 0) > 0:
            failures += in_a_row
        else:
            undecided += 1
    return undecided, failures


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
