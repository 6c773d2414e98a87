"""The sequencer: gives positions in the stream to the changes that are committed.

Each process on the orders database has one, and whichever has the lock does the work for all. Only committed
rows get positions, and the lock is held until the positions are committed. So whoever sees a position sees
all earlier ones, and there are no gaps. Rows are taken in the order in which they were written: a transaction
that changes an order again has waited for the one before, so the versions of an order are in order.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import sqlalchemy as sa
import structlog

from orderflow.database.batch import NotWritten, Outcome
from orderflow.database.bulk import Update
from orderflow.database.engine import DatabaseUnavailable, reason
from orderflow.database.group_commit import Contended, GroupCommit, QueueFull
from orderflow.database.transaction import Transaction
from orderflow.orders.stream import bounds
from orderflow.orders.tables import stream
from orderflow.runtime.loop import ThreadLoop

log = structlog.get_logger()

LOCK = "orderflow-sequencer"
ROWS_A_PASS_MAX = 1_000
"""How many rows get positions in one transaction."""
PAUSE_S = 0.1
"""Between two passes. A pass travels with the writer's next transaction, or alone if there is none soon."""


class Pass:
    """Asks for one pass."""


def sequence(tx: Transaction, commands: Sequence[Pass]) -> list[int]:
    """Give positions to the rows that have none, ROWS_A_PASS_MAX at most; returns how many rows got one: 0
    while another process does it."""
    # A row that has its position is not found again, so this may be repeated after a lost COMMIT.
    if not tx.dialect.try_lock(tx.connection, LOCK):
        return [0] * len(commands)
    waiting = tx.connection.execute(_WAITING).all()
    if waiting:
        position = bounds(tx.connection).next
        rows: list[tuple[int, int]] = []
        for row in waiting:
            rows.append((row.id, position))
            position += row.size
        tx.add(_ASSIGN, rows)
    return [len(waiting)] * len(commands)


_WAITING = (
    sa.select(stream.c.id, stream.c.size)
    .where(stream.c.first_position.is_(None))
    .order_by(stream.c.id)
    .limit(ROWS_A_PASS_MAX)
)
_ASSIGN = Update(stream, ("id",), ("first_position",))


class Sequencer:
    """One thread that makes passes, as long as the process runs."""

    def __init__(self, writer: GroupCommit, *, pause_s: float = PAUSE_S) -> None:
        self._writer = writer
        self._pause_s = pause_s
        self._more = False
        self.loop = ThreadLoop(
            "sequencer",
            self.run_once,
            health=writer.health,
            pause_s=lambda: 0.0 if self._more else self._pause_s,
            on_failure="try again",
        )

    def start(self) -> None:
        self.loop.start()

    def close(self) -> None:
        self.loop.stop()
        self.loop.join()

    def run_once(self) -> int:
        """Make one pass; returns how many rows got positions."""
        done: Future[list[Outcome[int]]] = Future()
        resolve: Callable[[list[Any]], object] = done.set_result
        try:
            self._writer.submit_later(sequence, [Pass()], resolve)
        except QueueFull:  # the writer is closed
            return 0
        (rows,) = done.result()
        if isinstance(rows, NotWritten):
            self._more = False
            if not isinstance(rows.cause, (DatabaseUnavailable, Contended, QueueFull)):
                log.error("sequencer.failed", reason=reason(rows.cause))
            return 0
        self._more = rows == ROWS_A_PASS_MAX
        return rows
