"""If the database's clock goes back by an hour, nothing that was due in that hour is held up."""

import asyncio
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World

from orderflow.database.dialects import now_ms
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import attentions, claims
from orderflow.fulfillment.attentions import Attention, ClaimAttentions
from orderflow.fulfillment.dead_letters import copies, redriver
from orderflow.fulfillment.dead_letters.copies import ClaimCopies
from orderflow.fulfillment.tables import dead_letters, redrives, shipments
from orderflow.runtime.ids import new_uuid4

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("ahead_ms", "waits", "note", "recalled"),
    [
        (HOUR_MS - 1_000, 0, None, True),  # due when it was received
        (30_000, 0, None, False),  # clocks differ a little
        (HOUR_MS + 5_000, 2, "the carrier answered 503", True),
        (HOUR_MS - 5_000, 6, "the carrier answered 503", False),  # the longest wait there is
        (HOUR_MS - 5_000, 0, "the order is OnHold", False),
    ],
)
def test_a_shipment_is_not_due_later_than_it_can_have_been_put_off(
    world: World, ahead_ms: int, waits: int, note: str | None, recalled: bool
) -> None:
    order_id = new_uuid4()
    world.put_shipment(order_id, state="received", waits=waits, note=note, due_at_ms=now_ms() + ahead_ms)
    with world.fulfillment.writer.begin() as connection:
        tx = Transaction(connection)
        assert claims.recall(tx, [claims.Recall()]) == [int(recalled)]
        due = sa.select(shipments.c.order_id).where(shipments.c.due_at_ms <= now_ms())
        assert (connection.scalar(due) is not None) is recalled
        assert claims.recall(tx, [claims.Recall()]) == [0]


def test_a_worker_takes_what_is_dated_ahead(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place()
            async with world.stepping(carrier) as worker:
                await world.until(lambda: asyncio.to_thread(worker.inbox.run_once), "it is stored")
            world.execute(sa.update(shipments).values(due_at_ms=now_ms() + HOUR_MS - 1_000))
            async with world.working(carrier, name="another"):
                await world.until_closed([order_id])

    asyncio.run(scenario())


def test_attentions_copies_and_redrives_that_are_dated_ahead_go_on(world: World) -> None:
    now, order_id = datetime.now(UTC), new_uuid4()
    ahead = now_ms() + HOUR_MS
    letter = {"id": new_uuid4(), "kind": "malformed", "reason": "no", "attempts": 0, "at": now}
    letter |= {"state": "open", "topic": "order-events", "value": b"{", "headers": b"[]"}
    group = {"id": new_uuid4(), "kind": "malformed", "rate_per_s": 1, "actor": "a", "state": "running"}
    group |= {"redriven": 0, "started_at": now}
    world.execute(sa.insert(dead_letters).values(letter | {"copy_due_ms": ahead}))
    world.execute(sa.insert(redrives).values(group | {"step_due_ms": ahead}))
    with world.fulfillment.writer.begin() as connection:
        tx = Transaction(connection)
        attentions.put(tx, [Attention(order_id, "stuck", "why", None)])
        tx.connection.execute(sa.update(attentions.attentions).values(due_at_ms=ahead))
        (claimed,) = attentions.claim(tx, [ClaimAttentions(10)])
        assert [attention.order_id for attention in claimed] == [order_id]
        assert attentions.claim(tx, [ClaimAttentions(10)]) == [[]]
        (claimed_copies,) = copies.claim_copies(tx, [ClaimCopies(10)])
        assert len(claimed_copies) == 1
        assert redriver.step(tx, [redriver.TakeStep(now)]) == [1]
        assert redriver.step(tx, [redriver.TakeStep(now)]) == [0]
