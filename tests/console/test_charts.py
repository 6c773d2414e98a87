"""The charts tell what happened in the last 15 minutes, and nothing where nothing is known."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.console.conftest import NOWHERE
from tests.web.conftest import listening

from orderflow.console.charts import charts, latest
from orderflow.console.sampling import KEPT_S, PERIOD_S, Sample, Sampler, sample
from orderflow.console.services import both_services
from orderflow.runtime.health import Health
from orderflow.runtime.tls import ClientTls

COUNTED = """# TYPE orderflow_orders gauge
orderflow_orders{status="Created"} 4.0
orderflow_orders{status="Shipped"} 6.0
orderflow_orders_attention 1.0
orderflow_outbox_backlog 3.0
orderflow_order_to_shipped_seconds_bucket{le="0.5"} 1.0
orderflow_order_to_shipped_seconds_bucket{le="1.0"} 5.0
orderflow_order_to_shipped_seconds_bucket{le="+Inf"} 6.0
orderflow_order_to_shipped_seconds_count 6.0
"""


def orders(at: int, **statuses: float) -> Sample:
    return Sample(at, statuses)


def test_a_sample_has_what_the_services_count() -> None:
    within = {0.5: 1, 1.0: 5, float("inf"): 6}
    assert sample(5, COUNTED, 7) == Sample(5, {"Created": 4, "Shipped": 6}, within, 3, 7)
    assert sample(5, None, 7) == Sample(5, unread=7)


def test_a_rate_is_what_was_added_within_15_seconds() -> None:
    counted = [0, 50, 100, 150, 150, 150, 150]
    drawn = charts([orders(5 * i, Created=10, Shipped=n) for i, n in enumerate(counted)])
    assert drawn["at"] == [0, 5, 10, 15, 20, 25, 30]
    assert drawn["shipped"] == [None, 10, 10, 10, 6.667, 3.333, 0]
    assert drawn["placed"] == drawn["shipped"]
    assert drawn["failed"] == [None, 0, 0, 0, 0, 0, 0]


def test_a_gap_stays_a_gap_and_the_time_that_it_took_counts() -> None:
    drawn = charts([orders(0, Failed=0), Sample(5), orders(10, Failed=20), orders(100, Failed=40)])
    assert drawn["failed"] == [None, None, 2, None]


def test_orders_that_were_counted_anew_are_no_negative_rate() -> None:
    assert charts([orders(0, Shipped=9), orders(5, Shipped=2)])["shipped"] == [None, 0]


def test_the_time_to_the_shipment_is_that_of_the_last_minute_alone() -> None:
    old = {1.0: 1000.0, 2.0: 1000.0, float("inf"): 1000.0}
    new = {1.0: 1000.0, 2.0: 1100.0, float("inf"): 1100.0}
    samples = [Sample(0, {}, {1.0: 0, 2.0: 0, float("inf"): 0}), Sample(60, {}, old), Sample(120, {}, new)]
    samples += [Sample(180, {}, new)]
    drawn = charts(samples)
    assert drawn["p50"] == [None, 0.5, 1.5, None]
    assert drawn["p99"] == [None, 0.99, 1.99, None]


def test_what_took_longer_than_the_histogram_tells_is_as_long_as_it_tells() -> None:
    samples = [Sample(0, {}, {1.0: 0, float("inf"): 0}), Sample(60, {}, {1.0: 0, float("inf"): 5})]
    assert latest(charts(samples))["p99"] == 1.0


async def taken(orders_url: str, fulfillment_url: str, times: Sequence[float]) -> Sampler:
    """A sampler that has looked at these times."""
    async with both_services(orders_url, fulfillment_url, ClientTls(None, None, None)) as services:
        now = [0.0]
        sampler = Sampler(services, Health(), clock=lambda: now[0])
        for now[0] in times:
            await sampler.run_once()
        return sampler


def test_both_services_are_sampled(tmp_path: Path) -> None:
    for name in ("orders", "fulfillment"):
        (tmp_path / name).mkdir()
    with (
        listening("orders", tmp_path / "orders") as orders_port,
        listening("fulfillment", tmp_path / "fulfillment") as fulfillment_port,
    ):
        orders_url = f"http://127.0.0.1:{orders_port}"
        fulfillment_url = f"http://127.0.0.1:{fulfillment_port}"
        sampler = asyncio.run(taken(orders_url, fulfillment_url, [1_000.3, 1_004.9]))
    last = sampler.samples[-1]
    assert [each.at for each in sampler.samples] == [1_000, 1_005]
    assert last.orders is not None
    assert sum(last.orders.values()) == 0
    assert (last.unpublished, last.unread) == (0, 0)
    assert sampler.trouble == ""


def test_15_minutes_are_kept() -> None:
    times = [1_000 + PERIOD_S * number for number in range(KEPT_S // PERIOD_S + 3)]
    sampler = asyncio.run(taken(NOWHERE, NOWHERE, times))
    assert [sampler.samples[0].at, sampler.samples[-1].at] == [times[-1] - KEPT_S, times[-1]]


def test_a_sample_lacks_what_a_service_does_not_tell() -> None:
    sampler = asyncio.run(taken(NOWHERE, NOWHERE, [1_000]))
    assert [*sampler.samples] == [Sample(1_000)]
    assert "cannot be reached" in sampler.trouble


def test_a_clock_that_is_set_back_begins_the_charts_anew() -> None:
    sampler = asyncio.run(taken(NOWHERE, NOWHERE, [1_000, 1_005, 500]))
    assert [each.at for each in sampler.samples] == [500]
