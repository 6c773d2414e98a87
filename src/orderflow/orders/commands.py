"""The use cases that write orders.

Each takes a list of commands and returns a list of results, in one transaction that the group commit opened.
The writes to orders, idempotency keys, counters and outbox rows are visible here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import RowMapping

from orderflow.database import bulk
from orderflow.database.dialects import ids_parameter, locked, one_of
from orderflow.database.transaction import Transaction
from orderflow.orders import events, observed, outbox, stream
from orderflow.orders.counters import count_moves
from orderflow.orders.hand_off import HandOff
from orderflow.orders.model import (
    EVENT_TYPES,
    Action,
    Attention,
    AttentionChange,
    Fulfillment,
    IllegalTransition,
    OrderState,
    Status,
    apply_action,
    apply_update,
)
from orderflow.orders.placement import PlaceOrder, insert_new
from orderflow.orders.tables import idempotency_keys, order_changes, orders

ROW_LOCK_TIMEOUT_MS = 50
"""How long an update waits for a row that another transaction has locked. After that the batch is bisected to
set the update aside, so that it does not hold up the only writer for long."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The order is durable, and new."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The key was used before with the same order: answer with that one."""

    order_id: str


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key was used before with another order."""


@dataclass(frozen=True, slots=True)
class KeyInProgress:
    """The first request with this key still runs, in another process."""


PlaceResult = Placed | Replay | KeyReused | KeyInProgress


def place_orders(
    tx: Transaction, commands: Sequence[PlaceOrder], *, hand_off: HandOff | None = None
) -> list[PlaceResult]:
    """Insert the orders whose idempotency key is new, with their items, events and counters.

    If this process's relay has room, `hand_off` receives their events after the commit; otherwise any relay
    will find them in the outbox. An order that already exists under the id of a command was committed by an
    earlier try whose answer was lost.
    """
    committed = _committed(tx, commands) if tx.may_be_committed else set[str]()
    new = [command for command in _first_of_each_key(commands) if command.order_id not in committed]
    leased = hand_off is not None and hand_off.has_room(len(new))
    refused = insert_new(tx, new, lease_ms=outbox.LEASE_MS if leased else -1)
    placed = [command for command in new if command.order_id not in refused] if refused else new
    if hand_off is not None and leased:
        tx.after_commit(lambda: hand_off.put([command.event for command in placed]))
    observed.count_placed(tx, len(placed))
    if len(placed) == len(commands):
        return [Placed()] * len(commands)
    results = dict.fromkeys([*committed, *(command.order_id for command in placed)], Placed())
    there = _find_keys(tx, [c for c in commands if c.order_id not in results])
    return [results.get(command.order_id) or _of_earlier(command, there) for command in commands]


def _first_of_each_key(commands: Sequence[PlaceOrder]) -> Sequence[PlaceOrder]:
    """If commands of a batch have the same key, the first one wins."""
    firsts = {(command.caller, command.key or command.order_id): command for command in reversed(commands)}
    return commands if len(firsts) == len(commands) else [*firsts.values()]


def _committed(tx: Transaction, commands: Sequence[PlaceOrder]) -> set[str]:
    ids = to_json([command.order_id for command in commands]).decode()
    return set(tx.connection.scalars(_THERE, {"ids": ids}))


_THERE = sa.select(orders.c.order_id).where(one_of(orders.c.order_id, "ids"))


