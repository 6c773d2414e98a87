"""Each of our listeners on a port of its own, and raw conversations with them."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import uvloop
from tests.authority import Authority
from tests.orders.conftest import CORS_ORIGIN, HOSTS, KEPT, Service

from orderflow.database.engine import Reader, connect
from orderflow.database.group_commit import GroupCommit
from orderflow.database.migrate import migrate
from orderflow.fulfillment.carriers import Carriers
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier, SimulatedOutcomes
from orderflow.fulfillment.dead_letters.discarder import Discarder
from orderflow.fulfillment.http.customers import Customers
from orderflow.fulfillment.http.dead_letters import DeadLetterActions
from orderflow.fulfillment.http.reads import FulfillmentApi
from orderflow.fulfillment.http.routes import create_app as create_fulfillment
from orderflow.fulfillment.http.stock import StockApi
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.orders_client import OrdersClient
from orderflow.fulfillment.parties import Party
from orderflow.fulfillment.payments.simulated import SimulatedDecisions
from orderflow.runtime.health import Health
from orderflow.runtime.telemetry.exposition import Reading
from orderflow.runtime.tls import ServerTls
from orderflow.security.rate_limits import RateLimits
from orderflow.simulators.carrier_ledger import Ledger
from orderflow.simulators.carrier_server import create_app as create_carrier
from orderflow.simulators.payment_ledger import PaymentLedger
from orderflow.simulators.payment_server import create_app as create_provider
from orderflow.web.deadlines import Limits
from orderflow.web.front_door import EVERYONE, Authenticate, FrontDoor
from orderflow.web.health import HealthApi, create_health_app
from orderflow.web.metrics import MetricsApi
from orderflow.web.server import bind, serving

PATHS = {
    "orders": "/api/orders",
    "orders, the usual way": "/api/orders",
    "relay": "/health/live",
    "fulfillment": "/api/fulfillment/dead-letters/redrive",
    "carrier-sim": "/v1/shipments",
    "payment-sim": "/v1/authorizations",
}
"""Every listener, and where a POST with a body goes."""
LISTENERS = tuple(PATHS)
SIMULATORS = {PATHS["carrier-sim"], PATHS["payment-sim"]}

WORKER = {
    **{"workerId": "worker", "epoch": 1, "inFlight": 0, "held": 0, "circuits": {}, "skippedEvents": {}},
    "consumer": {"group": "g", "assignment": [0], "lag": 0, "lastPollAgeMs": 1, "error": None},
}
"""What a worker's health shows in addition."""


@contextmanager
def in_thread(server: Callable[[], AbstractAsyncContextManager[Any]]) -> Generator[None]:
    """Runs a server on an event loop of its own while the block does."""
    loop, started, stop = uvloop.new_event_loop(), threading.Event(), asyncio.Event()

    async def run() -> None:
        async with server():
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@contextmanager
def listening(
    name: str,
    directory: Path,
    limits: Limits | None = None,
    authenticate: Authenticate = lambda _authorization: EVERYONE,
    limits_of_rate: RateLimits | None = None,
    *,
    tls: ServerTls | None = None,
    behind_proxy: bool = False,
    cors_origins: Sequence[str] = (CORS_ORIGIN,),
) -> Generator[int]:
    """The port of that listener, with the application it has in production."""
    admit = limits_of_rate.wait_s if limits_of_rate else None
    if name.startswith("orders"):
        service = Service(
            f"sqlite:///{directory / 'orders.db'}",
            short_way=name == "orders",
            limits=limits,
            authenticate=authenticate,
            admit=admit,
            tls=tls,
            behind_proxy=behind_proxy,
            cors_origins=cors_origins,
        )
        try:
            yield service.port
        finally:
            service.close()
        return
    with ExitStack() as stack:
        listener = stack.enter_context(bind("127.0.0.1", 0, "port"))
        app = _application(name, directory, stack)
        door = FrontDoor(
            HOSTS,
            authenticate=authenticate,
            cors_origins=cors_origins,
            admit=admit,
            behind_proxy=behind_proxy,
        )
        stack.enter_context(
            in_thread(lambda: serving(app, listener, door=door, limits=limits, tls=tls, drain_s=2))
        )
        yield listener.getsockname()[1]


