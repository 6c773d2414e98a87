"""The use cases that write. Set-oriented: a list of commands in, a list of results out, in one
transaction that the group commit opened; orders, idempotency keys, counters and outbox rows are written
here, visibly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import Connection, RowMapping

from orderflow.contracts.orders_api import OrderIn
from orderflow.database import bulk
from orderflow.database.dialects import lock_timeout, one_of
from orderflow.database.group_commit import Contended
from orderflow.orders import outbox
from orderflow.orders.counters import count_statuses
from orderflow.orders.model import (
    Attention,
    AttentionChange,
    Fulfillment,
    IllegalTransition,
    OrderState,
    Status,
    apply_update,
)
from orderflow.orders.tables import idempotency_keys, order_changes, order_items, orders

KEY_LOCK_TIMEOUT_MS = 10
ROW_LOCK_TIMEOUT_MS = 50
"""A row that somebody else holds is put aside, by bisection: it must not hold up the only writer for long."""


class IdempotencyKey(NamedTuple):
    """`request_hash` is over the canonical validated order, so that single and batch calls agree."""

    caller: str
    key: str
    request_hash: str


class PlaceOrder(NamedTuple):
    """An accepted order with everything about it decided before it is queued, its id and event included."""

    order_id: str
    order: OrderIn
    created_at: datetime
    correlation_id: str
    actor: str
    key: IdempotencyKey | None
    event: outbox.OutboxRow

    @property
    def rows(self) -> int:
        return len(self.order.items) + 3


@dataclass(frozen=True, slots=True)
class Placed:
    """The order is durable, and new. `handed_off`: its event goes to this process's relay after the
    commit."""

    handed_off: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """The key was used before with the same order: answer with that one."""

    order_id: str


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key was used before with another order."""


PlaceResult = Placed | Replay | KeyReused | Contended


def place_orders(
    connection: Connection,
    commands: Sequence[PlaceOrder],
    *,
    again: bool,
    relay_takes: Callable[[int], bool] = lambda _count: False,
) -> list[PlaceResult]:
    """Insert the orders whose idempotency key is new, with their items and events.

    `relay_takes` says whether this process's relay has room for so many events after the commit.
    """
    results = _claim_keys(connection, commands)
    winners = [i for i, result in enumerate(results) if isinstance(result, Placed)]
    if again:
        winners = _without_committed(connection, commands, winners)
    if winners:
        new = [commands[i] for i in winners]
        handed_off = relay_takes(len(new))
        writes = bulk.Writes(connection)
        _insert_orders(writes, new)
        outbox.append(writes, [command.event for command in new], leased=handed_off)
        count_statuses(writes, {Status.CREATED: len(new)})
        writes.send()
        placed = Placed(handed_off)
        for i in winners:
            results[i] = placed
    return results


def _claim_keys(connection: Connection, commands: Sequence[PlaceOrder]) -> list[PlaceResult]:
    """Insert the keys first, sorted; whoever's row it is has won. The first of equal keys in a batch wins."""
    keyed = {(command.key.caller, command.key.key): command for command in reversed(commands) if command.key}
    if not keyed:
        return [Placed()] * len(commands)
    new = bulk.insert_ignore(
        connection,
        idempotency_keys,
        _KEY_COLUMNS,
        [
            (*key, _hash_of(command), command.order_id, command.created_at)
            for key, command in sorted(keyed.items())
        ],
        lock_timeout_ms=KEY_LOCK_TIMEOUT_MS,
    )
    found = _find_keys(connection, keyed.keys() - new)
    found |= {key: (keyed[key].order_id, _hash_of(keyed[key])) for key in new}
    return [_key_result(command, found) for command in commands]


def _hash_of(command: PlaceOrder) -> str:
    return command.key.request_hash if command.key else ""


_KEY_COLUMNS = ("caller", "key", "request_hash", "order_id", "created_at")