def _find_keys(tx: Transaction, commands: Sequence[PlaceOrder]) -> dict[tuple[str, str], tuple[str, str]]:
    """The order id and request hash that are stored for these commands' keys, by caller and key."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for caller in {command.caller for command in commands}:
        keys = [command.key for command in commands if command.caller == caller]
        rows = tx.connection.execute(_KEYS, {"by": caller, "keys": to_json(keys).decode()})
        found.update({(caller, row.key): (row.order_id, row.request_hash) for row in rows})
    return found


_KEYS = sa.select(idempotency_keys.c.key, idempotency_keys.c.order_id, idempotency_keys.c.request_hash).where(
    idempotency_keys.c.caller == sa.bindparam("by"), one_of(idempotency_keys.c.key, "keys")
)


def _of_earlier(
    command: PlaceOrder, there: dict[tuple[str, str], tuple[str, str]]
) -> Replay | KeyReused | KeyInProgress:
    earlier = there.get((command.caller, command.key or ""))
    if earlier is None:
        return KeyInProgress()  # the key was removed between the insert and this query
    order_id, request_hash = earlier
    return Replay(order_id) if request_hash == command.request_hash else KeyReused()


@dataclass(frozen=True, slots=True)
class UpdateOrder:
    """A status update as PATCH requests it, where absent parts stay as they are, or an action.

    `at` and `correlation_id` together distinguish it from every other update of the order.
    """

    order_id: str
    status: Status | None
    fulfillment: Fulfillment | None
    attention: AttentionChange | None
    at: datetime
    actor: str
    reason: str | None
    correlation_id: str
    versions: frozenset[int] | None = None
    """The versions that the order may have before the update; None accepts any version."""
    action: Action | None = None
    """If it is given, status, fulfillment and attention are not looked at."""
    topic: str | None = None
    """Where the event about the move goes. Only an update that makes no move with an event can do without."""
    traceparent: str | None = None
    owner: str | None = None
    """If it is given, the orders of other customers do not exist for this update."""
    version: int | None = None
    """For a move that was made before, and is taken back from its event: the version that it made."""

    @property
    def rows(self) -> int:
        return 3


@dataclass(frozen=True, slots=True)
class Updated:
    """The order is now as the update says, in this status; `changed` is False if it was already."""

    changed: bool
    status: Status


@dataclass(frozen=True, slots=True)
class UnknownOrder:
    pass


@dataclass(frozen=True, slots=True)
class StaleVersion:
    """The order's version is none of those that the update accepts; nothing was changed."""

    version: int


UpdateResult = Updated | UnknownOrder | StaleVersion | IllegalTransition


def update_orders(tx: Transaction, commands: Sequence[UpdateOrder]) -> list[UpdateResult]:
    """Apply the updates in list order. An illegal one changes nothing and fails alone; a repeat is a success.
    No other function changes a status. The moves that have an event get it in the same transaction.

    If the answer to an earlier COMMIT was lost, an order that the earlier try changed is left alone, and its
    updates get the answers that the earlier try would have given.
    """
    rows = _lock_orders(tx, {command.order_id for command in commands})
    earlier = _earlier_results(tx, commands, rows) if tx.may_be_committed else {}
    states = {order_id: state_of(row) for order_id, row in rows.items()}
    changed: dict[str, UpdateOrder] = {}
    history: list[tuple[object, ...]] = []
    moves: list[outbox.OutboxRow] = []
    changes: list[stream.Change] = []
    results: list[UpdateResult] = []
    for index, command in enumerate(commands):
        before = states.get(command.order_id)
        if before is None or command.owner not in (None, rows[command.order_id]["customer_id"]):
            results.append(UnknownOrder())
            continue
        if index in earlier:
            results.append(earlier[index])
            continue
        stale = command.versions is not None and before.version not in command.versions
        after = _applied(before, command)
        if stale and after is not before:  # a repeat succeeds, whatever the version is
            results.append(StaleVersion(before.version))
            continue
        if isinstance(after, IllegalTransition):
            results.append(after)
            continue
        if command.version is not None and after is not before:
            after = replace(after, version=max(after.version, command.version))
        results.append(Updated(after is not before, after.status))
        if after is not before:
            states[command.order_id] = after
            changed[command.order_id] = command
            history.append(_change(command, after))
            customer_id = rows[command.order_id]["customer_id"]
            changes.append(stream.change(command.order_id, after, command.at, customer_id))
            if event_type := EVENT_TYPES.get((before.status, after.status)):
                moves.append(_event(event_type, command, after))
    outbox.append(tx, moves)
    if changed:
        stream.append(tx, changes)
        _write_changes(tx, {i: (states[i], changed[i].at) for i in sorted(changed)}, history)
        count_moves(tx, rows, states)
        observed.count_shipped(tx, rows, changed, states)
    return results


