"""The outbox: events that were committed with their order and wait for the relay.

Rows are consumed by state (claim with a lease, publish, mark), never by position, because orders are not
committed in the order of their ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database import bulk
from orderflow.database.dialects import has_passed, ids_parameter, locked, now_ms, one_of
from orderflow.database.transaction import Transaction
from orderflow.orders.tables import outbox

LEASE_MS = 15_000
"""How long a claimed row belongs to one relay; more than twice the publisher's delivery time-out."""

CLAIM_ROWS_MAX = 500

TRIED_AGAIN_AFTER_MS = 3_600_000
"""How long a parked event is left alone before it is tried again, unless somebody releases it earlier."""

RETRY_MS = 2_000
"""How long a row that the log did not take is left alone. So the next probe takes another row, and an event
that has a problem of its own does not hold up the others."""

BLOCKED_MS = 1_000
"""How long rows that wait for earlier events of their orders are left alone, if there are so many of them
that they get in the way of other rows."""


class OutboxRow(NamedTuple):
    """An event about one version of an order, ready to be published as it is."""

    order_id: str
    order_version: int
    event_id: str
    event_type: str
    topic: str
    payload: str
    """The event as JSON."""
    correlation_id: str
    traceparent: str | None
    created_at: datetime
    parked_reason: str | None = None
    """Why the log has refused it before; see `parked`."""


class Mark(NamedTuple):
    """What became of a row: it was published at this position, or it is to be tried again."""

    order_id: str
    order_version: int
    published_at: datetime | None = None
    partition: int | None = None
    offset: int | None = None


def append(tx: Transaction, rows: Sequence[OutboxRow]) -> None:
    """Add events about later versions of orders, in the transaction that makes those versions. The sweep
    publishes them."""
    tx.add(_APPEND, [row[:_WRITTEN] for row in sorted(rows)])


_WRITTEN = len(OutboxRow._fields) - 1
_APPEND = bulk.Insert(outbox, OutboxRow._fields[:_WRITTEN], {"leased_until_ms": sa.literal_column("0")})

UNPUBLISHED = sa.case((outbox.c.published_at.is_(None), 1), else_=0) == 1
"""The condition that a row is not published. It is more than IS NULL, because a database would then search
the index of all waiting rows instead of looking up the row by its key."""


class MarkAll(NamedTuple):
    """Asks to record the marks of a batch together."""

    marks: Sequence[Mark]

    @property
    def rows(self) -> int:
        return len(self.marks)


class Claimed(NamedTuple):
    """The rows that were leased, and whether there may be more free ones."""

    rows: list[OutboxRow]
    more: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """Asks for free rows."""

    rows_max: int = CLAIM_ROWS_MAX

    @property
    def rows(self) -> int:
        return self.rows_max


def claim(tx: Transaction, commands: Sequence[Claim]) -> list[Claimed]:
    """Lease free rows and return them, the oldest orders first. Of each order only the lowest unpublished
    version is returned."""
    # If the answer to an earlier COMMIT was lost, the rows it leased become free when that lease ends.
    return [_claim(tx, command.rows_max) for command in commands]


def _claim(tx: Transaction, rows_max: int) -> Claimed:
    looked_at_max = rows_max
    claimed, blocked = _look(tx, looked_at_max)
    if not claimed and blocked and looked_at_max < CLAIM_ROWS_MAX:
        # The first few wait for earlier events of their orders, and behind them may be rows that do not.
        looked_at_max = CLAIM_ROWS_MAX
        claimed, blocked = _look(tx, looked_at_max)
    if len(blocked) > looked_at_max // 2:
        _lease(tx, _LEASE_BLOCKED, blocked)
    taken = claimed[:rows_max]
    _lease(tx, _LEASE, taken)
    return Claimed(taken, len(taken) == rows_max or len(claimed) + len(blocked) == looked_at_max)


def _look(tx: Transaction, rows_max: int) -> tuple[list[OutboxRow], list[OutboxRow]]:
    """Free rows: those that can be claimed, and those that wait for earlier events of their orders.

    These are two simple queries. If they were joined into one, a planner with old statistics could choose a
    plan whose cost is quadratic."""
    free = [OutboxRow(*row) for row in tx.connection.execute(_FREE, {"rows_max": rows_max})]
    later = sorted({row.order_id for row in free if row.order_version > 1})
    firsts: dict[str, int] = {}
    if later:
        firsts = dict(tx.connection.execute(_FIRSTS, ids_parameter(later)).all())
    claimed: list[OutboxRow] = []
    blocked: list[OutboxRow] = []
    for row in free:
        is_first = firsts.get(row.order_id, row.order_version) >= row.order_version
        (claimed if is_first else blocked).append(row)
    return claimed, blocked


def _lease(tx: Transaction, lease: bulk.Update, rows: Sequence[OutboxRow]) -> None:
    tx.add(lease, [row[:2] for row in rows])


_LEASE = bulk.Update(outbox, OutboxRow._fields[:2], computed={"leased_until_ms": now_ms() + LEASE_MS})
_LEASE_BLOCKED = bulk.Update(
    outbox, OutboxRow._fields[:2], computed={"leased_until_ms": now_ms() + BLOCKED_MS}
)

_LONGEST_MS = sa.case((outbox.c.parked_reason.is_not(None), TRIED_AGAIN_AFTER_MS), else_=LEASE_MS)

_FREE = locked(
    sa.select(*(outbox.c[name] for name in OutboxRow._fields))
    .where(
        outbox.c.published_at.is_(None),
        has_passed(outbox.c.leased_until_ms, longest_ms=_LONGEST_MS),
    )
    .order_by(outbox.c.order_id, outbox.c.order_version)
    .limit(sa.bindparam("rows_max", type_=sa.Integer)),
    outbox,
    skip_locked=True,
)

_FIRSTS = (
    sa.select(outbox.c.order_id, sa.func.min(outbox.c.order_version))
    .where(one_of(outbox.c.order_id, "ids"), outbox.c.published_at.is_(None))
    .group_by(outbox.c.order_id)
)


def mark(tx: Transaction, commands: Sequence[MarkAll]) -> list[None]:
    """Record what became of the rows."""
    # Marking twice changes nothing, so this may be repeated after a lost COMMIT.
    marks = sorted((mark for command in commands for mark in command.marks), key=itemgetter(0, 1))
    tx.add(_MARK, marks)
    return [None] * len(commands)


_MARK = bulk.Update(
    outbox,
    Mark._fields[:2],
    Mark._fields[2:],
    computed={
        "leased_until_ms": sa.case(
            (sa.literal_column("new.published_at").is_(None), now_ms() + RETRY_MS), else_=0
        )
    },
    # A failure that is reported late never undoes another relay's success.
    where=UNPUBLISHED,
)


def free_leases(connection: Connection) -> None:
    """Free all leases. This is for an embedded database, where this process is the only relay: the previous
    process, which held the leases, has ended."""
    connection.execute(sa.update(outbox).where(outbox.c.published_at.is_(None)).values(leased_until_ms=0))
