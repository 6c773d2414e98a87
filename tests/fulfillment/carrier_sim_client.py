"""carrier-sim on a free port, and a client that sees status and JSON."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from orderflow.fulfillment.carriers import ShipmentRequest
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.simulators.carrier_server import serving_carrier_sim

Answered = tuple[int, dict[str, Any]]


class Client:
    """The few calls of these tests: status and JSON of each answer."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @property
    def url(self) -> str:
        return str(self._session._base_url)  # pyright: ignore[reportPrivateUsage]

    async def call(
        self, method: str, path: str, body: bytes | None = None, key: str | None = None
    ) -> Answered:
        headers = {} if key is None else {"Idempotency-Key": key}
        async with self._session.request(
            method, path, data=BytesIO(body or b""), headers=headers
        ) as response:
            if response.status >= 400:
                assert response.content_type == "application/problem+json"
            text = await response.read()
            return response.status, json.loads(text) if text else {}

    async def create(self, order_id: str, key: str, **more: object) -> Answered:
        return await self.call("POST", "/v1/shipments", an_order(order_id, **more), key)

    async def put(self, path: str, content: object) -> Answered:
        return await self.call("PUT", path, json.dumps(content).encode())

    async def ledger(self) -> list[dict[str, Any]]:
        status, answer = await self.call("GET", "/v1/ledger")
        assert status == 200
        return answer["shipments"]

    async def ledger_that_is_not_empty(self) -> None:
        async with asyncio.timeout(30):
            while not await self.ledger():
                pass


def an_order(order_id: str, **more: object) -> bytes:
    return json.dumps({"orderId": order_id, "items": [{"productId": "p", "quantity": 1}], **more}).encode()


def talk_to(url: str, scenario: Callable[[Client], Awaitable[None]]) -> None:
    async def within() -> None:
        async with aiohttp.ClientSession(url) as session:
            await scenario(Client(session))

    asyncio.run(within())


def run(
    ledger: Path,
    scenario: Callable[[Client], Awaitable[None]],
    failure_rate: float = 0.0,
    key_lifetime_s: float | None = None,
) -> None:
    async def within() -> None:
        async with (
            serving_carrier_sim(
                host="127.0.0.1",
                port=0,
                delay_ms=(0, 0),
                failure_rate=failure_rate,
                error_rate=0.0,
                seed=1,
                ledger=ledger,
                key_lifetime_s=key_lifetime_s,
            ) as url,
            aiohttp.ClientSession(url) as session,
        ):
            await scenario(Client(session))

    asyncio.run(within())


@asynccontextmanager
async def an_adapter(client: Client, timeout_s: float = 10) -> AsyncGenerator[HttpCarrier]:
    carrier = HttpCarrier(client.url, timeout_s=timeout_s)
    try:
        yield carrier
    finally:
        await carrier.close()


def a_request(order_id: str) -> ShipmentRequest:
    return ShipmentRequest(order_id, f"key-of-{order_id}", an_order(order_id))
