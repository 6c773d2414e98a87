"""The number of orders in each status, kept up to date by the transactions that change orders, so that nobody
ever has to count the table."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.bulk import InsertOrUpdate
from orderflow.database.dialects import locked
from orderflow.database.readiness import Probe
from orderflow.database.transaction import Transaction
from orderflow.orders.model import OrderState, Status
from orderflow.orders.tables import status_counts

SLOTS_MAX = 256
"""If there are more slots than this, `fold` adds them up in one."""

_FOLDED = 0


@cache
def own_slot() -> int:
    """The slot in which this process counts. No two processes share one: while one of them was stopped, it
    could hold the lock of the shared row, and the other would wait.

    The number is drawn at the first use, because worker processes are forked from one that has already
    imported everything.
    """
    return random.SystemRandom().randrange(_FOLDED + 1, 2**31)


def count_statuses(tx: Transaction, changes: Mapping[Status, int]) -> None:
    """Add to this process's counters; `counted` sums the slots."""
    _add(tx, own_slot(), changes)


def count_moves(
    tx: Transaction, before: Mapping[str, Mapping[Any, Any]], after: Mapping[str, OrderState]
) -> None:
    """Count the orders whose status has changed; `before` has their rows, by order id."""
    changes = Counter[Status]()
    for order_id, state in after.items():
        changes[Status(before[order_id]["status"])] -= 1
        changes[state.status] += 1
    count_statuses(tx, changes)


def _add(tx: Transaction, slot: int, changes: Mapping[Status, int]) -> None:
    tx.add(_ADD, [(slot, status.value, orders) for status, orders in sorted(changes.items()) if orders])


def probe(tx: Transaction, commands: Sequence[Probe]) -> list[None]:
    """Add 0 to this process's own counter. The database treats this as a write like any other."""
    tx.add(_ADD, [(own_slot(), Status.CREATED.value, 0)])
    return [None] * len(commands)


_ADD = InsertOrUpdate(status_counts, keys=("slot", "status"), added=("orders",))


def counted(connection: Connection) -> dict[str, int]:
    """How many orders each status has."""
    rows = connection.execute(
        sa.select(status_counts.c.status, sa.func.sum(status_counts.c.orders)).group_by(
            status_counts.c.status
        )
    )
    return dict.fromkeys((status.value for status in Status), 0) | {name: int(count) for name, count in rows}


def fold(tx: Transaction) -> None:
    """If there are more than SLOTS_MAX slots, add the other processes' counters to one slot, except those
    that a transaction has locked now. A process whose counters were folded starts again at 0."""
    slots = tx.connection.scalar(sa.select(sa.func.count(sa.distinct(status_counts.c.slot))))
    if slots is None or slots <= SLOTS_MAX:
        return
    taken = tx.connection.execute(
        locked(
            sa.select(status_counts.c.slot, status_counts.c.status, status_counts.c.orders).where(
                status_counts.c.slot.not_in([_FOLDED, own_slot()])
            ),
            status_counts,
            skip_locked=True,
        )
    ).all()
    tx.connection.execute(
        sa.delete(status_counts).where(
            status_counts.c.slot == sa.bindparam("in_slot"),
            status_counts.c.status == sa.bindparam("of_status"),
        ),
        [{"in_slot": row.slot, "of_status": row.status} for row in taken],
    )
    totals = Counter[Status]()
    for row in taken:
        totals[Status(row.status)] += row.orders
    _add(tx, _FOLDED, totals)
