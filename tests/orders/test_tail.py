"""The tail: what one loop reads of the stream, for all who subscribe in a process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from tests.conftest import renaming
from tests.orders.conftest import ORDER, Service

from orderflow.database.engine import DatabaseUnavailable, Reader
from orderflow.orders import queries
from orderflow.orders.http.waiting import Waiters
from orderflow.orders.tail import Tail
from orderflow.runtime.health import Health

NEVER_S = 3_600.0


@asynccontextmanager
async def tail_of(service: Service, **bounds: Any) -> AsyncGenerator[Tail]:
    """A tail that reads only when it is told to."""
    reader = Reader(service.database)
    tail = Tail(reader, Health(), poll_s=NEVER_S, **bounds)
    try:
        yield tail
    finally:
        await tail.close()
        reader.close()


async def placed(service: Service, orders: int = 1, customer_id: str = "CUST-1") -> None:
    order = {**ORDER, "customer": {"customerId": customer_id, "name": "Ada"}}
    for _ in range(orders):
        await asyncio.to_thread(service.placed, order)
    await asyncio.to_thread(service.process.sequencer.run_once)


def positions(tail: Tail, position: int, customer_id: str | None = None) -> list[int]:
    return [found for found, _ in tail.since(position, customer_id)]


def test_a_subscriber_gets_what_happens_after_it_has_come(service: Service) -> None:
    async def subscribe() -> None:
        await placed(service)
        async with tail_of(service) as tail, tail.subscribed() as subscription:
            assert tail.next == 2
            await placed(service, 2)
            await tail.run_once()
            assert subscription.signal.is_set()
            assert positions(tail, 2) == [2, 3]
            assert (tail.next, tail.holds(2), tail.holds(1)) == (4, True, False)

    asyncio.run(subscribe())


def test_without_subscribers_nothing_is_kept_and_nothing_read(service: Service) -> None:
    async def come_and_go() -> None:
        async with tail_of(service) as tail:
            async with tail.subscribed():
                await placed(service)
                await tail.run_once()
                assert positions(tail, 1) == [1]
            assert positions(tail, 1) == []
            await placed(service, 2)
            await tail.run_once()
            assert tail.next == 2
            async with tail.subscribed():
                assert tail.next == 4

    asyncio.run(come_and_go())


def test_the_oldest_changes_are_forgotten_but_never_the_newest_batch(service: Service) -> None:
    async def read() -> None:
        async with tail_of(service, changes_max=3) as tail, tail.subscribed():
            for count in (2, 2, 2):
                await placed(service, count)
                await tail.run_once()
            assert positions(tail, 1) == [3, 4, 5, 6]
            assert (tail.holds(3), tail.holds(2)) == (True, False)
            await placed(service, 7)
            await tail.run_once()
            assert positions(tail, 1) == list(range(7, 14))

    asyncio.run(read())


def test_the_changes_of_one_customer_are_found_in_order(service: Service) -> None:
    async def read() -> None:
        async with tail_of(service) as tail, tail.subscribed():
            for customer_id in ("a", "b", "a"):
                await placed(service, 2, customer_id)
                await tail.run_once()
            assert positions(tail, 1, "a") == [1, 2, 5, 6]
            assert positions(tail, 2, "a") == [2, 5, 6]
            assert positions(tail, 1, "b") == [3, 4]
            assert positions(tail, 1, "nobody") == []

    asyncio.run(read())


def test_whoever_subscribes_is_told_when_the_database_was_set_back(service: Service) -> None:
    async def set_back() -> None:
        async with tail_of(service) as tail, tail.subscribed() as subscription:
            await placed(service, 3)
            await tail.run_once()
            service.write(sa.text(renaming(service.database.writer.dialect.name, "stream", "away")))
            with suppress(DatabaseUnavailable, SQLAlchemyError):
                await tail.run_once()
            service.write(sa.text("DELETE FROM away WHERE first_position = 3"))
            service.write(sa.text(renaming(service.database.writer.dialect.name, "away", "stream")))
            await tail.run_once()
            assert subscription.is_lost
            assert subscription.signal.is_set()
            async with tail.subscribed() as another:
                assert tail.next == 3
                await placed(service)
                await tail.run_once()
                assert (positions(tail, 3), another.is_lost) == ([3], False)

    asyncio.run(set_back())


def test_whoever_subscribes_is_told_when_changes_were_removed_before_they_were_read(service: Service) -> None:
    async def remove() -> None:
        async with tail_of(service) as tail, tail.subscribed() as subscription:
            await placed(service, 3)
            service.write(sa.text("DELETE FROM stream WHERE first_position < 3"))
            await tail.run_once()
            assert subscription.is_lost

    asyncio.run(remove())


@pytest.mark.parametrize("status", ["Processing", "Cancelled"])
def test_a_long_poll_is_woken_by_the_tail(service: Service, status: str) -> None:
    async def wait() -> None:
        async with tail_of(service) as tail, waiters_of(service, tail) as waiters, tail.subscribed():
            order_id = (await asyncio.to_thread(service.placed))["orderId"]
            with waiters.expecting(order_id, "Processing") as waiter:
                waiter.version = 1
                await sequenced(service, tail)
                assert not waiter.reached.is_set()
                await asyncio.to_thread(service.patch, order_id, status=status)
                await sequenced(service, tail)
                assert waiter.reached.is_set()

    asyncio.run(wait())


def test_a_long_poll_is_not_woken_by_what_happened_before_it(service: Service) -> None:
    async def wait() -> None:
        async with tail_of(service) as tail, waiters_of(service, tail) as waiters, tail.subscribed():
            order_id = (await asyncio.to_thread(service.placed))["orderId"]
            for action in ("hold", "release"):
                path = f"/api/orders/{order_id}/{action}"
                assert (await asyncio.to_thread(service.send, "POST", path, {})).status == 200
            with waiters.expecting(order_id, "OnHold") as waiter:
                waiter.version = 3
                await sequenced(service, tail)
                assert not waiter.reached.is_set()

    asyncio.run(wait())


@asynccontextmanager
async def waiters_of(service: Service, tail: Tail) -> AsyncGenerator[Waiters]:
    """Long polls that hear of changes by the tail alone."""
    reader = Reader(service.database)
    waiters = Waiters(partial(reader.run, queries.statuses), look_period_s=NEVER_S)
    tail.observe(waiters.changed)
    yield waiters
    reader.close()


async def sequenced(service: Service, tail: Tail) -> None:
    await asyncio.to_thread(service.process.sequencer.run_once)
    await tail.run_once()
