"""The Order Service as it runs, on real files or a real PostgreSQL, behind a real socket."""

import asyncio
import http.client
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import uvloop
from sqlalchemy.engine import Connection
from tests.conftest import SERVERS

from orderflow.database.engine import Database, connect
from orderflow.database.group_commit import IN_DOUBT_SECONDS_MAX, QUEUE_COMMANDS_MAX
from orderflow.database.migrate import migrate
from orderflow.messaging import Kept, Message, Position, Publisher, PublishFailed
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders.http.routes import OrdersApi
from orderflow.orders.http.stream import StreamLimits
from orderflow.orders.intake import KEY_WAIT_S
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.process import OrdersProcess
from orderflow.orders.tail import CHANGES_MAX
from orderflow.orders.webhooks.deliverer import Deliverer
from orderflow.orders.webhooks.sender import Sender
from orderflow.runtime.tls import ServerTls
from orderflow.web.deadlines import Limits
from orderflow.web.exchanges import Exchange, ShortWay
from orderflow.web.front_door import EVERYONE, Admit, Authenticate, FrontDoor
from orderflow.web.server import serving

WAIT_S_MAX = 30.0
DAY_S = 86_400.0
TOPIC = "order-events"
SECRET = "s3cret-personal-data"
UNKNOWN_ID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
HOSTS = ("shop.example",)
"""The host names that services in tests have."""
KEPT = Kept("topic order-events", DAY_S, "retention.ms=86400000")
SHORT_STREAMS = StreamLimits(life_s=lambda: 0.1)
"""A client that reads an answer to its end, whatever it is, sees the end of a stream soon."""
CORS_ORIGIN = "https://pages.example"
"""The only other origin whose pages may use them."""

ORDER: dict[str, Any] = {
    "customer": {"customerId": "CUST-1", "name": "Ada Lovelace"},
    "items": [{"productId": "PROD-1", "quantity": 2, "unitPrice": {"amountMinor": 1999, "currency": "EUR"}}],
    "shipTo": {
        "name": "Ada",
        "lines": ["12 St James's Square"],
        "city": "London",
        "postalCode": "SW1Y",
        "country": "GB",
    },
}


def eventually(holds: Callable[[], object], *, seconds_max: float = WAIT_S_MAX) -> None:
    """Wait until it holds; fail at the bound."""
    deadline = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def patiently(send: Callable[[], "Answer"]) -> "Answer":
    """The first answer that is no refusal: processes that count in one row wait for it, and not for long."""
    while (answer := send()).status == 503:
        pass
    return answer


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class NoLog:
    """The publisher of a service whose relay does not run."""

    def publish(self, messages: Sequence[Message]) -> list[Position | PublishFailed]:
        raise AssertionError(f"{len(messages)} messages are published without a relay")

    def close(self) -> None: ...


def orders_process(database: Database, publisher: Publisher, **bounds: Any) -> OrdersProcess:
    """A process of the Order Service that reconciles and removes nothing while a test lasts."""
    return OrdersProcess(
        database=database,
        publisher=publisher,
        topic=TOPIC,
        reconcile_after_s=DAY_S,
        keys_kept_s=DAY_S,
        events_kept_s=DAY_S,
        **bounds,
    )


