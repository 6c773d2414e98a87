"""What makes fulfillment fast: writes in groups, and nothing that waits for a poll."""

import asyncio
import time

from tests.fulfillment.conftest import World, dispatcher_of

from orderflow.fulfillment.carriers.simulated import SimulatedCarrier

MANY = 400
"""The number of orders; each needs four writes: received, intent, outcome and closed."""


def test_many_shipments_need_far_fewer_transactions_than_there_are_of_them(world: World) -> None:
    async def scenario() -> None:
        answers = asyncio.Event()
        carrier = SimulatedCarrier(
            seed=0, delay_ms=(1, 1), failure_rate=0.0, error_rate=0.0, sleep=lambda _s: answers.wait()
        )
        async with world.running():
            await world.place(MANY)
            async with world.working(carrier, in_flight_max=MANY) as worker:
                await world.until(lambda: dispatcher_of(worker).in_flight == MANY, "all are at the carrier")
                answers.set()
                await world.until(lambda: set(world.states().values()) == {"closed"}, "all are closed")
                assert len(world.rows()) == MANY
                assert worker.writer.committed_commands >= 4 * MANY
                assert worker.writer.committed_transactions < MANY / 4

    asyncio.run(scenario())


def test_an_order_ships_at_once_though_no_sweep_ever_comes_round(world: World) -> None:
    """Without its sweep, a worker does not find work by polling, so every step must wake the next one. If a
    step waited for its loop's own pause to end, each order would take about a second more."""

    async def scenario() -> None:
        carrier = SimulatedCarrier(seed=0, delay_ms=(0, 0), failure_rate=0.0, error_rate=0.0)
        async with world.running(), world.stepping(carrier) as worker:
            loops = (worker.lease.loop, worker.sender.loops[0], dispatcher_of(worker).loop)
            for loop in (worker.inbox.loop, *loops):
                loop.start()
            try:
                took_s = [await until_shipped(world) for _ in range(10)]
            finally:
                worker.inbox.loop.stop()
                await asyncio.to_thread(worker.inbox.loop.join)
                for loop in loops:
                    await loop.stop()
            assert max(took_s) < 5
            assert sorted(took_s)[5] < 0.75

    asyncio.run(scenario())


async def until_shipped(world: World) -> float:
    """Seconds from a new order to its outcome at the Order Service."""
    began_s = time.monotonic()
    (order_id,) = await world.place()

    async def shipped() -> bool:
        return (await world.order(order_id))["status"] == "Shipped"

    await world.until(shipped, "it is shipped")
    return time.monotonic() - began_s