def _find_keys(connection: Connection, keys: set[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Order id and request hash of keys that were there before."""
    if not keys:
        return {}
    rows = connection.execute(
        sa.select(
            idempotency_keys.c.caller,
            idempotency_keys.c.key,
            idempotency_keys.c.order_id,
            idempotency_keys.c.request_hash,
        ).where(sa.tuple_(idempotency_keys.c.caller, idempotency_keys.c.key).in_(list(keys)))
    )
    return {(row.caller, row.key): (row.order_id, row.request_hash) for row in rows}


def _key_result(command: PlaceOrder, found: dict[tuple[str, str], tuple[str, str]]) -> PlaceResult:
    if command.key is None:
        return Placed()
    there = found.get((command.key.caller, command.key.key))
    if there is None:
        return Contended()  # it went away while we looked
    order_id, request_hash = there
    if order_id == command.order_id:
        return Placed()
    return Replay(order_id) if request_hash == command.key.request_hash else KeyReused()


def _without_committed(
    connection: Connection, commands: Sequence[PlaceOrder], winners: list[int]
) -> list[int]:
    """The answer to COMMIT was lost: an order that is there under our own id was committed."""
    ids = [commands[i].order_id for i in winners]
    there = set(connection.scalars(sa.select(orders.c.order_id).where(orders.c.order_id.in_(ids))))
    return [i for i in winners if commands[i].order_id not in there]


def _insert_orders(writes: bulk.Writes, commands: Sequence[PlaceOrder]) -> None:
    writes.insert(orders, _ORDER_COLUMNS, [_order_row(command) for command in commands])
    writes.insert(
        order_items,
        _ITEM_COLUMNS,
        [
            (
                command.order_id,
                line,
                item.product_id,
                item.quantity,
                item.unit_price.amount_minor if item.unit_price else None,
            )
            for command in commands
            for line, item in enumerate(command.order.items, 1)
        ],
    )


_ORDER_COLUMNS = (
    "order_id",
    "customer_id",
    "customer_name",
    "currency",
    "ship_to",
    "created_at",
    "correlation_id",
    "status",
    "version",
    "updated_at",
)
_ITEM_COLUMNS = ("order_id", "line", "product_id", "quantity", "unit_price_minor")


def _order_row(command: PlaceOrder) -> tuple[object, ...]:
    order = command.order
    return (
        command.order_id,
        order.customer.customer_id,
        order.customer.name,
        _currency(order),
        _json_or_none(order.ship_to),
        command.created_at,
        command.correlation_id,
        Status.CREATED.value,
        1,
        command.created_at,
    )


def _currency(order: OrderIn) -> str | None:
    price = order.items[0].unit_price
    return price.currency if price else None


def _json_or_none(value: Any) -> str | None:
    return None if value is None else to_json(value, exclude_none=True).decode()


@dataclass(frozen=True, slots=True)
class UpdateOrder:
    """A status update as PATCH brings it; absent parts stay as they are."""

    order_id: str
    status: Status | None
    fulfillment: Fulfillment | None
    attention: AttentionChange | None
    at: datetime
    actor: str
    reason: str | None
    correlation_id: str

    @property
    def rows(self) -> int:
        return 2


@dataclass(frozen=True, slots=True)
class Updated:
    """The order is as the update says; `changed` is False when it was so before."""

    changed: bool


@dataclass(frozen=True, slots=True)
class UnknownOrder:
    pass


UpdateResult = Updated | UnknownOrder | IllegalTransition


def update_orders(
    connection: Connection, commands: Sequence[UpdateOrder], *, again: bool
) -> list[UpdateResult]:
    """Apply the updates in list order. Illegal ones change nothing and fail alone; repeats are a success."""
    del again  # a repeated update is a success in any case
    rows = _lock_orders(connection, {command.order_id for command in commands})
    states = {order_id: state_of(row) for order_id, row in rows.items()}
    changed: dict[str, UpdateOrder] = {}
    history: list[tuple[object, ...]] = []
    results: list[UpdateResult] = []
    for command in commands:
        before = states.get(command.order_id)
        if before is None:
            results.append(UnknownOrder())
            continue
        try:
            after = apply_update(before, command.status, command.fulfillment, command.attention)
        except IllegalTransition as error:
            results.append(error)
            continue
        results.append(Updated(after is not before))
        if after is not before:
            states[command.order_id] = after
            changed[command.order_id] = command
            history.append(_change(command, after))
    if changed:
        writes = bulk.Writes(connection)
        _write_changes(writes, {i: (states[i], changed[i].at) for i in sorted(changed)}, history)
        count_statuses(writes, _differences(rows, states))
        writes.send()
    return results


def _lock_orders(connection: Connection, order_ids: set[str]) -> dict[str, RowMapping]:
    """The orders, locked in order of their id so that two batches never wait for each other in a ring."""
    rows = connection.execute(_LOCKED, {"ids": to_json(order_ids).decode()}).mappings()
    return {row["order_id"]: row for row in rows}


_STATE_COLUMNS = (
    orders.c.order_id,
    orders.c.status,
    orders.c.version,
    orders.c.carrier,
    orders.c.tracking_number,
    orders.c.shipped_at,
    orders.c.error_message,
    orders.c.attention_kind,
    orders.c.attention_reason,
    orders.c.attention_since,
)

_LOCKED = (
    sa.select(*_STATE_COLUMNS)
    .where(lock_timeout(ROW_LOCK_TIMEOUT_MS), one_of(orders.c.order_id, "ids"))
    .order_by(orders.c.order_id)
    .with_for_update()
)


def state_of(row: RowMapping) -> OrderState:
    """The changing part of an order out of its row."""
    kind = row["attention_kind"]
    return OrderState(
        status=Status(row["status"]),
        version=row["version"],
        fulfillment=Fulfillment(
            row["carrier"], row["tracking_number"], row["shipped_at"], row["error_message"]
        ),
        attention=None if kind is None else Attention(kind, row["attention_reason"], row["attention_since"]),
    )


_CHANGE_COLUMNS = ("order_id", "version", "at", "status", "actor", "reason", "correlation_id")


def _change(command: UpdateOrder, after: OrderState) -> tuple[object, ...]:
    return (
        command.order_id,
        after.version,
        command.at,
        after.status.value,
        command.actor,
        command.reason,
        command.correlation_id,
    )


def _write_changes(
    writes: bulk.Writes, states: dict[str, tuple[OrderState, datetime]], history: list[tuple[object, ...]]
) -> None:
    writes.update(
        orders,
        keys=("order_id",),
        values=(*_STATE_NAMES, "updated_at"),
        rows=[(order_id, *_state_row(state), at) for order_id, (state, at) in states.items()],
    )
    writes.insert(order_changes, _CHANGE_COLUMNS, history)


_STATE_NAMES = tuple(column.name for column in _STATE_COLUMNS[1:])


def _state_row(state: OrderState) -> tuple[object, ...]:
    sent, attention = state.fulfillment, state.attention
    return (
        state.status.value,
        state.version,
        sent.carrier,
        sent.tracking_number,
        sent.shipped_at,
        sent.error_message,
        *((attention.kind, attention.reason, attention.since) if attention else (None, None, None)),
    )


def _differences(before: dict[str, RowMapping], after: dict[str, OrderState]) -> dict[Status, int]:
    changes: dict[Status, int] = {}
    for order_id, state in after.items():
        was = Status(before[order_id]["status"])
        if was is not state.status:
            changes[was] = changes.get(was, 0) - 1
            changes[state.status] = changes.get(state.status, 0) + 1
    return changes