class Flaky:
    """The real publisher of a log, with failures injected before or after it has stored."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.down = False
        self.refuses: Callable[[Message], bool] = lambda _message: False
        self.refusal = PublishFailed("too large", too_large=True)
        self.calls: list[list[Message]] = []

    def publish(self, messages: Sequence[Message]) -> list[Position | PublishFailed]:
        self.calls.append(list(messages))
        if self.down:
            return [PublishFailed("the log is away") for _ in messages]
        takeable = [message for message in messages if not self.refuses(message)]
        stored = iter(self._publisher.publish(takeable))
        return [self.refusal if self.refuses(message) else next(stored) for message in messages]

    def close(self) -> None:
        self._publisher.close()


@dataclass(frozen=True, slots=True)
class Watched:
    """The short way, with a record of which requests it took."""

    way: ShortWay
    said: list[bool]

    def take(self, exchange: Exchange) -> bool:
        self.said.append(self.way.take(exchange))
        return self.said[-1]


class Service:
    """One Order Service process: server, writer, readers and, if it has a log, relay. The writer refuses
    nothing for how long others wait, because a test's machine may be slow."""

    def __init__(
        self,
        database_url: str,
        log_path: Path | None = None,
        *,
        queue_commands_max: int = QUEUE_COMMANDS_MAX,
        key_wait_s: float = KEY_WAIT_S,
        limits: Limits | None = None,
        tls: ServerTls | None = None,
        in_doubt_s_max: float = IN_DOUBT_SECONDS_MAX,
        writing: bool = True,
        short_way: bool = True,
        authenticate: Authenticate = lambda _authorization: EVERYONE,
        admit: Admit | None = None,
        behind_proxy: bool = False,
        cors_origins: Sequence[str] = (CORS_ORIGIN,),
        stream_limits: StreamLimits = SHORT_STREAMS,
        tail_changes_max: int = CHANGES_MAX,
        sequencing: bool = False,
        sender: Sender | None = None,
    ) -> None:
        self.database: Database = connect(database_url, application="orderflow-test")
        migrate(self.database, ORDERS)
        self.log = EmbeddedLog(log_path) if log_path else None
        self.publisher = Flaky(self.log.publisher() if self.log else NoLog())
        self.process = process = orders_process(
            self.database,
            self.publisher,
            queue_commands_max=queue_commands_max,
            queue_seconds_max=math.inf,
            in_doubt_s_max=in_doubt_s_max,
            key_wait_s=key_wait_s,
            tail_changes_max=tail_changes_max,
        )
        self.writer, self.relay = process.writer, process.relay
        self._sender = sender
        self.deliverer: Deliverer | None = None
        self.api = OrdersApi(process, events_kept=lambda: KEPT, stream_limits=stream_limits, sender=sender)
        if self.log is None:
            self.relay.close()  # it takes nothing over then
        elif writing:
            self.relay.start()
        if writing:
            self.writer.start()
        if sequencing:
            process.sequencer.start()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._limits = limits
        self._authenticate = authenticate
        self._admit = admit
        self._behind_proxy = behind_proxy
        self._cors_origins = cors_origins
        self._tls = tls
        self.taken: list[bool] = []
        """Whether the short way took each request that came to it."""
        self._short_way = Watched(self.api.short_way, self.taken) if short_way else None
        self._loop = uvloop.new_event_loop()  # as in production
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._serve()), daemon=True
        )
        self._thread.start()
        assert self._started.wait(WAIT_S_MAX)

    async def _serve(self) -> None:
        async with serving(
            self.api.app,
            self.listener,
            door=FrontDoor(
                HOSTS,
                authenticate=self._authenticate,
                cors_origins=self._cors_origins,
                admit=self._admit,
                behind_proxy=self._behind_proxy,
            ),
            short_way=self._short_way,
            limits=self._limits,
            tls=self._tls,
            drain_s=2,
        ):
            self._started.set()
            await self._stop.wait()
            await self.api.stop()

    def stop_api(self) -> None:
        """What happens before the server stops, while it still serves."""
        asyncio.run_coroutine_threadsafe(self.api.stop(), self._loop).result(WAIT_S_MAX)

    def deliver(self, schedule_s: Sequence[float]) -> None:
        """Deliver to webhooks from now on."""

        async def begin() -> None:
            process, sender = self.process, self._sender or Sender()
            parts = (process.writer, process.reader, process.tail, sender)
            self.deliverer = Deliverer(*parts, schedule_s=schedule_s)
            self.deliverer.start()

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result(WAIT_S_MAX)

    def stop_delivering(self) -> None:
        deliverer, self.deliverer = self.deliverer, None
        if deliverer is not None:
            asyncio.run_coroutine_threadsafe(deliverer.close(), self._loop).result(WAIT_S_MAX)

    def close(self) -> None:
        self.stop_delivering()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()
        self.writer.start()
        self.process.close()
        self.database.dispose()
        if self.log:
            self.log.close()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = WAIT_S_MAX,
    ) -> Answer:
        """Send one request on a connection of its own; anything but bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = ({} if raw is None else {"content-type": "application/json"}) | dict(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, raw, sent)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def place(self, order: Any = ORDER, key: str | None = None) -> Answer:
        return self.send("POST", "/api/orders", order, {"Idempotency-Key": key} if key else None)

    def placed(self, order: Any = ORDER) -> dict[str, Any]:
        answer = self.place(order)
        assert answer.status == 201, answer.body
        return answer.document

    def patch(self, order_id: str, **changes: Any) -> Answer:
        return self.send("PATCH", f"/api/orders/{order_id}/status", changes)

    def get(self, path: str) -> Any:
        answer = self.send("GET", path)
        assert answer.status == 200, answer.body
        return answer.document

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows that are committed: they are read on a connection of their own."""
        with self.database.reader.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def write(self, statement: sa.Executable, rows: list[dict[str, Any]] | None = None) -> None:
        with self.database.writer.begin() as connection:
            connection.execute(statement, rows)

    @contextmanager
    def session(self) -> Generator[Connection]:
        """A transaction of another process; the caller ends it."""
        other = connect(self.database.url.render_as_string(hide_password=False), application="other")
        try:
            with other.writer.connect() as connection:
                yield connection
        finally:
            other.dispose()

    @property
    def orders(self) -> int:
        return int(self.rows("SELECT count(*) FROM orders")[0][0])

    def published(self) -> list[tuple[str, int]]:
        """(order id, version) of everything in the log, in log order per partition."""
        assert self.log is not None
        consumer = self.log.consumer(TOPIC, f"reader-{time.monotonic_ns()}")
        try:
            records = consumer.poll(10_000, 0)
        finally:
            consumer.close()
        events = [json.loads(record.value or b"") for record in records]
        return [(event["orderId"], event["orderVersion"]) for event in events]


