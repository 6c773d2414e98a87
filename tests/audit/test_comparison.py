"""Audits look twice, page by page, in bounded memory."""

import asyncio
import tracemalloc
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from tests.audit.conftest import HOUR, Stage
from tests.audit.test_findings import change

from orderflow.cli.audit.comparison import SUSPECTS_MAX, Audit, Read, Report
from orderflow.cli.audit.ledgers import Entries
from orderflow.client import AsyncClient
from orderflow.contracts.audit_feeds import FEED_PAGE_MAX
from orderflow.fulfillment import tables as fulfillment
from orderflow.orders import tables as orders

MIB = 1 << 20


async def _nothing(order_id: str) -> Entries:
    return Entries(order_id)


def audited(stage: Stage, *, between: Any = lambda: None) -> Report:
    """An audit of the two services alone; `between` is done between the two looks."""

    async def pause(_seconds: float) -> None:
        between()

    async def run() -> Report:
        async with (
            AsyncClient(stage.addresses["orders"]) as of_orders,
            AsyncClient(stage.addresses["fulfillment"]) as of_fulfillment,
        ):

            async def get_orders(path: str, query: Mapping[str, object]) -> dict[str, Any]:
                return await of_orders.call("GET", path, query=query)

            async def get_fulfillment(path: str, query: Mapping[str, object]) -> dict[str, Any]:
                return await of_fulfillment.call("GET", path, query=query)

            none: Iterator[Entries] = iter(())
            return await Audit(
                get_orders,
                get_fulfillment,
                none,
                _nothing,
                Read(carriers=False, payments=False),
                grace_s=60,
                again_after_s=60,
                clock=lambda: datetime.now(UTC),
                sleep=pause,
            ).run()

    return asyncio.run(run())


def test_what_has_moved_on_at_the_second_look_is_no_finding(stage: Stage) -> None:
    moved, stays = stage.order("Created"), stage.order("Created")
    report = audited(stage, between=lambda: stage.shipment(moved, "received"))
    assert [(each.kind, each.subject) for each in report.findings] == [("unknown-to-fulfillment", stays)]


def test_what_is_wrong_in_another_way_at_the_second_look_is_no_finding_yet(stage: Stage) -> None:
    order_id = stage.order("Created")
    assert (
        audited(stage, between=lambda: change(stage, orders.orders, order_id, status="Shipped")).findings
        == []
    )
    assert [each.kind for each in audited(stage).findings] == ["shipment-missing"]


def fill(stage: Stage, count: int, *, status: str = "Cancelled") -> None:
    """So many orders, and closed shipments of every second one."""
    at = datetime.now(UTC) - HOUR
    ids = [str(uuid.UUID(int=(index << 64) + 1)) for index in range(count)]
    common = {"customer_id": "c", "customer_name": "Ada", "correlation_id": "abc", "version": 2}
    times = {"created_at": at, "updated_at": at}
    rows = [{"order_id": order_id, "status": status, **common, **times} for order_id in ids]
    stage.execute("orders", sa.insert(orders.orders).values(rows[0]))
    with stage.databases["orders"].writer.begin() as connection:
        connection.execute(sa.insert(orders.orders), rows[1:])
    shipment = {"correlation_id": "abc", "ordered_at": at, "received_at": at, "request": b"{}"}
    counts = {"state": "closed", "attempts": 0, "waits": 0, "interruptions": 0}
    with stage.databases["fulfillment"].writer.begin() as connection:
        connection.execute(
            sa.insert(fulfillment.shipments),
            [{"order_id": each, "event_id": each, **shipment, **counts} for each in ids[::2]],
        )


def peak_mib(stage: Stage) -> tuple[Report, float]:
    tracemalloc.start()
    try:
        report = audited(stage)
        return report, tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_orders(stage: Stage) -> None:
    fill(stage, 4 * FEED_PAGE_MAX)
    few, peak_of_few = peak_mib(stage)
    stage.forget()
    fill(stage, 12 * FEED_PAGE_MAX)
    many, peak_of_many = peak_mib(stage)
    assert (few.orders, many.orders, many.shipments) == (4_000, 12_000, 6_000)
    assert few.findings == many.findings == []
    assert peak_of_many < 1.5 * peak_of_few


def test_suspects_are_bounded_and_said_to_be_more(stage: Stage) -> None:
    fill(stage, SUSPECTS_MAX + 5 * FEED_PAGE_MAX, status="Shipped")
    stage.execute("fulfillment", sa.delete(fulfillment.shipments))
    report = audited(stage)
    assert SUSPECTS_MAX <= len(report.findings) < SUSPECTS_MAX + FEED_PAGE_MAX
    assert report.has_more


def test_an_order_within_the_grace_is_not_judged(stage: Stage) -> None:
    young = stage.order("Created", age=timedelta(seconds=30))
    change(stage, orders.outbox, young, published_at=None)
    assert audited(stage).findings == []
