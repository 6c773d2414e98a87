"""The Fulfillment Service of the proof of concept: consume, ship, PATCH the order, commit the offset.

It has two forms. `single` takes one message at a time, as the proof of concept does. `batch` is what people
would tune it to: it takes up to 500 messages that have arrived, ships them with at most 50 calls at once and
commits when all are done.
"""

import asyncio
import importlib
import json
import os
import random
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiohttp
import uvloop

# Imported by name: it is in the benchmark's own venv, where no type checker looks.
aiokafka: Any = importlib.import_module("aiokafka")

BATCH_MAX = 500
CALLS_MAX = 50
DELAY_LOW_S, DELAY_HIGH_S = (int(text) / 1000 for text in os.environ["BENCH_CARRIER_DELAY_MS"].split("-"))


async def ship() -> dict[str, str]:
    """The mock shipping provider; its failure rate is 0 here."""
    if DELAY_HIGH_S:
        await asyncio.sleep(random.uniform(DELAY_LOW_S, DELAY_HIGH_S))
    return {
        "carrier": "Mock Carrier",
        "trackingNumber": f"TRK-{uuid4().hex[:12]}",
        "shippedAt": datetime.now(UTC).isoformat(),
    }


async def process(http: aiohttp.ClientSession, value: bytes) -> None:
    """Take the order from Created to Processing to Shipped, with one update for each step."""
    event = json.loads(value)
    url = f"/api/orders/{event['orderId']}/status"
    headers = {"X-Correlation-ID": event["metadata"]["correlationId"]}
    await update(http, url, headers, {"status": "Processing"})
    await update(http, url, headers, {"status": "Shipped", "fulfillment": await ship()})


async def update(http: aiohttp.ClientSession, url: str, headers: dict[str, str], body: Any) -> None:
    async with http.patch(url, json=body, headers=headers) as answer:
        answer.raise_for_status()


async def run_single(consumer: Any, http: aiohttp.ClientSession) -> None:
    async for message in consumer:
        await process(http, message.value)
        await consumer.commit()


async def run_batch(consumer: Any, http: aiohttp.ClientSession) -> None:
    calls = asyncio.Semaphore(CALLS_MAX)

    async def bounded(value: bytes) -> None:
        async with calls:
            await process(http, value)

    while True:
        batches = await consumer.getmany(timeout_ms=100, max_records=BATCH_MAX)
        messages = [message for batch in batches.values() for message in batch]
        if messages:
            await asyncio.gather(*(bounded(message.value) for message in messages))
            await consumer.commit()


async def main(form: str) -> None:
    consumer: Any = aiokafka.AIOKafkaConsumer(
        os.environ["BENCH_TOPIC"],
        bootstrap_servers=os.environ["BENCH_BROKER"],
        group_id=os.environ["BENCH_GROUP"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with aiohttp.ClientSession(os.environ["BENCH_ORDERS_URL"]) as http:
            await (run_batch if form == "batch" else run_single)(consumer, http)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
