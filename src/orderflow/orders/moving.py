"""Has events sent again: when the orders database has been moved away from an embedded event log, or when one
of the databases was restored."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.orders.model import FINISHED
from orderflow.orders.tables import orders, outbox


def go_on(connection: Connection, topic: str) -> None:
    """Have the events of unfinished orders sent to the new log: not all of them were read from the old one.
    Positions there mean nothing any more."""
    connection.execute(sa.update(outbox).values(partition=None, offset=None))
    send_again(connection, topic)


def send_again(connection: Connection, topic: str) -> int:
    """Have the events of unfinished orders sent again; returns their number."""
    unfinished = sa.select(orders.c.order_id).where(orders.c.status.not_in(FINISHED))
    freed = connection.execute(
        sa.update(outbox)
        .where(outbox.c.order_id.in_(unfinished))
        .values(topic=topic, published_at=None, leased_until_ms=0, re_emissions=0)
    )
    return freed.rowcount
