"""What a worker holds is bounded in bytes, not only in numbers: large orders come in small portions."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from tests.fulfillment.conftest import World

from orderflow.fulfillment.capacity import REQUEST_BYTES_MAX, Capacity
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.claims import CLAIM_BYTES_MAX
from orderflow.fulfillment.dead_letters.copies import COPY_BYTES_MAX
from orderflow.fulfillment.inbox import POLL_BYTES_MAX
from orderflow.fulfillment.model import Owner, Shipment
from orderflow.fulfillment.tables import dead_letters
from orderflow.messaging import Consumer, ConsumerState, Message, Record

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ME = Owner("w", 1)
MIB = 1024 * 1024
BODY = b"x" * MIB


class Observed:
    """A consumer that remembers how many records it was asked for."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner
        self.asked: list[int] = []

    def poll(self, records_max: int, timeout_s: float) -> list[Record]:
        self.asked.append(records_max)
        return self._inner.poll(records_max, 0.05)

    def commit(self, records: Sequence[Record]) -> None:
        self._inner.commit(records)

    def state(self) -> ConsumerState:
        return self._inner.state()

    def close(self) -> None:
        self._inner.close()


def carrier() -> SimulatedCarrier:
    return SimulatedCarrier(seed=1, delay_ms=(0, 0), failure_rate=0, error_rate=0)


def shipment(request: bytes) -> Shipment:
    return Shipment(str(uuid.uuid4()), ME, "abc", None, request, NOW, NOW)


def event(bytes_about: int) -> bytes:
    item = {"productId": "x" * 1000, "quantity": 1}
    return json.dumps(
        {
            "eventType": "OrderCreated",
            "orderId": str(uuid.uuid4()),
            "customer": {"customerId": "c-1", "name": "Ada"},
            "items": [item] * (1 + bytes_about // 1040),
            "createdAt": "2026-02-10T09:30:00Z",
            "metadata": {"source": "OrderService", "correlationId": "abc"},
        }
    ).encode()


def test_no_room_is_left_while_large_requests_fill_the_memory() -> None:
    holding = Capacity(1_000, owner=lambda: ME)
    large = [shipment(BODY) for _ in range(REQUEST_BYTES_MAX // MIB)]
    assert len(holding.take(large[1:], reserved=holding.reserve(len(large) - 1))) == len(large) - 1
    assert holding.reserve(1) == 1
    holding.take(large[:1], reserved=1)
    assert holding.reserve(1) == 0
    holding.let_go(large[:2])
    assert holding.reserve(1) == 1
    holding.clear()
    assert holding.reserve(1_000) == 999


def test_large_events_are_polled_in_small_portions_and_small_ones_in_large(world: World) -> None:
    async def scenario() -> None:
        consumer = Observed(world.log.consumer("order-events", "fulfillment"))
        values = [event(MIB) for _ in range(60)] + [event(100) for _ in range(300)]
        world.log.publisher().publish([Message("order-events", "k", value, ()) for value in values])
        async with world.stepping(carrier(), consumer=consumer) as worker:

            async def received() -> bool:
                await asyncio.to_thread(worker.inbox.run_once)
                return len(world.rows()) == len(values)

            await world.until(received, "all are received")
        assert min(consumer.asked) <= POLL_BYTES_MAX // MIB
        assert max(consumer.asked) > 100

    asyncio.run(scenario())


def test_large_shipments_are_claimed_in_portions_and_none_is_left_behind(world: World) -> None:
    count, portion = 40, CLAIM_BYTES_MAX // MIB

    async def scenario() -> None:
        for _ in range(count):
            world.put_shipment(str(uuid.uuid4()), state="ready", due_at_ms=0, request=BODY)
        async with world.stepping(carrier()) as worker:
            assert await worker.recovery.run_once() == portion
            assert worker.capacity.backlog, "fresh ones wait behind what is left"
            assert await worker.recovery.run_once() == count - portion

    asyncio.run(scenario())


def test_large_dead_letters_are_copied_in_portions(world: World) -> None:
    count, portion = 20, COPY_BYTES_MAX // MIB

    async def scenario() -> None:
        for number in range(count):
            letter = {
                "id": str(uuid.uuid4()),
                "kind": "undecodable",
                "reason": "no JSON",
                "topic": "order-events",
                "partition": 0,
                "offset": number,
                "value": BODY,
                "headers": b"[]",
                "attempts": 1,
                "at": NOW,
                "state": "open",
                "copy_due_ms": 0,
            }
            world.execute(sa.insert(dead_letters).values(letter))
        async with world.stepping(carrier()) as worker:
            assert await worker.copier.run_once() == portion
            assert await worker.copier.run_once() == count - portion
        copies = world.log.consumer("order-events.dead-letter", "readers").poll(100, 5.0)
        assert [copy.value for copy in copies] == [BODY] * count
        assert {row["copy_due_ms"] for row in world.rows(dead_letters)} == {None}

    asyncio.run(scenario())
