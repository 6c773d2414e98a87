"""A process of the Order Service: its loops start together, end in order, and end together."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.orders.conftest import ORDER, TOPIC, orders_process

from orderflow.contracts.orders_api import OrderIn
from orderflow.database.engine import Database, connect
from orderflow.database.migrate import migrate
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders.intake import Accepted
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.runtime.health import LoopDied
from orderflow.web.front_door import Caller

CALLER = Caller("anonymous", "c", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
LOOPS = {"writer-orders", "relay", "reconciler", "retention"}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = connect(database_url, application="orderflow-test")
    migrate(database, ORDERS)
    yield database
    database.dispose()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log.db")
    yield log
    log.close()


def running_loops() -> set[str]:
    return LOOPS & {thread.name for thread in threading.enumerate()}


def test_what_a_process_has_accepted_is_durable_and_published_when_it_has_ended(
    database: Database, log: EmbeddedLog
) -> None:
    process = orders_process(database, log.publisher())

    async def run() -> list[str]:
        async with process.running(asyncio.Event()):
            assert running_loops() == LOOPS
            order = OrderIn.model_validate(ORDER)
            answers = await process.intake.place([(order, None)] * 20, CALLER)
            return [answer.order_id for answer in answers if isinstance(answer, Accepted)]

    order_ids = asyncio.run(run())
    assert len(order_ids) == 20
    assert running_loops() == set()
    consumer = log.consumer(TOPIC, "reader")
    published = [(record.key or b"").decode() for record in consumer.poll(100, 0)]
    assert sorted(published) == sorted(order_ids)
    consumer.close()


def test_a_loop_that_dies_ends_the_process_and_its_error_is_raised_when_all_others_have_ended(
    database: Database, log: EmbeddedLog
) -> None:
    process = orders_process(database, log.publisher())
    stop = asyncio.Event()

    async def run() -> None:
        async with process.running(stop):
            process.health.died("relay", OSError("gone"))
            async with asyncio.timeout(10):
                await stop.wait()

    with pytest.raises(LoopDied, match="relay: OSError: gone"):
        asyncio.run(run())
    assert running_loops() == set()


def test_a_process_has_one_clock(database: Database, log: EmbeddedLog) -> None:
    at = datetime(2026, 2, 10, 9, 30, tzinfo=UTC)
    process = orders_process(database, log.publisher(), clock=lambda: at)

    async def run() -> None:
        async with process.running(asyncio.Event()):
            await process.intake.place([(OrderIn.model_validate(ORDER), None)], CALLER)

    asyncio.run(run())
    with database.reader.connect() as connection:
        times = connection.exec_driver_sql(
            "SELECT orders.created_at, outbox.created_at, outbox.published_at "
            "FROM orders JOIN outbox ON outbox.order_id = orders.order_id"
        ).one()
    assert len({str(time)[:19] for time in times}) == 1, times
