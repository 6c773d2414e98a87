"""Redrives a group of dead letters at a limited rate, and in stages if asked for. It is a row, which any
worker goes on with; it stops by itself when letters fail again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import RowMapping

from orderflow.database.dialects import has_passed, insert_absent, locked, now_ms
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven, redrive_one
from orderflow.fulfillment.letters import LetterState
from orderflow.fulfillment.model import State
from orderflow.fulfillment.redrive_stages import Outcome, failures_in_a_row, stage_failure, stage_room
from orderflow.fulfillment.tables import dead_letters as letters
from orderflow.fulfillment.tables import redrives, shipments

log = structlog.get_logger()

RATE_PER_S_MAX = 100
FAILURES_IN_A_ROW_MAX = 3
UNDECIDED_MAX = 100
"""A redrive pauses while so many of its letters have neither succeeded nor failed yet."""
STEP_MS = 1_000


@dataclass(frozen=True, slots=True)
class StartRedrive:
    """Asks to redrive all open letters of a kind, or only those with exactly this reason if one is given."""

    id: str
    kind: str
    reason: str | None
    rate_per_s: int
    actor: str
    at: datetime
    staged: bool = False


def start(tx: Transaction, commands: Sequence[StartRedrive]) -> list[bool]:
    """Start these redrives; False if one of the same kind is running already."""
    return [_start(tx, command) for command in commands]


def _start(tx: Transaction, command: StartRedrive) -> bool:
    there = sa.select(sa.func.count()).where(*_open(command.kind, command.reason, command.at))
    values = {
        "id": command.id,
        "kind": command.kind,
        "reason": command.reason,
        "rate_per_s": command.rate_per_s,
        "staged": command.staged,
        "letters": there.scalar_subquery(),
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


def _open(kind: str, reason: str | None, before: datetime) -> list[sa.ColumnElement[bool]]:
    """The conditions for letters that such a redrive has to do with."""
    wanted = [letters.c.kind == kind, letters.c.state == LetterState.OPEN, letters.c.at <= before]
    return wanted if reason is None else [*wanted, letters.c.reason == reason]


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


def advance(tx: Transaction, at: datetime) -> int:
    """Do a step of every redrive that is due. Returns the number of letters that were redriven."""
    due = (
        sa.select(redrives)
        .where(redrives.c.state == "running", has_passed(redrives.c.step_due_ms, longest_ms=STEP_MS))
        .order_by(redrives.c.id)
    )
    found = tx.connection.execute(locked(due, redrives, skip_locked=True)).mappings().all()
    return sum(_step(tx, group, at) for group in found)


def _step(tx: Transaction, group: RowMapping, at: datetime) -> int:
    """Redrive one second's worth of the group, and return the number of letters."""
    outcomes = _outcomes(tx, group["id"])
    undecided, failures = outcomes.count(Outcome.UNDECIDED), failures_in_a_row(outcomes)
    room = min(group["rate_per_s"], UNDECIDED_MAX - undecided)
    if group["staged"]:
        if failed := stage_failure(group["redriven"], outcomes):
            return _stopped(tx, group, failed, at)
        room = min(room, stage_room(group["redriven"], outcomes))
    wanted = sa.select(letters.c.id).where(
        *_open(group["kind"], group["reason"], group["started_at"]),
        sa.or_(letters.c.redrive_id.is_(None), letters.c.redrive_id != group["id"]),
    )
    ids = (
        tx.connection.execute(wanted.order_by(letters.c.at, letters.c.id).limit(max(1, room))).scalars().all()
    )
    count = 0
    for letter_id in ids[: max(0, room)]:
        if failures >= FAILURES_IN_A_ROW_MAX:
            break
        result, _ = redrive_one(tx, Redrive(letter_id, group["actor"], at, group["id"]))
        failures = failures + 1 if result is Redriven.FAILED else failures
        count += 1
    tx.connection.execute(
        sa.update(redrives)
        .where(redrives.c.id == group["id"])
        .values(redriven=redrives.c.redriven + count, step_due_ms=now_ms() + STEP_MS)
    )
    if failures >= FAILURES_IN_A_ROW_MAX:
        _stopped(tx, group, f"{failures} redriven items in a row failed again", at)
    elif not ids and undecided == 0:
        _end(tx, group["id"], "done", "every item has its outcome", at)
    return count


def _stopped(tx: Transaction, group: RowMapping, why: str, at: datetime) -> int:
    note = f"stopped by itself: {why}"
    _end(tx, group["id"], "stopped", note, at)
    log.warning("redrive.stopped", redrive_id=group["id"], kind=group["kind"], reason=note)
    return 0


def _outcomes(tx: Transaction, redrive_id: str) -> list[Outcome]:
    """Of the letters redriven last, the newest first.

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
    )
    return [_outcome(item) for item in latest]


def _outcome(item: Any) -> Outcome:
    if item.state == LetterState.OPEN:
        return Outcome.FAILED  # whatever happened to a shipment that its order had before
    if item.state == LetterState.RESOLVED or item.shipment_state == State.CLOSED:
        return Outcome.SUCCEEDED
    if item.shipment_state == State.PARKED or (item.waits or 0) > 0:
        return Outcome.FAILED
    return Outcome.UNDECIDED
