"""Parked events: the log refuses them for their size, even when each is sent alone, until somebody raises its
limit.

A parked event is an outbox row with a reason and a long lease. It is tried again every hour, or at once when
somebody releases it, and blocks only the later events of its own order. The order carries `attention` until
the log has taken the event.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

import sqlalchemy as sa
from pydantic_core import to_json

from orderflow.database import bulk
from orderflow.database.dialects import now_ms, one_of
from orderflow.database.transaction import Transaction
from orderflow.orders.commands import UpdateOrder, update_orders
from orderflow.orders.model import Attention, AttentionChange
from orderflow.orders.outbox import TRIED_AGAIN_AFTER_MS, UNPUBLISHED, MarkAll, mark
from orderflow.orders.tables import orders, outbox
from orderflow.runtime.ids import FIRST_UUID

TOO_LARGE = "event-too-large"
"""The kind of the attention."""

REASON_CHARS_MAX = 700
RELEASED_ROWS_MAX = 1_000
ACTOR = "relay"

_KEY = ("order_id", "order_version")
_PARK = bulk.Update(
    outbox,
    _KEY,
    ("parked_reason",),
    computed={"leased_until_ms": now_ms() + TRIED_AGAIN_AFTER_MS},
    where=UNPUBLISHED,
)
_UNPARK = bulk.Update(outbox, _KEY, ("parked_reason",))


class Refused(NamedTuple):
    """A row that the log refused for its size, though it was sent alone."""

    order_id: str
    order_version: int
    event_type: str
    reason: str
    at: datetime

    @property
    def rows(self) -> int:
        return 3


class Taken(NamedTuple):
    """Parked rows that the log has finally taken."""

    marks: MarkAll
    at: datetime

    @property
    def rows(self) -> int:
        return 3 * self.marks.rows


class Release(NamedTuple):
    """Asks to have parked rows tried at once: those of one order or, without one, about RELEASED_ROWS_MAX
    rows of the orders with ids after `behind`."""

    order_id: str | None = None
    behind: str = FIRST_UUID

    @property
    def rows(self) -> int:
        return RELEASED_ROWS_MAX


class Released(NamedTuple):
    """`behind` is where the next step begins; None when there is nothing more to release."""

    rows: int
    behind: str | None


def park(tx: Transaction, commands: Sequence[Refused]) -> list[None]:
    """Park the rows and set the `attention` of their orders, so that a person looks at them. An order that
    has an attention already keeps it."""
    # Parking twice changes nothing, so this may be repeated after a lost COMMIT.
    refused = {command[:2]: command for command in sorted(commands, key=itemgetter(0, 1))}
    tx.add(_PARK, [(*key, row.reason[:REASON_CHARS_MAX]) for key, row in refused.items()])
    firsts = {row.order_id: row for row in reversed(refused.values())}
    _change_attention(tx, None, [_asking(row) for row in firsts.values()])
    return [None] * len(commands)


def unpark(tx: Transaction, commands: Sequence[Taken]) -> list[None]:
    """Mark the rows as published and clear the `attention` that was set when they were parked."""
    mark(tx, [command.marks for command in commands])
    rows = {mark[:2] for command in commands for mark in command.marks.marks}
    tx.add(_UNPARK, [(*key, None) for key in sorted(rows)])
    taken_at = {row.order_id: command.at for command in commands for row in command.marks.marks}
    _change_attention(tx, TOO_LARGE, [_silent(order_id, at) for order_id, at in taken_at.items()])
    return [None] * len(commands)


def release(tx: Transaction, commands: Sequence[Release]) -> list[Released]:
    """Free the rows for the next sweep of any relay."""
    # Releasing twice changes nothing, so this may be repeated after a lost COMMIT.
    return [_release(tx, command) for command in commands]


def _release(tx: Transaction, command: Release) -> Released:
    parked = outbox.c.parked_reason.is_not(None)
    if command.order_id is not None:
        of_order = sa.update(outbox).where(parked, outbox.c.order_id == command.order_id)
        return Released(tx.connection.execute(of_order.values(leased_until_ms=0)).rowcount, None)
    window = [parked, outbox.c.order_id > command.behind]
    last = tx.connection.scalar(
        sa.select(outbox.c.order_id)
        .where(*window)
        .order_by(outbox.c.order_id)
        .offset(RELEASED_ROWS_MAX - 1)
        .limit(1)
    )
    if last is not None:
        window.append(outbox.c.order_id <= last)
    step = sa.update(outbox).where(*window).values(leased_until_ms=0)
    return Released(tx.connection.execute(step).rowcount, last)


def _change_attention(tx: Transaction, kind: str | None, updates: Sequence[UpdateOrder]) -> None:
    """Apply the updates to those orders whose attention is of this kind; with None, to those that have no
    attention."""
    with_it = orders.c.attention_kind.is_(None) if kind is None else orders.c.attention_kind == kind
    ids = to_json([update.order_id for update in updates]).decode()
    of_kind = sa.select(orders.c.order_id).where(one_of(orders.c.order_id, "ids"), with_it)
    found = set(tx.connection.scalars(of_kind, {"ids": ids}))
    update_orders(tx, [update for update in updates if update.order_id in found])


def _asking(row: Refused) -> UpdateOrder:
    reason = (
        f"The event log refuses {row.event_type} of this order for its size"
        f" ({row.reason[:REASON_CHARS_MAX]}). Raise the topic's max.message.bytes; then release the event,"
        " or leave it to the next try within an hour."
    )
    return _update(row.order_id, Attention(TOO_LARGE, reason, row.at), row.at, reason)


def _silent(order_id: str, at: datetime) -> UpdateOrder:
    return _update(order_id, None, at, "The event log has taken the event after all.")


def _update(order_id: str, attention: Attention | None, at: datetime, reason: str) -> UpdateOrder:
    return UpdateOrder(
        order_id=order_id,
        status=None,
        fulfillment=None,
        attention=AttentionChange(attention),
        at=at,
        actor=ACTOR,
        reason=reason,
        correlation_id=ACTOR,
    )
