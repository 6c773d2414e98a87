"""Erases the personal data of a customer: name, address, and texts that people or carriers have written.

Only finished orders are erased, because an order that is under way needs its address. The customer's id
stays, and so does everything by which orders are counted. The erased order, its event and the answer to a
repeated request are as valid as before.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from sqlalchemy.engine import Connection, RowMapping

from orderflow.contracts.erasure import ERASED, ORDERS_A_STEP_MAX, erased_address, erased_json
from orderflow.contracts.order_events import ORDER_CREATED
from orderflow.database.dialects import ids_parameter, locked, one_of
from orderflow.database.transaction import Transaction
from orderflow.orders.commands import ROW_LOCK_TIMEOUT_MS
from orderflow.orders.model import TERMINAL, Status
from orderflow.orders.tables import order_changes, orders, outbox
from orderflow.runtime.ids import FIRST_UUID


class Erase(NamedTuple):
    """Asks for one step: the next ORDERS_A_STEP_MAX orders of the customer, with ids after `behind`."""

    customer_id: str
    behind: str = FIRST_UUID

    @property
    def rows(self) -> int:
        return 3 * ORDERS_A_STEP_MAX


class Erased(NamedTuple):
    """How many rows a step changes. `finished` are the orders that it has looked at; those that are
    `under_way` stay as they are. `behind` is where the next step begins; None when this was the last."""

    orders: int
    events: int
    reasons: int
    finished: list[str]
    under_way: list[tuple[str, str]]
    behind: str | None


class _Changes(NamedTuple):
    orders: list[dict[str, Any]]
    events: list[dict[str, Any]]


def erase(tx: Transaction, commands: Sequence[Erase]) -> list[Erased]:
    """Make one step for each command."""
    # Erasing twice changes nothing, so this may be repeated after a lost COMMIT.
    return [_erase(tx, command) for command in commands]


def _erase(tx: Transaction, command: Erase) -> Erased:
    step, changes = _look(tx.connection, command, _OF_CUSTOMER_LOCKED)
    if changes.orders:
        tx.connection.execute(_ERASE_ORDER, changes.orders)
    if changes.events:
        tx.connection.execute(_ERASE_EVENT, changes.events)
    if step.reasons:
        tx.connection.execute(
            sa.update(order_changes).where(*_HAS_REASON).values(reason=ERASED), ids_parameter(step.finished)
        )
    return step


def count(connection: Connection, command: Erase) -> Erased:
    """What `erase` would change."""
    return _look(connection, command, _OF_CUSTOMER)[0]


def _look(
    connection: Connection, command: Erase, query: sa.Select[*tuple[Any, ...]]
) -> tuple[Erased, _Changes]:
    sought = {"customer": command.customer_id, "behind": command.behind}
    found = connection.execute(query, sought).mappings().all()
    finished = [row for row in found if Status(row["status"]) in TERMINAL]
    ids = [row["order_id"] for row in finished]
    events: Sequence[RowMapping] = (
        connection.execute(_EVENTS, ids_parameter(ids)).mappings().all() if ids else ()
    )
    changes = _Changes(
        [change for row in finished if (change := _order_change(row))],
        [change for row in events if (change := _event_change(row))],
    )
    reasons = connection.scalar(_COUNT_REASONS, ids_parameter(ids)) if ids else 0
    step = Erased(
        len(changes.orders),
        len(changes.events),
        reasons or 0,
        ids,
        [(row["order_id"], row["status"]) for row in found if Status(row["status"]) not in TERMINAL],
        found[-1]["order_id"] if len(found) == ORDERS_A_STEP_MAX else None,
    )
    return step, changes


_OF_CUSTOMER = (
    sa.select(
        orders.c.order_id,
        orders.c.status,
        orders.c.customer_name,
        orders.c.ship_to,
        orders.c.error_message,
        orders.c.attention_reason,
    )
    .where(
        orders.c.customer_id == sa.bindparam("customer"),
        orders.c.order_id > sa.bindparam("behind"),
    )
    .order_by(orders.c.order_id)
    .limit(ORDERS_A_STEP_MAX)
)
_OF_CUSTOMER_LOCKED = locked(_OF_CUSTOMER, orders, lock_timeout_ms=ROW_LOCK_TIMEOUT_MS)
_EVENTS = sa.select(outbox.c.order_id, outbox.c.order_version, outbox.c.payload).where(
    one_of(outbox.c.order_id, "ids"), outbox.c.event_type == ORDER_CREATED
)
_HAS_REASON = (one_of(order_changes.c.order_id, "ids"), order_changes.c.reason != ERASED)
_COUNT_REASONS = sa.select(sa.func.count()).select_from(order_changes).where(*_HAS_REASON)

_ERASE_ORDER = (
    sa.update(orders)
    .where(orders.c.order_id == sa.bindparam("of_order"))
    .values(
        customer_name=ERASED,
        ship_to=sa.bindparam("address"),
        error_message=sa.bindparam("failure"),
        attention_reason=sa.bindparam("asked_for"),
    )
)
_ERASE_EVENT = (
    sa.update(outbox)
    .where(outbox.c.order_id == sa.bindparam("of_order"), outbox.c.order_version == sa.bindparam("version"))
    .values(payload=sa.bindparam("content"))
)


def _order_change(row: RowMapping) -> dict[str, Any] | None:
    """The parameters of _ERASE_ORDER; None if there is nothing left to erase."""
    address: str | None = row["ship_to"]
    if address is not None:
        address = to_json(erased_address(from_json(address))).decode()
    texts = [row["error_message"], row["attention_reason"]]
    if (row["customer_name"], row["ship_to"]) == (ERASED, address) and set(texts) <= {None, ERASED}:
        return None
    failure, asked_for = (None if text is None else ERASED for text in texts)
    return {
        "of_order": row["order_id"],
        "address": address,
        "failure": failure,
        "asked_for": asked_for,
    }


def _event_change(row: RowMapping) -> dict[str, Any] | None:
    content = erased_json(row["payload"]).decode()
    if content == row["payload"]:
        return None
    return {"of_order": row["order_id"], "version": row["order_version"], "content": content}
