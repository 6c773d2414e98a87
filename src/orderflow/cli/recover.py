"""`recover`: brings both services together again after a database was restored from a backup."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from orderflow.cli.configuration import ago, load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse, complain, write_line

if TYPE_CHECKING:  # SQLAlchemy and the settings cost more time than `orderflow version` may take
    from sqlalchemy.engine import Connection

    from orderflow.database.transaction import Transaction
    from orderflow.fulfillment.restored import Outcome
    from orderflow.orders.commands import UpdateOrder
    from orderflow.orders.model import Status
    from orderflow.orders.placement import PlaceOrder
    from orderflow.orders.restored import Lost
    from orderflow.settings import Settings

MARGIN = timedelta(minutes=10)
"""Before the time that was given: clocks differ, and what was placed last may have missed the backup."""
ORDERS_A_WRITE = 500
_FIRST = datetime(1970, 1, 1, tzinfo=UTC) + MARGIN
"""The event log knows no times before this one."""


@dataclass(slots=True)
class Recovered:
    """What was taken back. `placed_again`: the id of an order that was lost, by that of the order that was
    placed with its idempotency key since."""

    orders: int = 0
    changed: set[str] = field(default_factory=set[str])
    placed_again: dict[str, str] = field(default_factory=dict[str, str])
    unfit: set[str] = field(default_factory=set[str])
    in_doubt: set[str] = field(default_factory=set[str])
    shipments: int = 0
    turned_back: int = 0
    sent_again: int = 0


def recover(
    *,
    since: Annotated[
        str,
        Parameter(help="When the backup was made, or earlier: 2026-02-10T09:30:00Z, or 30m, 24h, 7d ago."),
    ],
    dry_run: Annotated[
        bool, Parameter(negative="", help="Say what would be taken back, and change nothing.")
    ] = False,
    yes: Annotated[bool, Parameter(negative="", help="Do it.")] = False,
) -> int:
    """After a restore of one or both databases: take back what the event log and fulfillment still know.

    No role may run meanwhile, and the event log must answer. Exit 1 if orders were placed twice, or events
    are not what they should be.
    """
    if dry_run == yes:
        raise WrongUse("look first with --dry-run, then give --yes")
    at = _time(since)
    settings = load_settings()
    from orderflow.cli.roles import expected_errors

    with expected_errors():
        done = _recover(settings, max(at, _FIRST) - MARGIN, dry_run=dry_run)
    would = "would be " if dry_run else ""
    write_line(f"{done.orders} lost orders {would}taken back from the event log")
    write_line(f"{len(done.changed)} orders {would}brought up to what was known of them")
    write_line(f"{len(done.in_doubt)} cancellations {would}left to a person, with attention")
    write_line(f"{done.shipments} shipments {would}closed as their orders say")
    write_line(f"{done.turned_back} shipments of failed or cancelled orders {would}turned back")
    write_line(f"{done.sent_again} events of unfinished orders {would}sent again")
    for lost, again in sorted(done.placed_again.items()):
        complain(
            f"order {lost} is not taken back: {again} was placed with its idempotency key since; cancel one"
        )
    for order_id in sorted(done.unfit):
        complain(f"order {order_id}: an event on the topic that no Order Service writes is not taken back")
    return 1 if done.placed_again or done.unfit else 0


def _time(since: str) -> datetime:
    try:
        at = ago(since) or datetime.fromisoformat(since)
    except ValueError:
        raise WrongUse("--since takes a time such as 2026-02-10T09:30:00Z, or 30m, 24h, 7d") from None
    if at.tzinfo is None:
        raise WrongUse("--since takes a time with its offset, such as 2026-02-10T09:30:00Z")
    if at > datetime.now(UTC):
        raise WrongUse("--since takes the time of a backup, and this one is yet to come")
    return at


def _recover(settings: Settings, since: datetime, *, dry_run: bool) -> Recovered:
    from orderflow.app import databases
    from orderflow.database.opening import prepared, sole_use_of_files
    from orderflow.database.transaction import Transaction
    from orderflow.messaging.connect import open_bus
    from orderflow.orders import restored, stream
    from orderflow.orders.moving import send_again
    from orderflow.orders.sequencer import LOCK as SEQUENCER
    from orderflow.runtime.processes import lock_data_dir

    sources = databases(settings)
    topic = settings.orders_topic
    done = Recovered()
    with ExitStack() as stack:
        if settings.bus_url == "embedded:":
            stack.enter_context(lock_data_dir(settings.data_dir))
        stack.enter_context(sole_use_of_files(sources, ()))
        bus = stack.enter_context(open_bus(settings))
        of_orders, of_fulfillment = (
            stack.enter_context(prepared(source, migrates=settings.migrates_at_start)) for source in sources
        )
        with of_fulfillment.reader.connect() as reader:
            _refuse_workers(reader)
        kept_s = settings.orders_kept_s
        kept_since = None if kept_s is None else datetime.now(UTC) - timedelta(seconds=kept_s)
        with of_orders.reader.connect() as reader:
            lost = restored.lost(reader, restored.logged(bus.history(since)), topic, kept_since)
        done.unfit = lost.unfit
        # Each database changes wholly or not at all, and a recovery that was interrupted is made again.
        with of_orders.writer.connect() as connection, connection.begin() as transaction:
            tx = Transaction(connection)
            tx.dialect.take_time(connection)
            if not tx.dialect.try_lock(connection, SEQUENCER):
                raise CommandFailed("an api or a relay runs: stop all roles first")
            _place(tx, list(lost.orders.values()), done)
            done.changed = restored.take_back(tx, lost.moves)
            with of_fulfillment.writer.connect() as fulfillment, fulfillment.begin() as shipping:
                shipments = Transaction(fulfillment)
                shipments.dialect.take_time(fulfillment)
                _compare(tx, shipments, lost, topic, done)
                done.shipments, done.turned_back = _close(tx, shipments, since)
                shipments.send()
                _refuse_workers(fulfillment)
                if dry_run:
                    shipping.rollback()
            done.sent_again = send_again(tx.connection, topic)
            stream.shift(tx.connection)
            tx.send()
            if dry_run:
                transaction.rollback()
    return done


def _refuse_workers(fulfillment: Connection) -> None:
    """At the beginning, and once more when all has been done: reading the event log may take long."""
    from orderflow.fulfillment.restored import is_worked_on

    if is_worked_on(fulfillment):
        raise CommandFailed("a fulfillment worker runs, or ended some seconds ago: stop all roles first")


def _compare(tx: Transaction, fulfillment: Transaction, lost: Lost, topic: str, done: Recovered) -> None:
    """Bring orders to where their shipments are."""
    from orderflow.fulfillment.restored import outcomes
    from orderflow.orders import restored

    now = datetime.now(UTC)
    requested = list(lost.cancelling)
    for begin in range(0, len(requested), ORDERS_A_WRITE):
        some = requested[begin : begin + ORDERS_A_WRITE]
        known = outcomes(fulfillment.connection, some)
        certain = [each for each in some if each in known and known[each].is_begun]
        doubtful = [each for each in some if each not in certain]
        done.changed |= restored.take_back(tx, [lost.cancelling[each] for each in certain])
        held = restored.take_back(tx, [restored.in_doubt(lost.cancelling[each], now) for each in doubtful])
        done.in_doubt |= held
    for statuses in restored.unfinished(tx.connection):
        known = outcomes(fulfillment.connection, list(statuses))
        reached = [_updates(each, statuses[each], outcome, topic) for each, outcome in known.items()]
        done.changed |= restored.take_back(tx, reached)


def _close(tx: Transaction, fulfillment: Transaction, since: datetime) -> tuple[int, int]:
    """Close shipments whose orders have shipped, and turn back those whose orders have ended otherwise;
    returns the numbers of both."""
    from orderflow.fulfillment.restored import Shipped, take_back, turn_back
    from orderflow.orders import restored

    now = datetime.now(UTC)
    shipped = restored.shipped(tx.connection, since)
    given_up = restored.given_up(tx.connection, since)
    return (
        sum(take_back(fulfillment, [Shipped(*each) for each in some], now) for some in shipped),
        sum(turn_back(fulfillment, some, now) for some in given_up),
    )


def _place(tx: Transaction, orders: Sequence[PlaceOrder], done: Recovered) -> None:
    from orderflow.orders.commands import KeyReused, Placed, Replay, place_orders

    for begin in range(0, len(orders), ORDERS_A_WRITE):
        some = orders[begin : begin + ORDERS_A_WRITE]
        for command, result in zip(some, place_orders(tx, some), strict=True):
            if isinstance(result, Placed):
                done.orders += 1
            elif isinstance(result, Replay):
                done.placed_again[command.order_id] = f"order {result.order_id}"
            elif isinstance(result, KeyReused):
                done.placed_again[command.order_id] = "another order"


def _updates(order_id: str, status: Status, outcome: Outcome, topic: str) -> list[UpdateOrder]:
    """The moves by which an order gets to where its shipment is."""
    from orderflow.orders.commands import UpdateOrder
    from orderflow.orders.model import Action, Attention, AttentionChange, Fulfillment, Status
    from orderflow.orders.restored import ACTOR, REASON

    now = datetime.now(UTC)
    shipped = Fulfillment(outcome.carrier, outcome.tracking_number, outcome.shipped_at, outcome.error)

    def update(
        to: Status | None = None,
        action: Action | None = None,
        fulfillment: Fulfillment | None = None,
        attention: AttentionChange | None = None,
    ) -> UpdateOrder:
        return UpdateOrder(
            order_id, to, fulfillment, attention, now, ACTOR, REASON, ACTOR, action=action, topic=topic
        )

    moves: list[UpdateOrder] = []
    if outcome.is_begun and status is Status.ON_HOLD:
        moves.append(update(action=Action.RELEASE))
    if outcome.is_begun and status in (Status.CREATED, Status.ON_HOLD):
        moves.append(update(Status.PROCESSING))
    if outcome.status == Status.CANCELLED:
        moves += [update(action=Action.CANCEL), update(Status.CANCELLED)]
    elif outcome.status is not None:
        moves.append(update(Status(outcome.status), fulfillment=shipped))
    if outcome.parked is not None:
        attention = Attention(outcome.parked, outcome.note or REASON, now)
        moves.append(update(attention=AttentionChange(attention)))
    return moves
