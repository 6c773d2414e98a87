"""A small world for fulfillment: the real Order Service, event log, databases and a carrier with a ledger."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.conftest import SERVERS
from tests.orders.conftest import KEPT, TOPIC, orders_process

from orderflow import messaging
from orderflow.database.engine import Database, connect
from orderflow.database.migrate import migrate
from orderflow.fulfillment.calls import Dispatcher
from orderflow.fulfillment.carriers import Carrier, Carriers
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.model import Step
from orderflow.fulfillment.parties import Party
from orderflow.fulfillment.tables import shipments, workers
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.messaging import Consumer
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders.http.routes import OrdersApi
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.simulators.carrier_server import serving_carrier_sim
from orderflow.web.server import address, bind, serving

WAIT_S_MAX = 30.0


class Lossy:
    """The network between workers and the Order Service, for status updates. `lose_answers` lets requests in
    but no answers out; `down` lets nothing in; `no_database` answers each update of a bulk with its own 503.
    While `busy`, bulks are counted and answered with 503 and Retry-After: 4."""

    app: ASGIApp

    def __init__(self) -> None:
        self.lose_answers = False
        self.down = False
        self.no_database = False
        self.busy = False
        self.turned_away = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_status = scope["type"] == "http" and scope["method"] == "PATCH"
        if is_status and self.down:
            raise ConnectionResetError

        if is_status and self.busy:
            self.turned_away += 1
            await JSONResponse({}, 503, {"Retry-After": "4"})(scope, receive, send)
            return

        if is_status and self.no_database:
            updates = (await Request(scope, receive).json())["updates"]
            answer = {"results": [{"status": 503, "problem": {"status": 503}}] * len(updates)}
            await JSONResponse(answer)(scope, receive, send)
            return

        async def nowhere(_message: Message) -> None:
            return

        await self.app(scope, receive, nowhere if is_status and self.lose_answers else send)
        if is_status and self.lose_answers:
            raise ConnectionResetError


@dataclass
class World:
    directory: Path
    fulfillment: Database
    orders: Database
    log: EmbeddedLog
    network: Lossy = field(default_factory=Lossy)
    orders_url: str = ""
    carrier_url: str = ""
    _session: aiohttp.ClientSession | None = None
    _abandoned: list[FulfillmentWorker] = field(default_factory=list[FulfillmentWorker])

    @asynccontextmanager
    async def running(self, *, failure_rate: float = 0.0, error_rate: float = 0.0) -> AsyncGenerator[None]:
        """The Order Service, and a carrier that keeps a ledger, on free ports."""
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(aiohttp.ClientSession())
            self.carrier_url = await stack.enter_async_context(
                serving_carrier_sim(
                    host="127.0.0.1",
                    port=0,
                    delay_ms=(0, 0),
                    failure_rate=failure_rate,
                    error_rate=error_rate,
                    seed=1,
                    ledger=self.directory / "ledger.db",
                )
            )
            listener = stack.enter_context(bind("127.0.0.1", 0, "ORDERFLOW_PORT"))
            self.orders_url = address(listener)
            process = orders_process(self.orders, self.log.publisher())
            await stack.enter_async_context(process.running(asyncio.Event()))
            api = OrdersApi(process, events_kept=lambda: KEPT)
            self.network.app = api.app
            async with serving(self.network, listener):
                try:
                    yield
                    await self._bury()
                finally:
                    await api.stop()

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._session is not None, "the world is not running"
        return self._session

    def worker(
        self,
        carrier: Carrier,
        *,
        consumer: Consumer | None = None,
        in_flight_max: int = 100,
        name: str = "w",
        party: str = "carrier",
        former: Sequence[Party[Carrier]] = (),
        **options: Any,
    ) -> FulfillmentWorker:
        return FulfillmentWorker(
            database=self.fulfillment,
            consumer=consumer or self.log.consumer(TOPIC, "fulfillment"),
            publisher=self.log.publisher(),
            dead_letter_topic=f"{TOPIC}.dead-letter",
            carriers=Carriers(Party(party, carrier), tuple(former)),
            orders_url=self.orders_url,
            in_flight_max=in_flight_max,
            worker_id=name,
            **options,
        )

    @asynccontextmanager
    async def working(self, carrier: Carrier, **options: Any) -> AsyncGenerator[FulfillmentWorker]:
        """A worker that runs by itself while the block runs, and then drains."""
        worker = self.worker(carrier, **options)
        stop = asyncio.Event()
        run = asyncio.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            stop.set()
            await run

    @asynccontextmanager
    async def stepping(self, carrier: Carrier, **options: Any) -> AsyncGenerator[FulfillmentWorker]:
        """A worker that does only what the block tells it, and is killed at the block's end: it lets go of
        nothing, does not end its lease and commits no further offset. Then its lease expires."""
        worker = self.worker(carrier, **options)
        worker.flow.bind()
        worker.writer.start()
        await worker.lease.acquire()
        try:
            yield worker
        finally:
            dispatcher_of(worker).abandon()
            self._abandoned.append(worker)
            await asyncio.to_thread(worker.writer.close)
            worker.inbox.loop.stop()
            # This only closes the consumer, which has the effect of a session that times out.
            await asyncio.to_thread(worker.inbox.loop.run)
            self.execute(sa.update(workers).values(lease_until_ms=0))

    async def _bury(self) -> None:
        for worker in self._abandoned:
            await worker.close()

    async def place(self, count: int = 1, **order: Any) -> list[str]:
        """Place orders with the Order Service, and return their ids."""
        body = {
            "customer": {"customerId": "c-1", "name": "Ada Lovelace"},
            "items": [{"productId": "p-1", "quantity": 2}],
        } | order
        async with self.session.post(
            f"{self.orders_url}/api/orders/batch", json={"orders": [body] * count}
        ) as response:
            results = (await response.json())["results"]
        return [result["order"]["orderId"] for result in results]

    def publish(self, event_type: str, order_id: str) -> None:
        """An event that says that the order was changed, as the Order Service publishes it."""
        event = {
            "eventType": event_type,
            "schemaVersion": 1,
            "eventId": str(uuid.uuid4()),
            "orderId": order_id,
            "orderVersion": 3,
            "createdAt": datetime.now(UTC).isoformat(),
            "metadata": {"source": "OrderService", "correlationId": "abc"},
        }
        self.log.publisher().publish([messaging.Message(TOPIC, order_id.encode(), to_json(event))])

    async def post(self, path: str, body: Any = None) -> int:
        async with self.session.post(f"{self.orders_url}{path}", json=body) as response:
            return response.status

    async def order(self, order_id: str) -> dict[str, Any]:
        async with self.session.get(f"{self.orders_url}/api/orders/{order_id}") as response:
            return await response.json()

    async def ledger(self) -> list[dict[str, Any]]:
        """Every physical shipment ever made."""
        async with self.session.get(f"{self.carrier_url}/v1/ledger") as response:
            return (await response.json())["shipments"]

    async def live_shipments(self) -> list[str]:
        """The order id of each live shipment; an id appears once for each live shipment of its order."""
        return sorted(s["orderId"] for s in await self.ledger() if s["state"] == "live")

    def rows(self, table: sa.Table = shipments) -> list[sa.RowMapping]:
        with self.fulfillment.reader.connect() as connection:
            return list(connection.execute(sa.select(table)).mappings())

    def order_statuses(self) -> set[str]:
        with self.orders.reader.connect() as connection:
            return set(connection.execute(sa.text("SELECT status FROM orders")).scalars())

    def states(self) -> dict[str, str]:
        return {row["order_id"]: row["state"] for row in self.rows()}

    def put_shipment(self, order_id: str, **columns: Any) -> None:
        """Insert a row as if a worker had written it; it is closed, unless the columns say otherwise."""
        now = datetime.now(UTC)
        values = {
            "order_id": order_id,
            "event_id": str(uuid.uuid4()),
            "correlation_id": "abc",
            "ordered_at": now,
            "received_at": now,
            "request": b"{}",
            "state": "closed",
            "attempts": 1,
            "waits": 0,
            "interruptions": 0,
        }
        self.execute(sa.insert(shipments).values(values | columns))

    def execute(self, statement: sa.Executable) -> None:
        with self.fulfillment.writer.begin() as connection:
            connection.execute(statement)

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for the condition, which may be a coroutine function; fails after 30 s."""
        deadline = time.monotonic() + WAIT_S_MAX
        while True:
            answer = condition()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            assert time.monotonic() < deadline, f"waited in vain until {what}; shipments: {self.rows()}"
            await asyncio.sleep(0.02)

    async def until_closed(self, order_ids: list[str]) -> None:
        await self.until(
            lambda: {self.states().get(order_id) for order_id in order_ids} == {"closed"}, "all are closed"
        )


