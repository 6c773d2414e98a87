"""Claims: a worker takes shipments that no live worker owns and that it can go on with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import RowMapping

from orderflow.database.dialects import ids_parameter, locked, now_ms, one_of
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import lease
from orderflow.fulfillment.capacity import within
from orderflow.fulfillment.carriers import Label
from orderflow.fulfillment.decisions import WAIT_MS_MAX
from orderflow.fulfillment.model import Owner, Shipment, State, Step, changed, decode_ended
from orderflow.fulfillment.tables import shipments

row = shipments.c

CLAIM_BYTES_MAX = 32 * 1024 * 1024
"""At most so many bytes of requests in one claim of fresh shipments, and in one of those that failed
before."""


PARTY_AWAY_MS = 60_000
"""If no live worker can ask a shipment's party, the shipment is for a person only once it has been due for
so long: a worker that can ask may be starting."""

RECALLED_ROWS_MAX = 1_000
FRESH_AHEAD_MS = 60_000
"""The most by which clocks are taken to differ."""


@dataclass(frozen=True, slots=True)
class ClaimDue:
    """Asks for shipments that are free and due, at most `retried_max` of which have failed before. `parties`
    are those that the owner can ask."""

    owner: Owner
    rows_max: int
    retried_max: int
    parties: tuple[str, ...]

    @property
    def rows(self) -> int:
        return self.rows_max


def claim_due(tx: Transaction, commands: Sequence[ClaimDue]) -> list[list[Shipment] | None]:
    """Take free shipments under the owner's epoch, the longest due first.

    A shipment is free when no live lease has its exact worker and epoch. One that a party may have done
    something for is left to workers that can ask that party; if none can, and it has been due for a minute,
    any worker takes it and gives it to a person. One that was in mid-call counts an interruption, and is
    CALLING as it was found; its row is READY, so a worker that vanishes before it calls interrupts nothing.
    None: the answer to an earlier try was lost, so nobody knows which shipments that try took.
    """
    if tx.may_be_committed:
        return [None] * len(commands)
    return [_claim_fairly(tx, command) for command in commands]


def _claim_fairly(tx: Transaction, command: ClaimDue) -> list[Shipment]:
    parties = {
        "parties": to_json(command.parties).decode(),
        "reachable": to_json(sorted(lease.reachable_parties(tx))).decode(),
    }
    retried = _claim(tx, command.owner, row.waits > 0, command.retried_max, parties)
    fresh = _claim(tx, command.owner, row.waits == 0, command.rows_max - len(retried), parties)
    return retried + fresh


@dataclass(frozen=True, slots=True)
class Recall:
    """Asks for shipments that are due later than any shipment can be."""

    @property
    def rows(self) -> int:
        return RECALLED_ROWS_MAX


def recall(tx: Transaction, commands: Sequence[Recall]) -> list[int]:
    """Make shipments due now if their due time was written before the database's clock went back. Returns the
    number of them."""
    return [_recall(tx) for _ in commands]


def _recall(tx: Transaction) -> int:
    order_ids = list(tx.connection.scalars(_DATED_AHEAD))
    if order_ids:
        due_now = sa.update(shipments).where(one_of(row.order_id, "ids")).values(due_at_ms=now_ms())
        tx.connection.execute(due_now, ids_parameter(order_ids))
    return len(order_ids)


_DATED_AHEAD = locked(
    sa.select(row.order_id)
    .where(
        row.due_at_ms > now_ms() + FRESH_AHEAD_MS,
        # A shipment that never waited became due when it was received.
        sa.or_(row.due_at_ms > now_ms() + WAIT_MS_MAX, sa.and_(row.waits == 0, row.note.is_(None))),
    )
    .limit(RECALLED_ROWS_MAX),
    shipments,
    skip_locked=True,
)

_MAY_TAKE = sa.or_(
    row.party.is_(None),
    row.state.not_in((State.READY, State.CALLING)),
    one_of(row.party, "parties"),
    sa.and_(row.due_at_ms <= now_ms() - PARTY_AWAY_MS, sa.not_(one_of(row.party, "reachable"))),
)

_IN_CALL = row.state == State.CALLING


def _claim(
    tx: Transaction,
    owner: Owner,
    which: sa.ColumnElement[bool],
    rows_max: int,
    parties: Mapping[str, str],
) -> list[Shipment]:
    own = sa.and_(row.worker_id == owner.worker_id, row.epoch == owner.epoch)
    others = sa.or_(row.worker_id.is_(None), sa.not_(own))
    free = (
        sa.select(row.order_id, sa.func.length(row.request), row.state)
        .where(
            row.due_at_ms.is_not(None),
            row.due_at_ms <= now_ms(),
            which,
            others,
            ~lease.is_live(row.worker_id, row.epoch),
            _MAY_TAKE,
        )
        .order_by(row.due_at_ms, row.order_id)
        .limit(rows_max)
    )
    due = tx.connection.execute(locked(free, shipments, skip_locked=True), parties).all()
    order_ids = within(((order_id, size) for order_id, size, _ in due), CLAIM_BYTES_MAX)
    if not order_ids:
        return []
    claimed = tx.connection.execute(
        sa.update(shipments)
        .where(one_of(row.order_id, "ids"))
        .values(
            worker_id=owner.worker_id,
            epoch=owner.epoch,
            state=sa.case((_IN_CALL, State.READY), else_=row.state),
            interruptions=row.interruptions + sa.case((_IN_CALL, 1), else_=0),
        )
        .returning(*_CLAIMED),
        ids_parameter(order_ids),
    ).mappings()
    by_id = {found["order_id"]: found for found in claimed}
    found_as = {order_id: State(state) for order_id, _, state in due}
    return [changed(shipment_of(by_id[order_id], owner), state=found_as[order_id]) for order_id in order_ids]


_CLAIMED = (
    row.order_id,
    row.correlation_id,
    row.traceparent,
    row.request,
    row.ordered_at,
    row.received_at,
    row.amount_minor,
    row.currency,
    row.step,
    row.direction,
    row.ended,
    row.cancel_requested_at,
    row.intent_at,
    row.party,
    row.state,
    row.attempts,
    row.waits,
    row.interruptions,
    row.shipment_id,
    row.carrier,
    row.tracking_number,
    row.shipped_at,
    row.error,
)


@dataclass(frozen=True, slots=True)
class NameParty:
    """Asks to store `party` with intents that are older than the column for it."""

    party: str


def name_party(tx: Transaction, commands: Sequence[NameParty]) -> list[int]:
    """Returns the number of intents that belong to the party from now on."""
    nameless = sa.and_(row.party.is_(None), row.intent_at.is_not(None))
    # Each half of this condition has an index.
    is_open = sa.or_(row.due_at_ms.is_not(None), row.parked_kind.is_not(None))
    name = sa.update(shipments).where(nameless, is_open)
    return [tx.connection.execute(name.values(party=command.party)).rowcount for command in commands]


def shipment_of(found: RowMapping, owner: Owner) -> Shipment:
    """The shipment of a row."""
    label = None
    if found["shipment_id"] is not None:
        label = Label(found["shipment_id"], found["carrier"], found["tracking_number"], found["shipped_at"])
    return Shipment(
        order_id=found["order_id"],
        owner=owner,
        correlation_id=found["correlation_id"],
        traceparent=found["traceparent"],
        request=found["request"],
        ordered_at=found["ordered_at"],
        received_at=found["received_at"],
        amount_minor=found["amount_minor"],
        currency=found["currency"],
        step=Step(found["step"]),
        undoing=found["direction"] == "undo",
        ended=decode_ended(found["ended"]),
        cancel_requested=found["cancel_requested_at"] is not None,
        intent_at=found["intent_at"],
        party=found["party"],
        state=State(found["state"]),
        attempts=found["attempts"],
        waits=found["waits"],
        interruptions=found["interruptions"],
        label=label,
        error=found["error"],
    )
