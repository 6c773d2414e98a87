"""The reconciler: repairs what the log lost.

If an order is neither finished nor on hold nor waiting for a person, and nothing was heard about it for too
long, its events are sent again; consumers drop events that they know already. An event that was never sent is
the relay's job, but the reconciler reports it if it waits for too long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog

from orderflow.database.batch import NotWritten
from orderflow.database.dialects import locked
from orderflow.database.engine import DatabaseUnavailable, reason
from orderflow.database.group_commit import GroupCommit
from orderflow.database.transaction import Transaction
from orderflow.orders.commands import UpdateOrder, update_orders
from orderflow.orders.model import Attention, AttentionChange, Status
from orderflow.orders.tables import orders, outbox
from orderflow.runtime.ids import FIRST_UUID, first_uuid7
from orderflow.runtime.loop import ThreadLoop
from orderflow.runtime.telemetry.metrics import REPAIRS

log = structlog.get_logger()

RE_EMISSIONS_MAX = 3
PATIENCE_FACTOR = 5
"""How many times longer each silence may be than the one before: 1, 5, 25, then 125 minutes by default."""
ORDERS_LOOKED_AT_MAX = 1_000
PAUSE_S = 5.0
BACKLOG_PAUSE_S = 0.5
STUCK = "stuck"
OUTBOX = "outbox"
"""The part that health names as degraded while an event waits too long to be published, for whatever
reason."""

_WAITING = (Status.CREATED.value, Status.PROCESSING.value, Status.CANCELLING.value)
"""The statuses in which an order waits for fulfillment."""


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Asks to look at the waiting orders with ids after `behind`, oldest first, at most `rows` of them."""

    now: datetime
    patience: timedelta
    behind: str
    rows: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """`behind` is where the next look goes on; empty to start over. `unpublished` is the oldest order with an
    event that is not parked and yet has waited to be published for longer than the patience."""

    sent_again: list[str]
    stuck: list[str]
    behind: str
    unpublished: str | None


def reconcile(tx: Transaction, commands: Sequence[Reconcile]) -> list[Reconciled]:
    """Free the events of overdue orders for the relay, which sends them in the order of their versions."""
    # This may be repeated after a lost COMMIT: an order whose events were sent again is not overdue any more.
    return [_reconcile(tx, command) for command in commands]


def _reconcile(tx: Transaction, command: Reconcile) -> Reconciled:
    # One query for each status: with a single one, a planner with old statistics might read every order.
    waiting = sorted(
        order_id
        for status in _WAITING
        for order_id in tx.connection.scalars(
            sa.select(orders.c.order_id)
            .where(
                orders.c.status == status,
                orders.c.attention_kind.is_(None),
                orders.c.order_id > (command.behind or FIRST_UUID),
                orders.c.order_id < first_uuid7(command.now - command.patience),
            )
            .order_by(orders.c.order_id)
            .limit(command.rows)
        )
    )
    looked_at = waiting[: command.rows]
    behind = looked_at[-1] if len(looked_at) == command.rows else ""
    # An order has been silent since its latest event: the release of an order that was on hold starts anew.
    silent = (
        sa.select(outbox.c.order_id, outbox.c.re_emissions)
        .where(
            outbox.c.order_id.in_(looked_at),
            ~sa.exists().where(
                _later.c.order_id == outbox.c.order_id, _later.c.order_version > outbox.c.order_version
            ),
            sa.or_(
                *(
                    (outbox.c.re_emissions == count)
                    & (outbox.c.published_at < command.now - command.patience * PATIENCE_FACTOR**count)
                    for count in range(RE_EMISSIONS_MAX + 1)
                )
            ),
        )
        .order_by(outbox.c.order_id)
    )
    overdue = tx.connection.execute(locked(silent, outbox, skip_locked=True)).all()
    again = [row.order_id for row in overdue if row.re_emissions < RE_EMISSIONS_MAX]
    stuck = [row.order_id for row in overdue if row.re_emissions >= RE_EMISSIONS_MAX]
    if again:
        tx.connection.execute(
            sa.update(outbox)
            .where(outbox.c.order_id.in_(again), outbox.c.published_at.is_not(None))
            .values(published_at=None, leased_until_ms=0, re_emissions=outbox.c.re_emissions + 1)
        )
    if stuck:
        update_orders(tx, [_stuck(order_id, command.now) for order_id in stuck])
    return Reconciled(again, stuck, behind, _unpublished(tx, command.now - command.patience))