def dispatcher_of(worker: FulfillmentWorker) -> Dispatcher:
    """The one that calls the carrier of fresh orders."""
    return worker.dispatchers.current(Step.SHIP)


@pytest.fixture(params=["sqlite", "postgres", "mssql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world with the fulfillment database on SQLite, and one on each server that there is."""
    url = f"sqlite:///{tmp_path}/fulfillment.db"
    if request.param != "sqlite":
        url = str(request.getfixturevalue(SERVERS[request.param]))
    fulfillment = connect(url, application="test")
    orders = connect(f"sqlite:///{tmp_path}/orders.db", application="test")
    migrate(fulfillment, FULFILLMENT)
    migrate(orders, ORDERS)
    log = EmbeddedLog(tmp_path / "events.db")
    yield World(tmp_path, fulfillment, orders, log)
    log.close()
    fulfillment.dispose()
    orders.dispose()


@asynccontextmanager
async def _http_carrier(url: str) -> AsyncGenerator[HttpCarrier]:
    carrier = HttpCarrier(url)
    try:
        yield carrier
    finally:
        await carrier.close()


OpenCarrier = Callable[[str], AbstractAsyncContextManager[HttpCarrier]]
"""Opens a carrier over HTTP at an address, and closes it."""


@pytest.fixture
def http_carrier() -> OpenCarrier:
    return _http_carrier
