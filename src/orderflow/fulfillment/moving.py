"""What changes in the fulfillment database when it has been moved away from an embedded event log."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.dialects import now_ms
from orderflow.fulfillment import lease
from orderflow.fulfillment.letters import SETTLED
from orderflow.fulfillment.tables import dead_letters


def go_on(connection: Connection) -> None:
    """The worker that held shipments has ended, and the new log has no copies of dead letters yet."""
    lease.end_all(connection)
    unsettled = dead_letters.c.state.not_in(SETTLED)
    connection.execute(sa.update(dead_letters).where(unsettled).values(copy_due_ms=now_ms()))