Start = Callable[..., Service]


@pytest.fixture(params=["sqlite", "postgresql", "mssql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'orders.db'}"
    return request.getfixturevalue(SERVERS[request.param])


on_a_server = pytest.mark.parametrize("database_url", ["postgresql", "mssql"], indirect=True)
"""For tests that need several writers or sessions, which an SQLite file does not have."""
# For tests that read plans, in the words of these two.
with_plans = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def start(database_url: str) -> Iterator[Start]:
    """Starts services on this test's database, and ends them all."""
    services: list[Service] = []

    def started(*args: Any, url: str = database_url, **kwargs: Any) -> Service:
        services.append(Service(url, *args, **kwargs))
        return services[-1]

    yield started
    for service in services:
        service.close()


@pytest.fixture
def service(start: Start) -> Service:
    return start()


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all requests that must never reach a database; its content at the end proves that."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('refusing') / 'orders.db'}")
    yield service
    orders = service.orders
    service.close()
    assert orders == 0


def is_problem(answer: Answer, status: int) -> dict[str, Any]:
    """The answer is problem details with every member of the contract; returns them."""
    assert answer.status == status, answer.body[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.document
    assert {"type", "title", "status", "detail", "instance", "correlationId"} <= set(document)
    assert document["status"] == status
    assert document["correlationId"] == answer.headers["x-correlation-id"]
    assert status != 422 or all(set(error) >= {"pointer", "message"} for error in document["errors"])
    assert SECRET.encode() not in answer.body
    assert b"Traceback" not in answer.body
    assert len(answer.body) < 50_000
    return document
