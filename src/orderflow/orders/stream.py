"""The stream: every change of an order has a position in it, without gaps, and is kept for a while.

A transaction that changes orders writes its changes as one row. The row has no position then, because rows
are not committed in the order in which they are written; the sequencer gives positions to committed rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from sqlalchemy.engine import Connection

from orderflow.contracts.instants import utc_text
from orderflow.database.bulk import Insert
from orderflow.database.transaction import Transaction
from orderflow.orders.model import OrderState
from orderflow.orders.tables import stream, webhooks


class Change(NamedTuple):
    """A version of an order. The reason of its attention is left out: a text that people have written is
    kept with the order only, where it can be erased."""

    order_id: str
    version: int
    status: str
    at: str
    """ISO 8601."""
    customer_id: str
    attention_kind: str | None = None
    attention_since: str | None = None


class Bounds(NamedTuple):
    """The first position that is kept, and the one that the next change will get. They are equal while the
    stream is empty."""

    first: int
    next: int


class Page(NamedTuple):
    """Changes with their positions, which are consecutive, and whether there may be more already."""

    changes: list[tuple[int, Change]]
    more: bool


def change(order_id: str, after: OrderState, at: datetime, customer_id: str) -> Change:
    """The change that has led to this state."""
    kind, since = (after.attention.kind, utc_text(after.attention.since)) if after.attention else (None, None)
    return Change(order_id, after.version, after.status.value, utc_text(at), customer_id, kind, since)


def told(position: int, change: Change) -> dict[str, object]:
    """The change as others are told of it: without the customer, and so without anything about a person."""
    attention = {"kind": change.attention_kind, "since": change.attention_since}
    return {
        "position": position,
        "orderId": change.order_id,
        "status": change.status,
        "version": change.version,
        "at": change.at,
        "attention": attention if change.attention_kind else None,
    }


def append(tx: Transaction, changes: Sequence[Change]) -> None:
    """Add at least one change in the transaction that makes it. The changes of one order are in the order of
    their versions, and the orders are locked."""
    at = datetime.fromisoformat(changes[-1].at)
    tx.add(_APPEND, [(at, to_json(changes).decode(), len(changes))])


_APPEND = Insert(stream, ("at", "changes", "size"))


def bounds(connection: Connection) -> Bounds:
    """What the stream holds now."""
    found = connection.execute(_BOUNDS).one()
    return Bounds(found.first or 1, found.next or 1)


_LAST = stream.alias("last")
_BOUNDS = sa.select(
    sa.select(sa.func.min(stream.c.first_position)).scalar_subquery().label("first"),
    sa.select(_LAST.c.first_position + _LAST.c.size)
    .where(_LAST.c.first_position.is_not(None))
    .order_by(_LAST.c.first_position.desc())
    .limit(1)
    .scalar_subquery()
    .label("next"),
)


def read(connection: Connection, position: int, *, rows_max: int) -> Page:
    """The changes from this position on, or from the first one that is kept if that is later; they come from
    `rows_max` rows at most. Without any, nothing has happened since."""
    # A position within a row is not the row's first one, so the search begins at the last row that starts
    # before it or there.
    begins = sa.select(sa.func.max(stream.c.first_position)).where(stream.c.first_position <= position)
    rows = connection.execute(
        sa.select(stream.c.first_position, stream.c.changes)
        .where(stream.c.first_position >= sa.func.coalesce(begins.scalar_subquery(), position))
        .order_by(stream.c.first_position)
        .limit(rows_max)
    ).all()
    found = [
        (row.first_position + index, Change(*change))
        for row in rows
        for index, change in enumerate(from_json(row.changes))
    ]
    return Page([each for each in found if each[0] >= position], len(rows) == rows_max)


SHIFT = 1_000_000_000
"""More changes than there can be between a backup and its restore."""


def shift(connection: Connection) -> None:
    """Move the stream, and the webhooks in it, to positions that were never given out: after a restore,
    others have seen positions with changes that the database has lost. Clients of the stream get a reset."""
    behind = sa.update(stream).where(stream.c.first_position.is_not(None))
    moved = connection.execute(behind.values(first_position=stream.c.first_position + SHIFT))
    if not moved.rowcount:
        # A row without changes tells the next position, as the last row does otherwise.
        at = datetime.now(UTC)
        connection.execute(sa.insert(stream).values(at=at, changes="[]", size=1, first_position=SHIFT))
    connection.execute(sa.update(webhooks).values(position=webhooks.c.position + SHIFT))
