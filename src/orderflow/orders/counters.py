"""Orders by status, counted in the transactions that change them, so that nobody ever counts the table."""

import random
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.dialects import insert
from orderflow.orders.model import Status
from orderflow.orders.tables import status_counts

SLOTS = 64


@cache
def _slot() -> int:
    """Each process counts in a slot of its own, so that no row is everybody's lock; two that share one only
    wait. Drawn at the first use: worker processes are forked from one that has imported everything."""
    return random.SystemRandom().randrange(SLOTS)


def count_statuses(connection: Connection, changes: dict[Status, int]) -> None:
    """Add to this process's counters; `counted` sums the slots."""
    slot = _slot()
    rows = [
        {"slot": slot, "status": status.value, "orders": difference}
        for status, difference in sorted(changes.items())
        if difference
    ]
    if rows:
        statement = insert(connection, status_counts)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[status_counts.c.slot, status_counts.c.status],
                set_={"orders": status_counts.c.orders + statement.excluded.orders},
            ),
            rows,
        )


def counted(connection: Connection) -> dict[str, int]:
    """How many orders each status has."""
    rows = connection.execute(
        sa.select(status_counts.c.status, sa.func.sum(status_counts.c.orders)).group_by(
            status_counts.c.status
        )
    )
    return dict.fromkeys((status.value for status in Status), 0) | {name: int(count) for name, count in rows}
