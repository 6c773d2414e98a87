"""What the Fulfillment Service archives: shipments that were closed long ago with the ids of their events,
dead letters that were settled with what was done about them, and redrives that have ended."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.archive import Archive
from orderflow.database.archiving import Archiver, Found, Kind, Purge, Rows, rows_of, still_going
from orderflow.database.dialects import ids_parameter, one_of
from orderflow.database.engine import Database
from orderflow.database.group_commit import GroupCommit
from orderflow.database.steps import window
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.letters import SETTLED
from orderflow.fulfillment.model import State
from orderflow.fulfillment.tables import (
    attentions,
    dead_letter_actions,
    dead_letters,
    processed_events,
    redrives,
    reservations,
    shipments,
)
from orderflow.runtime.ids import first_uuid7

TABLES = (processed_events, shipments, dead_letter_actions, dead_letters, redrives)
"""What archives have rows of."""
LETTERS_A_STEP_MAX = 8
"""That are archived; more are looked at. Each may have 4 MiB."""


class Archived(NamedTuple):
    """Where closed shipments go, and after how many seconds."""

    archive: Archive
    after_s: float


def archivers(
    database: Database, writer: GroupCommit, archived: Archived | None, clock: Callable[[], datetime]
) -> list[Archiver]:
    """The one that is to run; none if everything is kept."""
    if archived is None:
        return []
    kinds_of = kinds(shipments_s=archived.after_s)
    return [Archiver(database, writer, archived.archive, kinds_of, clock=clock)]


def kinds(*, shipments_s: float) -> list[Kind]:
    """What is archived after so many seconds. A dead letter goes after its order's shipment, because it says
    why that is as it is."""
    return [
        Kind("shipments", shipments_s, _find_shipments, _shipment_rows, _purge_shipments),
        Kind("letters", shipments_s, _find_letters, _letter_rows, _purge_letters),
        Kind("redrives", shipments_s, _find_redrives, _redrive_rows, _purge_redrives),
    ]


def _may_go(before: datetime) -> list[sa.ColumnElement[bool]]:
    """Nothing is owed to its order, nothing is reserved for it, and nobody is to look at it."""
    of_order = shipments.c.order_id
    return [
        shipments.c.state == State.CLOSED,
        shipments.c.closed_at < before,
        ~sa.exists().where(attentions.c.order_id == of_order),
        ~sa.exists().where(reservations.c.order_id == of_order),
        ~sa.exists().where(dead_letters.c.order_id == of_order, dead_letters.c.state.not_in(SETTLED)),
    ]


def _find_shipments(connection: Connection, behind: str, before: datetime, rows: int) -> Found:
    """No shipment is closed before its order is created, and the order's id begins with the time of that."""
    key = shipments.c.order_id
    conditions, last = window(connection, key, behind, rows, key < first_uuid7(before))
    wanted = sa.select(key).where(*conditions, *_may_go(before)).order_by(key)
    return Found(list(connection.scalars(wanted)), last)


_EVENTS_OF = sa.select(shipments.c.event_id).where(one_of(shipments.c.order_id, "ids"))


def _shipment_rows(connection: Connection, order_ids: Sequence[str]) -> Rows:
    events = sa.select(processed_events).where(processed_events.c.event_id.in_(_EVENTS_OF))
    return [
        *((processed_events, row) for row in connection.execute(events, ids_parameter(order_ids)).mappings()),
        *rows_of(connection, shipments, shipments.c.order_id, order_ids),
    ]


def _purge_shipments(tx: Transaction, commands: Sequence[Purge]) -> list[int]:
    # What was deleted is not found again, so this and the others may be repeated after a lost COMMIT.
    return [_purge_closed(tx, command) for command in commands]


def _purge_closed(tx: Transaction, command: Purge) -> int:
    going = still_going(tx, shipments.c.order_id, command.ids, _may_go(command.before))
    events = sa.delete(processed_events).where(processed_events.c.event_id.in_(_EVENTS_OF))
    closed = sa.delete(shipments).where(one_of(shipments.c.order_id, "ids"))
    for statement in (events, closed):
        tx.connection.execute(statement, ids_parameter(going))
    return len(going)


def _letter_may_go(before: datetime) -> list[sa.ColumnElement[bool]]:
    """It is settled, its copy is on the topic, and its order has no shipment any more."""
    return [
        dead_letters.c.state.in_(SETTLED),
        dead_letters.c.at < before,
        dead_letters.c.copy_due_ms.is_(None),
        ~sa.exists().where(shipments.c.order_id == dead_letters.c.order_id),
    ]


def _find_letters(connection: Connection, behind: str, before: datetime, rows: int) -> Found:
    key = dead_letters.c.id
    conditions, last = window(connection, key, behind, rows)
    wanted = sa.select(key).where(*conditions, *_letter_may_go(before)).order_by(key)
    found = list(connection.scalars(wanted.limit(LETTERS_A_STEP_MAX)))
    return Found(found, found[-1] if len(found) == LETTERS_A_STEP_MAX else last)


def _letter_rows(connection: Connection, letter_ids: Sequence[str]) -> Rows:
    return [
        *rows_of(connection, dead_letter_actions, dead_letter_actions.c.letter_id, letter_ids),
        *rows_of(connection, dead_letters, dead_letters.c.id, letter_ids),
    ]


def _purge_letters(tx: Transaction, commands: Sequence[Purge]) -> list[int]:
    return [_purge_settled(tx, command) for command in commands]


def _purge_settled(tx: Transaction, command: Purge) -> int:
    going = still_going(tx, dead_letters.c.id, command.ids, _letter_may_go(command.before))
    actions = sa.delete(dead_letter_actions).where(one_of(dead_letter_actions.c.letter_id, "ids"))
    settled = sa.delete(dead_letters).where(one_of(dead_letters.c.id, "ids"))
    for statement in (actions, settled):
        tx.connection.execute(statement, ids_parameter(going))
    return len(going)


def _ended(before: datetime) -> list[sa.ColumnElement[bool]]:
    """A redrive never runs again, and no letter names it as the one that follows it."""
    followed = sa.exists().where(
        dead_letters.c.redrive_id == redrives.c.id, dead_letters.c.state.not_in(SETTLED)
    )
    return [redrives.c.state != "running", redrives.c.ended_at < before, ~followed]


def _find_redrives(connection: Connection, behind: str, before: datetime, rows: int) -> Found:
    key = redrives.c.id
    conditions, last = window(connection, key, behind, rows)
    return Found(list(connection.scalars(sa.select(key).where(*conditions, *_ended(before)))), last)


def _redrive_rows(connection: Connection, ids: Sequence[str]) -> Rows:
    return rows_of(connection, redrives, redrives.c.id, ids)


def _purge_redrives(tx: Transaction, commands: Sequence[Purge]) -> list[int]:
    return [
        tx.connection.execute(
            sa.delete(redrives).where(one_of(redrives.c.id, "ids"), *_ended(command.before)),
            ids_parameter(command.ids),
        ).rowcount
        for command in commands
    ]