def _earlier_results(
    tx: Transaction, commands: Sequence[UpdateOrder], rows: dict[str, RowMapping]
) -> dict[int, UpdateResult]:
    """The answers of an earlier try, by index, for the orders that it changed.

    The history identifies an update by its instant and correlation id. An update that changed nothing is not
    in the history; but the history shows the status that the order had at that time, and so whether the
    update was legal.
    """
    results: dict[int, UpdateResult] = {}
    for order_id, made in _history(tx, list(rows)).items():
        own = [(index, command) for index, command in enumerate(commands) if command.order_id == order_id]
        traces = [made[_trace(command)] for _, command in own if _trace(command) in made]
        if not traces:
            continue
        status, now = traces[0].before, state_of(rows[order_id])
        for index, command in own:
            if found := made.get(_trace(command)):
                status = found.after
                results[index] = Updated(changed=True, status=status)
            else:
                results[index] = _without_trace(replace(now, status=status), command)
    return results


class _Move(NamedTuple):
    """The status before a change, and after it."""

    before: Status
    after: Status


def _trace(command: UpdateOrder) -> tuple[datetime, str]:
    return command.at, command.correlation_id


def _history(tx: Transaction, order_ids: Sequence[str]) -> dict[str, dict[tuple[datetime, str], _Move]]:
    """The changes of each order, by their instant and correlation id."""
    history: dict[str, dict[tuple[datetime, str], _Move]] = {}
    last: dict[str, Status] = {}
    for row in tx.connection.execute(_CHANGES, ids_parameter(order_ids)):
        move = _Move(last.get(row.order_id, Status.CREATED), Status(row.status))
        history.setdefault(row.order_id, {})[row.at, row.correlation_id] = move
        last[row.order_id] = move.after
    return history


_CHANGES = (
    sa.select(
        order_changes.c.order_id, order_changes.c.at, order_changes.c.correlation_id, order_changes.c.status
    )
    .where(one_of(order_changes.c.order_id, "ids"))
    .order_by(order_changes.c.order_id, order_changes.c.version)
)


def _without_trace(state: OrderState, command: UpdateOrder) -> UpdateResult:
    """The answer to an update that changed nothing: it was illegal, a repeat, or for another version."""
    after = _applied(state, command)
    if isinstance(after, IllegalTransition):
        return after
    if command.versions is not None and after is not state:
        return StaleVersion(state.version)
    return Updated(changed=False, status=state.status)


def _applied(state: OrderState, command: UpdateOrder) -> OrderState | IllegalTransition:
    if command.action is not None:
        return apply_action(state, command.action)
    return apply_update(state, command.status, command.fulfillment, command.attention)


def _event(event_type: str, command: UpdateOrder, after: OrderState) -> outbox.OutboxRow:
    if command.topic is None:
        raise ValueError(f"an update that publishes {event_type} needs a topic")
    return events.of_move(
        event_type,
        topic=command.topic,
        order_id=command.order_id,
        order_version=after.version,
        at=command.at,
        correlation_id=command.correlation_id,
        traceparent=command.traceparent,
    )


def _lock_orders(tx: Transaction, order_ids: set[str]) -> dict[str, RowMapping]:
    """Lock the orders in the order of their ids, so that two batches never deadlock; returns them by id."""
    rows = tx.connection.execute(_LOCKED, ids_parameter(order_ids)).mappings()
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

_LOCKED = locked(
    sa.select(*_STATE_COLUMNS, orders.c.customer_id)
    .where(one_of(orders.c.order_id, "ids"))
    .order_by(orders.c.order_id),
    orders,
    lock_timeout_ms=ROW_LOCK_TIMEOUT_MS,
)


def state_of(row: RowMapping) -> OrderState:
    """The part of an order that changes, from its row."""
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
    tx: Transaction, states: dict[str, tuple[OrderState, datetime]], history: list[tuple[object, ...]]
) -> None:
    tx.add(_UPDATE, [(order_id, *_state_row(state), at) for order_id, (state, at) in states.items()])
    tx.add(_ADD_HISTORY, history)


_UPDATE = bulk.Update(orders, ("order_id",), (*(column.name for column in _STATE_COLUMNS[1:]), "updated_at"))
_ADD_HISTORY = bulk.Insert(order_changes, _CHANGE_COLUMNS)


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
