"""What the Order Service archives: events, the history and the rows of orders that ended long ago."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.archiving import Found, Kind, Purge, Rows, rows_of, still_going
from orderflow.database.dialects import ids_parameter, one_of
from orderflow.database.steps import window
from orderflow.database.transaction import Transaction
from orderflow.orders.model import FINISHED
from orderflow.orders.tables import idempotency_keys, order_changes, order_items, orders, outbox
from orderflow.runtime.ids import first_uuid7

TABLES = (outbox, order_changes, order_items, orders)
"""What archives have rows of. An order's own row is the last to go."""


def kinds(*, events_s: float, history_s: float | None, orders_s: float | None) -> list[Kind]:
    """What is archived, and after how many seconds; None keeps for ever. An order goes with all its rows, but
    not before its idempotency key is forgotten: a repeated request must find it."""
    found = [_kind("events", events_s, (outbox,))]
    if history_s is not None:
        found.append(_kind("history", history_s, (order_changes,)))
    if orders_s is not None:
        found.append(_kind("orders", orders_s, TABLES))
    return found


def _kind(name: str, kept_s: float, tables: Sequence[sa.Table]) -> Kind:
    return Kind(
        name,
        kept_s,
        find=partial(_find, tables),
        rows=partial(_rows, tables),
        purge=partial(_purge, tables),
    )


def _ended(before: datetime) -> list[sa.ColumnElement[bool]]:
    return [orders.c.status.in_(FINISHED), orders.c.updated_at < before]


def _has_no_key() -> sa.ColumnElement[bool]:
    return ~sa.exists().where(idempotency_keys.c.order_id == orders.c.order_id)


def _find(
    tables: Sequence[sa.Table], connection: Connection, behind: str, before: datetime, rows: int
) -> Found:
    """As in `retention.py`: no order ends before it is created, and its id begins with the time of that."""
    first = tables[-1].c.order_id
    conditions, last = window(connection, first, behind, rows, first < first_uuid7(before))
    wanted = sa.select(first).distinct().where(*conditions).order_by(first)
    if orders in tables:
        wanted = wanted.where(*_ended(before), _has_no_key(), _is_published())
    else:
        wanted = wanted.where(sa.exists().where(orders.c.order_id == first, *_ended(before)))
    if tables == (outbox,):
        wanted = wanted.where(outbox.c.published_at.is_not(None))
    return Found(list(connection.scalars(wanted)), last)


def _is_published() -> sa.ColumnElement[bool]:
    """Whether no event of the order waits to be published."""
    return ~sa.exists().where(outbox.c.order_id == orders.c.order_id, outbox.c.published_at.is_(None))


def _rows(tables: Sequence[sa.Table], connection: Connection, order_ids: Sequence[str]) -> Rows:
    return [
        each
        for table in tables
        for each in rows_of(connection, table, table.c.order_id, order_ids, *_only_published(tables))
    ]


def _only_published(tables: Sequence[sa.Table]) -> list[sa.ColumnElement[bool]]:
    return [outbox.c.published_at.is_not(None)] if tables == (outbox,) else []


def _purge(tables: Sequence[sa.Table], tx: Transaction, commands: Sequence[Purge]) -> list[int]:
    """Delete what was archived of orders that have not changed since; returns the numbers of orders."""
    # What was deleted is not found again, so this may be repeated after a lost COMMIT.
    return [_purge_some(tables, tx, command) for command in commands]


def _purge_some(tables: Sequence[sa.Table], tx: Transaction, command: Purge) -> int:
    may_go = _ended(command.before)
    if orders in tables:
        may_go += [_has_no_key(), _is_published()]
    going = still_going(tx, orders.c.order_id, command.ids, may_go)
    for table in tables:
        tx.connection.execute(
            sa.delete(table).where(one_of(table.c.order_id, "ids"), *_only_published(tables)),
            ids_parameter(going),
        )
    return len(going)
