"""The outbox: events that committed with their order and wait for the relay.

Rows are consumed by state (claim with a lease, publish, mark), never by position: commit order is not id
order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.dialects import bulk_insert, bulk_update, now_ms
from orderflow.orders.tables import outbox

LEASE_MS = 15_000
"""How long a claimed row belongs to one relay; more than twice the publisher's delivery time-out."""

CLAIM_ROWS_MAX = 500


@dataclass(frozen=True, slots=True)
class OutboxRow:
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


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a row: published at a position, parked for good, or back for another try."""

    order_id: str
    order_version: int
    published_at: datetime | None = None
    partition: int | None = None
    offset: int | None = None
    parked_reason: str | None = None

    @property
    def rows(self) -> int:
        return 1


def append(connection: Connection, rows: Sequence[OutboxRow], *, leased: bool) -> None:
    """Insert the events in the transaction that makes them true.

    `leased`: this process's own relay gets them after the commit, and the others leave them alone until then.
    """
    until_ms = connection.execute(_LEASE_END).scalar_one() if leased else 0
    bulk_insert(
        connection, outbox, (*_FIELDS, "leased_until_ms"), [(*_values_of(row), until_ms) for row in rows]
    )


_FIELDS = tuple(OutboxRow.__slots__)
_values_of = attrgetter(*_FIELDS)
_LEASE_END = sa.select(now_ms() + LEASE_MS)


@dataclass(frozen=True, slots=True)
class Claim:
    """Asks for free rows."""

    rows_max: int = CLAIM_ROWS_MAX

    @property
    def rows(self) -> int:
        return self.rows_max


def claim(connection: Connection, commands: Sequence[Claim], *, again: bool) -> list[list[OutboxRow]]:
    """Lease free rows, the oldest orders first, of each order its lowest unpublished version only."""
    del again  # what an earlier try may have leased comes free again when that lease ends
    return [_claim(connection, command.rows_max) for command in commands]


def _claim(connection: Connection, rows_max: int) -> list[OutboxRow]:
    earlier = outbox.alias()
    free = (
        sa.select(outbox.c.order_id, outbox.c.order_version)
        .where(
            outbox.c.published_at.is_(None),
            outbox.c.parked_reason.is_(None),
            outbox.c.leased_until_ms < now_ms(),
            ~sa.exists().where(
                earlier.c.order_id == outbox.c.order_id,
                earlier.c.order_version < outbox.c.order_version,
                earlier.c.published_at.is_(None),
            ),
        )
        .order_by(outbox.c.order_id, outbox.c.order_version)
        .limit(rows_max)
        .with_for_update(skip_locked=True)
    )
    keys = connection.execute(free).all()
    if not keys:
        return []
    rows = connection.execute(
        sa.update(outbox)
        .where(sa.tuple_(outbox.c.order_id, outbox.c.order_version).in_([tuple(key) for key in keys]))
        .values(leased_until_ms=now_ms() + LEASE_MS)
        .returning(*(outbox.c[name] for name in _FIELDS))
    ).mappings()
    return sorted((OutboxRow(**row) for row in rows), key=lambda row: (row.order_id, row.order_version))


def mark(connection: Connection, marks: Sequence[Mark], *, again: bool) -> list[None]:
    """Record what became of the rows; a handler for the group commit."""
    del again  # marking twice changes nothing
    bulk_update(
        connection,
        outbox,
        keys=("order_id", "order_version"),
        values=("published_at", "partition", "offset", "parked_reason", "leased_until_ms"),
        rows=[
            (m.order_id, m.order_version, m.published_at, m.partition, m.offset, m.parked_reason, 0)
            for m in sorted(marks, key=attrgetter("order_id", "order_version"))
        ],
        # A late failure never takes back another relay's success.
        where="t.published_at IS NULL",
    )
    return [None] * len(marks)


def free_leases(connection: Connection) -> None:
    """For embedded parts, where this process is the only relay: what the last one held is free."""
    connection.execute(sa.update(outbox).where(outbox.c.published_at.is_(None)).values(leased_until_ms=0))