_later = outbox.alias("later")


def _unpublished(tx: Transaction, before: datetime) -> str | None:
    return tx.connection.scalar(
        sa.select(outbox.c.order_id)
        .where(
            outbox.c.published_at.is_(None),
            outbox.c.parked_reason.is_(None),
            outbox.c.re_emissions == 0,
            outbox.c.created_at < before,
            outbox.c.order_id < first_uuid7(before),
        )
        .order_by(outbox.c.order_id)
        .limit(1)
    )


def _stuck(order_id: str, now: datetime) -> UpdateOrder:
    sent = f"{RE_EMISSIONS_MAX + 1} times"
    reason = f"Nothing was heard from fulfillment, though the order's events were sent {sent}."
    return UpdateOrder(
        order_id=order_id,
        status=None,
        fulfillment=None,
        attention=AttentionChange(Attention(STUCK, reason, now)),
        at=now,
        actor="reconciler",
        reason=reason,
        correlation_id="reconciler",
    )


class Reconciler:
    """One thread that looks at `orders_max` orders at most, every 5 s, or every 0.5 s while there are more.
    `patience_s` is how long the first silence may last, in seconds."""

    def __init__(
        self,
        writer: GroupCommit,
        *,
        patience_s: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        orders_max: int = ORDERS_LOOKED_AT_MAX,
    ) -> None:
        self._writer = writer
        self._orders_max = orders_max
        self._patience = timedelta(seconds=patience_s)
        self._clock = clock
        self._behind = ""
        self.loop = ThreadLoop(
            "reconciler",
            self.run_once,
            health=writer.health,
            pause_s=lambda: BACKLOG_PAUSE_S if self._behind else PAUSE_S,
            on_failure="try again",
        )
        self.sent_again = 0
        """Orders whose events this process has sent again since it started."""

    def start(self) -> None:
        self.loop.start()

    def close(self) -> None:
        self.loop.stop()
        self.loop.join()

    def run_once(self) -> Reconciled | None:
        """Take one look; returns None if it failed, which the next one makes up for."""
        command = Reconcile(self._clock(), self._patience, self._behind, self._orders_max)
        try:
            (outcome,) = self._writer.submit_blocking(reconcile, [command])
        except Exception as error:
            outcome = NotWritten(error)
        if isinstance(outcome, NotWritten):
            if not isinstance(outcome.cause, DatabaseUnavailable):
                log.error("reconciler.failed", reason=reason(outcome.cause))
            return None
        self._behind = outcome.behind
        self.sent_again += len(outcome.sent_again)
        REPAIRS.labels("re-emitted").inc(len(outcome.sent_again))
        REPAIRS.labels("attention").inc(len(outcome.stuck))
        if outcome.sent_again:
            log.warning("reconciler.sent_again", orders=len(outcome.sent_again), first=outcome.sent_again[0])
        for order_id in outcome.stuck:
            log.error("reconciler.stuck", order_id=order_id)
        self._note(outcome.unpublished)
        return outcome

    def _note(self, unpublished: str | None) -> None:
        if unpublished is None:
            self._writer.health.recovered(OUTBOX)
            return
        waited = f"for more than {self._patience.total_seconds():g} s"
        self._writer.health.trouble(OUTBOX, f"an event of order {unpublished} waits {waited} to be published")