def _application(name: str, directory: Path, stack: ExitStack) -> Any:
    if name == "carrier-sim":
        ledger = Ledger(directory / "ledger.db")
        stack.callback(ledger.close)
        return create_carrier(
            ledger=ledger, outcomes=SimulatedOutcomes(seed=1, delay_ms=(0, 0), failure_rate=0, error_rate=0)
        )
    if name == "payment-sim":
        payments = PaymentLedger(directory / "ledger.db")
        stack.callback(payments.close)
        return create_provider(
            ledger=payments, decisions=SimulatedDecisions(seed=1, decline_rate=0, error_rate=0)
        )
    database = connect(f"sqlite:///{directory / 'one.db'}", application="test")
    stack.callback(database.dispose)
    migrate(database, FULFILLMENT)
    reader = Reader(database)
    stack.callback(reader.close)
    if name == "relay":
        return create_health_app(health_api(), metrics_api())
    writer = GroupCommit(database.writer, "fulfillment")
    writer.start()
    stack.callback(writer.close)
    carrier = SimulatedCarrier(seed=1, delay_ms=(0, 0), failure_rate=0, error_rate=0)
    discarder = Discarder(
        writer,
        Carriers(Party("simulated", carrier), ()),
        OrdersClient("http://127.0.0.1:9"),
        timedelta(days=1),
        lambda: datetime.now(UTC),
    )
    actions = DeadLetterActions(
        writer=writer, reader=reader, discarder=discarder, clock=lambda: datetime.now(UTC)
    )
    stock = StockApi(writer=writer, reader=reader, clock=lambda: datetime.now(UTC))
    customers = Customers(
        writer=writer, reader=reader, clock=lambda: datetime.now(UTC), copies_kept=lambda: KEPT
    )
    return create_fulfillment(
        FulfillmentApi(reader),
        health_api(WORKER),
        actions,
        stock,
        customers,
        metrics=metrics_api(),
        simulated=carrier,
    )


def health_api(details: Mapping[str, Any] = MappingProxyType({})) -> HealthApi:
    async def no_trouble() -> None:
        return None

    health = Health()
    return HealthApi(no_trouble, disabled=health.disabled, degraded=health.degraded, details=lambda: details)


def metrics_api() -> MetricsApi:
    async def no_readings() -> list[Reading]:
        return []

    return MetricsApi(no_readings, Health().degraded)


@pytest.fixture(params=LISTENERS, scope="module")
def listener(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """(Path that takes a POST, port) of each listener."""
    with listening(request.param, tmp_path_factory.mktemp("listener")) as port:
        yield PATHS[request.param], port


Listen = Callable[..., int]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def listen() -> Iterator[Listen]:
    """`listen(tls, limits)`: the port of a listener that serves nothing but its health."""
    with ExitStack() as stack:

        def start(tls: ServerTls | None = None, limits: Limits | None = None) -> int:
            listener = stack.enter_context(bind("127.0.0.1", 0, "port"))
            app = create_health_app(health_api(), metrics_api())
            stack.enter_context(in_thread(lambda: serving(app, listener, limits=limits, tls=tls, drain_s=2)))
            return listener.getsockname()[1]

        yield start


CLOSED = "closed"
PATIENCE_S = 10.0
_STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) ")


def converse(port: int, *parts: bytes, silent_s: float = 0.15, count: int = 1) -> list[int | str]:
    """The statuses of what came back, in order, and whether the server closed; parts are sent one by one. So
    many are waited for, however slow the machine is, and more of them until the server is silent."""
    return statuses(received(port, *parts, silent_s=silent_s, count=count))


def statuses(answers: bytes) -> list[int | str]:
    closed = [CLOSED] if answers.endswith(b"[closed]") else []
    return [int(status) for status in _STATUS.findall(answers)] + closed


def received(port: int, *parts: bytes, silent_s: float = 0.15, count: int = 1) -> bytes:
    chunks: list[bytes] = []

    def pause_s(*, last: bool) -> float:
        if not last:
            return 0.02
        return silent_s if len(statuses(b"".join(chunks))) >= count else max(PATIENCE_S, silent_s)

    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, part in enumerate(parts):
            try:
                connection.sendall(part)
            except OSError:
                break
            last = number == len(parts) - 1
            connection.settimeout(pause_s(last=last))
            try:
                while chunk := connection.recv(1 << 16):
                    chunks.append(chunk)
                    connection.settimeout(pause_s(last=last))
                return b"".join([*chunks, b"[closed]"])
            except TimeoutError:
                pass
            except ConnectionError:
                return b"".join([*chunks, b"[closed]"])
    return b"".join(chunks)
