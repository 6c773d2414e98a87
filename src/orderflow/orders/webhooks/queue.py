"""What an endpoint has not taken at once: messages that are tried again, those that wait for an earlier one
of their order, and dead letters.

Only these are rows; a message that is taken at its first attempt is none. The endpoint's position and its
rows change in one transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.engine import Connection

from orderflow.contracts.instants import utc_text
from orderflow.database import bulk
from orderflow.database.dialects import ids_parameter, locked, one_of
from orderflow.database.transaction import Transaction
from orderflow.orders.commands import ROW_LOCK_TIMEOUT_MS
from orderflow.orders.tables import webhook_messages, webhooks
from orderflow.orders.webhooks.messages import message_id

WAITING_MAX = 1_000
"""No more changes are looked at for an endpoint that has so many messages waiting."""
REDRIVEN_ROWS_MAX = 1_000


class Message(NamedTuple):
    """A message, and when it is tried next."""

    position: int
    order_id: str
    order_version: int
    payload: str
    attempts: int
    due_at: datetime
    reason: str | None = None
    dead_at: datetime | None = None

    @property
    def id(self) -> str:
        return message_id(self.order_id, self.order_version)


class Record(NamedTuple):
    """What became of a round: the position that it began at, the endpoint's new state, the positions of rows
    that were taken, and the rows that are new or have changed."""

    endpoint_id: str
    owner: str
    began_at: int
    position: int
    missed: int
    failing_since: datetime | None
    last_error: str | None
    taken: Sequence[int]
    kept: Sequence[Message]

    @property
    def rows(self) -> int:
        return 1 + len(self.taken) + len(self.kept)


class Redrive(NamedTuple):
    """Asks for a step: try the next messages of an endpoint now, from `position` on."""

    endpoint_id: str
    position: int = 0

    @property
    def rows(self) -> int:
        return REDRIVEN_ROWS_MAX


class Letter(NamedTuple):
    """A dead letter."""

    endpoint_id: str
    position: int


class Redriven(NamedTuple):
    """`position` is where the next step begins; None when there is nothing more."""

    rows: int
    position: int | None


def waiting(connection: Connection, endpoint_id: str) -> list[Message]:
    """What waits for an endpoint, WAITING_MAX messages at most, in the order of positions."""
    return [Message(*row) for row in connection.execute(_WAITING, {"endpoint": endpoint_id})]


def due(connection: Connection, owner: str, at: datetime) -> set[str]:
    """The endpoints of this process for which something that waits is due."""
    return set(connection.scalars(_DUE, {"owner": owner, "at": at}))


def record(tx: Transaction, commands: Sequence[Record]) -> list[bool]:
    """Write what became of the messages. False, and nothing is written, where the endpoint was removed, or
    another process has it or had it since the round began."""
    # Recording twice changes nothing, so this may be repeated after a lost COMMIT.
    ids = sorted({command.endpoint_id for command in commands})
    found = {row.endpoint_id: row for row in tx.connection.execute(_OWNERS, ids_parameter(ids))}
    valid = [_is_valid(command, found.get(command.endpoint_id)) for command in commands]
    mine = [command for command, is_valid in zip(commands, valid, strict=True) if is_valid]
    for command in mine:
        if command.taken:
            tx.connection.execute(
                sa.delete(webhook_messages).where(
                    webhook_messages.c.endpoint_id == command.endpoint_id,
                    webhook_messages.c.position.in_(sorted(command.taken)),
                )
            )
    tx.add(_STATE, [(c.endpoint_id, c.position, c.missed, c.failing_since, c.last_error) for c in mine])
    tx.add(_KEEP, [(command.endpoint_id, *row) for command in mine for row in sorted(command.kept)])
    return valid


def _is_valid(command: Record, row: Any) -> bool:
    if row is None or row.owner != command.owner:
        return False
    return row.position in (command.began_at, command.position)


def redrive(tx: Transaction, commands: Sequence[Redrive]) -> list[Redriven | None]:
    """Have dead letters tried again, with the whole schedule before them, and what waits tried now. None for
    an endpoint that there is not."""
    return [_redrive(tx, command) for command in commands]


def _redrive(tx: Transaction, command: Redrive) -> Redriven | None:
    if not _is_there(tx.connection, command.endpoint_id):
        return None
    c = webhook_messages.c
    window = [c.endpoint_id == command.endpoint_id, c.position >= command.position]
    ends = sa.select(c.position).where(*window).order_by(c.position).offset(REDRIVEN_ROWS_MAX).limit(1)
    end = tx.connection.scalar(ends)
    if end is not None:
        window.append(c.position < end)
    done = tx.connection.execute(sa.update(webhook_messages).where(*window).values(_TRIED_ANEW))
    return Redriven(done.rowcount, end)


def redrive_letter(tx: Transaction, commands: Sequence[Letter]) -> list[bool]:
    """Have single dead letters tried again, with the whole schedule before them. False for one that there is
    not."""
    again = sa.update(webhook_messages).values(_TRIED_ANEW)
    return [_is_done(tx, again.where(*_is_letter(command))) for command in commands]


def discard_letter(tx: Transaction, commands: Sequence[Letter]) -> list[bool]:
    """Forget single dead letters. False for one that there is not."""
    return [_is_done(tx, sa.delete(webhook_messages).where(*_is_letter(command))) for command in commands]


def _is_letter(command: Letter) -> list[sa.ColumnElement[bool]]:
    c = webhook_messages.c
    return [
        c.endpoint_id == command.endpoint_id,
        c.position == command.position,
        c.dead_at.is_not(None),
    ]


def _is_done(tx: Transaction, statement: sa.Update | sa.Delete) -> bool:
    # After a lost COMMIT nothing is found any more.
    return bool(tx.connection.execute(statement).rowcount) or tx.may_be_committed


def dead_letters(
    connection: Connection, endpoint_id: str, *, limit: int, behind: int | None
) -> list[dict[str, Any]] | None:
    """Dead letters as they are shown, oldest first, one more than `limit` if there are more. None for an
    endpoint that there is not."""
    if not _is_there(connection, endpoint_id):
        return None
    sought = {"endpoint": endpoint_id, "behind": -1 if behind is None else behind, "most": limit + 1}
    return [
        {
            "id": message_id(row.order_id, row.order_version),
            "position": row.position,
            "orderId": row.order_id,
            "version": row.order_version,
            "type": from_json(row.payload)["type"],
            "attempts": row.attempts,
            "reason": row.reason,
            "at": utc_text(row.dead_at),
        }
        for row in connection.execute(_DEAD, sought)
    ]


def _is_there(connection: Connection, endpoint_id: str) -> bool:
    named = sa.select(webhooks.c.endpoint_id).where(webhooks.c.endpoint_id == endpoint_id)
    return connection.scalar(named) is not None


def counts(connection: Connection) -> tuple[int, int]:
    """How many messages wait, and how many are dead letters."""
    waiting, dead = connection.execute(_COUNTS).one()
    return waiting, dead


_LONG_AGO = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
_TRIED_ANEW = {"dead_at": None, "attempts": 0, "due_at": _LONG_AGO}
_COLUMNS = [webhook_messages.c[name] for name in Message._fields]
_WAITING = (
    sa.select(*_COLUMNS)
    .where(webhook_messages.c.endpoint_id == sa.bindparam("endpoint"), webhook_messages.c.dead_at.is_(None))
    .order_by(webhook_messages.c.position)
    .limit(WAITING_MAX)
)
_DUE = (
    sa.select(webhook_messages.c.endpoint_id)
    .distinct()
    .join(webhooks, webhooks.c.endpoint_id == webhook_messages.c.endpoint_id)
    .where(
        webhooks.c.owner == sa.bindparam("owner"),
        webhook_messages.c.dead_at.is_(None),
        webhook_messages.c.due_at <= sa.bindparam("at"),
    )
)
_OWNERS = locked(
    sa.select(webhooks.c.endpoint_id, webhooks.c.owner, webhooks.c.position)
    .where(one_of(webhooks.c.endpoint_id, "ids"))
    .order_by(webhooks.c.endpoint_id),
    webhooks,
    lock_timeout_ms=ROW_LOCK_TIMEOUT_MS,
)
_STATE = bulk.Update(webhooks, ("endpoint_id",), ("position", "missed", "failing_since", "last_error"))
_KEEP = bulk.InsertOrUpdate(
    webhook_messages, ("endpoint_id", "position"), [name for name in Message._fields if name != "position"]
)
_DEAD = (
    sa.select(webhook_messages)
    .where(
        webhook_messages.c.endpoint_id == sa.bindparam("endpoint"),
        webhook_messages.c.dead_at.is_not(None),
        webhook_messages.c.position > sa.bindparam("behind"),
    )
    .order_by(webhook_messages.c.position)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_COUNTS = sa.select(
    sa.func.count(sa.case((webhook_messages.c.dead_at.is_(None), 1))),
    sa.func.count(webhook_messages.c.dead_at),
).select_from(webhook_messages)
