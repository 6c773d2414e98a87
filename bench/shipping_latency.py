"""How long an order takes to ship, as its client sees it."""

import asyncio
import json
import time
from itertools import cycle, islice

import aiohttp

from bench import bodies
from bench.carriers import FAILING
from bench.processes import Meter, wait_for
from bench.scenarios import Sample, costs, memory, noise, recorded_latency_ms, warm_up
from bench.servers import scalar
from bench.stages import Stage

LONG_POLL_MS = 30_000
WARM_UP_S = 1.0
FAILING_BATCH = 500
SETTLE_S = 3.0
"""In this time, the first failing calls end and the circuit opens."""


def shipping_latency(stage: Stage, *, rate: int, seconds: float) -> Sample:
    """Orders arrive at a fixed rate, and the carrier takes no time. Measures the time from the POST to the
    answer of a long poll that waits for Shipped, and the time from creation to Shipped in the rows."""
    warm_up(stage)
    asyncio.run(_place(stage.url, rate=rate, seconds=WARM_UP_S))
    meter = Meter(stage.parts)
    since = time.time()
    took_ms = sorted(asyncio.run(_place(stage.url, rate=rate, seconds=seconds)))
    usage = meter.read()
    values = {
        "orders_per_s": len(took_ms) / seconds,
        "p50_ms": took_ms[len(took_ms) // 2],
        "p99_ms": took_ms[len(took_ms) * 99 // 100],
        "max_ms": took_ms[-1],
        **recorded_latency_ms(stage, since=since),
        **costs(usage, len(took_ms)),
        **memory(stage),
    }
    return Sample(values, noise(usage))


def fairness(stage: Stage, *, failing: int, rate: int, seconds: float) -> Sample:
    """Fresh orders arrive at a fixed rate, first alone and then beside `failing` others for which the carrier
    fails whenever they are due. Measures by how much that raises the p99 of the time until Shipped."""
    warm_up(stage)
    alone_ms = sorted(asyncio.run(_place(stage.url, rate=rate, seconds=seconds)))
    order = {
        "customer": {"customerId": "c", "name": "c"},
        "items": [{"productId": f"{FAILING}product", "quantity": 1}],
    }
    batch = json.dumps({"orders": [order] * FAILING_BATCH}).encode()
    for _ in range(failing // FAILING_BATCH):
        stage.post("/api/orders/batch", batch)
    there = "SELECT count(*) FROM shipments WHERE state <> 'closed'"
    wait_for(lambda: scalar(stage.fulfillment_database, there) >= failing, 60, "the failing orders")
    time.sleep(SETTLE_S)
    meter = Meter(stage.parts)
    beside_ms = sorted(asyncio.run(_place(stage.url, rate=rate, seconds=seconds)))
    usage = meter.read()
    p99_alone, p99_beside = (took_ms[len(took_ms) * 99 // 100] for took_ms in (alone_ms, beside_ms))
    attempts = scalar(
        stage.fulfillment_database, "SELECT coalesce(sum(attempts), 0) FROM shipments WHERE state <> 'closed'"
    )
    values = {
        "orders_per_s": len(beside_ms) / seconds,
        "p50_ms": beside_ms[len(beside_ms) // 2],
        "p99_ms": p99_beside,
        "p99_alone_ms": p99_alone,
        "p99_rise_ms": p99_beside - p99_alone,
        "failing_attempts": float(attempts),
        **costs(usage, len(beside_ms)),
        **memory(stage),
    }
    return Sample(values, (*noise(usage), *([] if attempts else ["nothing failed"])))


async def _place(url: str, *, rate: int, seconds: float) -> list[float]:
    """Milliseconds from POST to Shipped of each order."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as http:
        orders: list[asyncio.Task[float]] = []
        began = time.monotonic()
        for number, body in enumerate(islice(cycle(bodies.usual()), round(rate * seconds))):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            orders.append(asyncio.create_task(_place_one(http, body)))
        return list(await asyncio.gather(*orders))


async def _place_one(http: aiohttp.ClientSession, body: str) -> float:
    began = time.monotonic()
    headers = {"Content-Type": "application/json"}
    async with http.post("/api/orders", data=body, headers=headers) as answer:
        answer.raise_for_status()
        order_id = (await answer.json())["orderId"]
    wait = {"wait": "Shipped", "timeoutMs": str(LONG_POLL_MS)}
    async with http.get(f"/api/orders/{order_id}", params=wait) as answer:
        answer.raise_for_status()
        status = (await answer.json())["status"]
    return (time.monotonic() - began) * 1000 if status == "Shipped" else LONG_POLL_MS
