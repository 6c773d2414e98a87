"""What changes in the orders database when it has been moved away from an embedded event log."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.orders.model import FINISHED
from orderflow.orders.tables import orders, outbox


def go_on(connection: Connection, topic: str) -> None:
    """Have the events of unfinished orders sent to the new log: not all of them were read from the old one.
    Positions there mean nothing any more."""
    unfinished = sa.select(orders.c.order_id).where(orders.c.status.not_in(FINISHED))
    connection.execute(sa.update(outbox).values(partition=None, offset=None))
    connection.execute(
        sa.update(outbox)
        .where(outbox.c.order_id.in_(unfinished))
        .values(topic=topic, published_at=None, leased_until_ms=0, re_emissions=0)
    )
