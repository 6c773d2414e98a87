"""What a worker counts, as a scraper reads it."""

import asyncio
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from starlette.requests import Request
from tests.fulfillment.conftest import OpenCarrier, World
from tests.fulfillment.test_fulfillment_api import Refusing
from tests.fulfillment.test_paying import PRICED, Provider, Rejecting, payments

from orderflow.fulfillment.http.metrics import metrics_api
from orderflow.fulfillment.worker import FulfillmentWorker

_REQUEST: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/metrics",
    "headers": [],
    "query_string": b"",
}


async def scraped(worker: FulfillmentWorker) -> list[Sample]:
    answer = await metrics_api(worker.status).metrics(Request(_REQUEST))
    families = text_string_to_metric_families(bytes(answer.body).decode())
    return [sample for family in families for sample in family.samples]


def value(samples: list[Sample], name: str, **labels: str) -> float:
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def test_a_rejected_order_is_counted_by_step_and_outcome_and_in_what_is_undone(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            provider = payments(Provider())
            async with world.working(Rejecting(inner), payments=provider) as worker:
                before = await scraped(worker)
                await world.until_closed(await world.place(**PRICED))
                after = await scraped(worker)
        for step, outcome in (("authorize", "done"), ("ship", "rejected"), ("undo authorize", "undone")):
            labels = {"step": step, "outcome": outcome}
            name = "orderflow_attempts_total"
            assert value(after, name, **labels) - value(before, name, **labels) == 1, step
        for part, calls in (("carrier", 1), ("payments", 2)):
            name = "orderflow_party_call_duration_seconds_count"
            assert value(after, name, part=part) - value(before, name, part=part) == calls, part
        name = "orderflow_compensations_total"
        assert value(after, name, step="authorize") - value(before, name, step="authorize") == 1

    asyncio.run(scenario())


def test_a_dead_letter_is_counted_by_its_kind_whenever_its_order_is_given_up(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with (
            world.running(),
            http_carrier(world.carrier_url) as inner,
            world.working(Refusing(inner)) as worker,
        ):
            before = await scraped(worker)
            await world.place()

            async def is_counted() -> bool:
                name = "orderflow_dead_letters_total"
                now = value(await scraped(worker), name, kind="carrier-refused")
                return now - value(before, name, kind="carrier-refused") == 1

            await world.until(is_counted, "the letter is counted")
            name = "orderflow_attempts_total"
            refused = {"step": "ship", "outcome": "refused"}
            assert value(await scraped(worker), name, **refused) - value(before, name, **refused) == 1

    asyncio.run(scenario())


def test_gauges_of_a_worker_show_each_partition_and_each_circuit(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with (
            world.running(),
            http_carrier(world.carrier_url) as carrier,
            world.stepping(carrier) as worker,
        ):
            placed = await world.place(3)

            async def waits() -> bool:
                return value(await scraped(worker), "orderflow_consumer_lag") == len(placed)

            await world.until(waits, "the events wait for the worker")
            now = await scraped(worker)
            partitions = [s.labels["partition"] for s in now if s.name == "orderflow_consumer_lag"]
            assert len(partitions) == len(set(partitions)) == 12
            assert value(now, "orderflow_consumer_partitions") == 12
            circuits = {
                s.labels["state"]: s.value
                for s in now
                if s.name == "orderflow_circuit_state" and s.labels["part"] == "carrier"
            }
            assert circuits == {"closed": 1, "open": 0, "half-open": 0}
            for name in ("orderflow_in_flight", "orderflow_status_update_backlog"):
                assert [s.value for s in now if s.name == name] == [0], name

    asyncio.run(scenario())
