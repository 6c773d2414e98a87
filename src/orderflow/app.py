"""The composition root makes running roles from the settings. Nothing else connects, binds or starts a
thread."""

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket
from typing import Any

import uvloop
from pydantic import SecretStr

from orderflow.database import migrate
from orderflow.database.engine import Database, Reader, connect
from orderflow.database.errors import DatabaseMisconfigured, SchemaMismatch
from orderflow.database.group_commit import GroupCommit
from orderflow.database.readiness import Readiness
from orderflow.database.sqlite_engine import same_file, sole_use
from orderflow.database.urls import parse_url
from orderflow.fulfillment import http as fulfillment_http
from orderflow.fulfillment import lease
from orderflow.fulfillment.carriers.connect import close_carriers, open_carriers
from orderflow.fulfillment.carriers.parties import Carriers
from orderflow.fulfillment.dead_letters.http import DeadLetterActions
from orderflow.fulfillment.http import FulfillmentApi
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.messaging.connect import Bus, open_bus
from orderflow.orders import counters, outbox
from orderflow.orders import relay as relaying
from orderflow.orders.http.routes import OrdersApi
from orderflow.orders.intake import Intake
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.reconciler import Reconciler
from orderflow.orders.relay import Relay
from orderflow.orders.retention import Retention
from orderflow.runtime import telemetry
from orderflow.runtime.health import Health
from orderflow.runtime.identity import listener_name
from orderflow.runtime.processes import lock_data_dir, raise_open_files_limit, run_workers, stop_with_parent
from orderflow.runtime.settings_error import SettingsError
from orderflow.settings import Settings
from orderflow.web.front_door import FrontDoor
from orderflow.web.health import HealthApi, create_health_app
from orderflow.web.server import address, bind, serving, stop_on_signals

INTAKE_QUEUE_SECONDS_MAX = 2.0
"""If orders wait for longer than this, the writer cannot keep up, and further orders are refused."""

GC_THRESHOLDS = (10_000, 20, 20)
"""New objects before a collection, and how often older ones are examined: few of ours are in cycles."""


def run_migrate(settings: Settings) -> dict[str, list[str]]:
    """Bring both databases to the newest schema; returns the revisions that were applied, per context.

    Raises DatabaseUnavailable, DatabaseMisconfigured.
    """
    applied: dict[str, list[str]] = {}
    for schema in (ORDERS, FULFILLMENT):
        with (
            _naming(schema, settings),
            _closing(
                connect(_url(schema, settings), application=f"orderflow-migrate-{schema.name}")
            ) as database,
        ):
            migrate.wait_for(database, schema, seconds_max=settings.database_wait_s)
            applied[schema.name] = migrate.migrate(database, schema)
    return applied


def run_up(settings: Settings) -> int:
    """Run all roles in this process until SIGTERM or SIGINT. Returns the exit code.

    Raises SettingsError, DatabaseMisconfigured, DatabaseUnavailable or BusMisconfigured when it cannot start.
    """
    _start_logging(settings, "orderflow")
    with ExitStack() as stack:
        stack.enter_context(lock_data_dir(settings.data_dir))
        stack.enter_context(_sole_use_of_files(settings))
        listener = stack.enter_context(bind(settings.host, settings.port, "ORDERFLOW_PORT"))
        own = stack.enter_context(
            bind(settings.host, settings.fulfillment_port, "ORDERFLOW_FULFILLMENT_PORT")
        )
        orders = stack.enter_context(_prepared(ORDERS, settings))
        fulfillment = stack.enter_context(_prepared(FULFILLMENT, settings))
        wait_s = settings.database_wait_s
        if orders.embedded:
            migrate.once_it_answers(orders, ORDERS, outbox.free_leases, seconds_max=wait_s)
        if fulfillment.embedded:
            migrate.once_it_answers(fulfillment, FULFILLMENT, lease.end_all, seconds_max=wait_s)
        bus = stack.enter_context(open_bus(settings))

        async def run(stop: asyncio.Event) -> None:
            url = address(listener)
            async with _carriers(settings) as carriers, _order_service(settings, orders, bus, listener, stop):
                _announce(settings, url)
                await _fulfillment_service(
                    settings, fulfillment, bus, own, carriers, orders_url=url, stop=stop
                )

        return _run(run)


def run_api(settings: Settings) -> int:
    """Run the Order Service in ORDERFLOW_API_WORKERS processes behind one socket. Raises as `run_up`."""
    _start_logging(settings, "order-service")
    _refuse_embedded(settings, "api", settings.database_url)
    with bind(settings.host, settings.port, "ORDERFLOW_PORT") as listener:
        with _prepared(ORDERS, settings):
            pass  # waits for the database, migrates or checks it; each worker opens its own connections

        def work(_index: int) -> int:
            with ExitStack() as stack:
                database = stack.enter_context(_closing(_connect(ORDERS, settings)))
                bus = stack.enter_context(open_bus(settings))

                async def run(stop: asyncio.Event) -> None:
                    if settings.api_workers > 1:
                        stop_with_parent(stop)
                    async with _order_service(settings, database, bus, listener, stop):
                        await stop.wait()

                return _run(run)

        _say(f"Order Service: {address(listener)}")
        return work(0) if settings.api_workers == 1 else run_workers(settings.api_workers, work)


def run_relay(settings: Settings) -> int:
    """Run one relay process; any number of them may run. Raises as `run_up`."""
    _start_logging(settings, "relay")
    _refuse_embedded(settings, "relay", settings.database_url)
    with ExitStack() as stack:
        listener = None
        if settings.relay_port is not None:
            listener = stack.enter_context(bind(settings.host, settings.relay_port, "ORDERFLOW_RELAY_PORT"))
        database = stack.enter_context(_prepared(ORDERS, settings))
        bus = stack.enter_context(open_bus(settings))

        async def run(stop: asyncio.Event) -> None:
            async with _orders_parts(settings, database, bus, stop, essential=[relaying.LOOP]) as parts:
                if listener is None:
                    await stop.wait()
                    return
                async with serving(
                    create_health_app(parts.health), listener, door=FrontDoor(settings.own_hosts)
                ):
                    await stop.wait()

        _say("Relay: running")
        return _run(run)


def run_fulfillment(settings: Settings) -> int:
    """Run one fulfillment worker with its own HTTP server; any number of them may run. Raises as `run_up`."""
    _start_logging(settings, "fulfillment-service")
    _refuse_embedded(settings, "fulfillment", settings.fulfillment_database_url)
    with ExitStack() as stack:
        listener = stack.enter_context(
            bind(settings.host, settings.fulfillment_port, "ORDERFLOW_FULFILLMENT_PORT")
        )
        database = stack.enter_context(_prepared(FULFILLMENT, settings))
        bus = stack.enter_context(open_bus(settings))

        async def run(stop: asyncio.Event) -> None:
            async with _carriers(settings) as carriers:
                _say(f"Fulfillment Service: {address(listener)}")
                await _fulfillment_service(
                    settings, database, bus, listener, carriers, orders_url=settings.orders_url, stop=stop
                )

        return _run(run)


def _start_logging(settings: Settings, service: str) -> None:
    telemetry.configure_logging(settings.log_format, settings.log_level, service)


def _refuse_embedded(settings: Settings, role: str, database_url: SecretStr | None) -> None:
    """Raises SettingsError for an embedded database or event log, which only one process may use."""
    is_file = database_url is None or database_url.get_secret_value().startswith("sqlite")
    if is_file or settings.bus_url == "embedded:":
        database = "ORDERFLOW_FULFILLMENT_DATABASE_URL" if role == "fulfillment" else "ORDERFLOW_DATABASE_URL"
        raise SettingsError(
            f"`orderflow {role}` needs a database server and Kafka: set {database} and ORDERFLOW_BUS_URL, "
            "or run everything in one process with `orderflow up`"
        )


def _url(schema: migrate.Schema, settings: Settings) -> str:
    return settings.orders_database if schema is ORDERS else settings.fulfillment_database


def _connect(schema: migrate.Schema, settings: Settings) -> Database:
    with _naming(schema, settings):
        return connect(_url(schema, settings), application=f"orderflow-{schema.name}")


@contextmanager
def _naming(schema: migrate.Schema, settings: Settings) -> Generator[None]:
    """A database that is misconfigured raises a SettingsError that names the setting for this context."""
    variable = "database_url" if schema is ORDERS else "fulfillment_database_url"
    if getattr(settings, variable) is None:
        variable = "data_dir"
    try:
        yield
    except SchemaMismatch:
        raise
    except DatabaseMisconfigured as error:
        raise SettingsError(f"ORDERFLOW_{variable.upper()}: {error}") from None


@contextmanager
def _sole_use_of_files(settings: Settings) -> Generator[None]:
    """Keep other processes away from the files of the databases and the event log. Raises SettingsError."""
    files = [settings.data_dir / "events.db"] if settings.bus_url == "embedded:" else []
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(sole_use(file))
        for schema in (ORDERS, FULFILLMENT):
            with _naming(schema, settings):
                url = parse_url(_url(schema, settings))
                if url.get_backend_name() != "sqlite":
                    continue
                file = Path(str(url.database))
                if any(same_file(file, other) for other in files):
                    raise DatabaseMisconfigured(f"{file} is used for something else already: name another")
                stack.enter_context(sole_use(file))
                files.append(file)
        yield


@contextmanager
def _closing(database: Database) -> Generator[Database]:
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def _prepared(schema: migrate.Schema, settings: Settings) -> Generator[Database]:
    """The context's database, once it answers and has the newest schema."""
    with _closing(_connect(schema, settings)) as database:
        with _naming(schema, settings):
            migrate.wait_for(database, schema, seconds_max=settings.database_wait_s)
            if settings.migrates_at_start:
                migrate.migrate(database, schema)
            else:
                migrate.check(database, schema)
        yield database


@asynccontextmanager
async def _carriers(settings: Settings) -> AsyncGenerator[Carriers]:
    """The carriers. Raises SettingsError: a wrong carrier is reported before anything is announced."""
    carriers = open_carriers(settings)
    try:
        yield carriers
    finally:
        await close_carriers(carriers)


@dataclass(frozen=True, slots=True)
class _OrdersParts:
    writer: GroupCommit
    relay: Relay
    reader: Reader
    health: HealthApi


@asynccontextmanager
async def _orders_parts(
    settings: Settings, database: Database, bus: Bus, stop: asyncio.Event, *, essential: Sequence[str] = ()
) -> AsyncGenerator[_OrdersParts]:
    """Run what every process on the orders database has: its writer, a relay, a reconciler and retention. At
    the end they stop in the order of the work's flow: those that write through the writer first, then the
    writer.

    A loop that dies or hangs sets `stop`, and its error is raised at the end. The process is not ready while
    one of the `essential` loops does not work.
    """
    health = Health(essential=("writer-orders", *essential))
    writer = GroupCommit(database.writer, "orders", queue_seconds_max=INTAKE_QUEUE_SECONDS_MAX, health=health)
    relay = Relay(writer, bus.publisher())
    reconciler = Reconciler(writer, patience_s=settings.reconcile_after_s)
    retention = Retention(
        writer,
        keys_s=settings.idempotency_key_lifetime_s,
        events_s=settings.events_kept_s,
        history_s=settings.history_kept_s,
    )
    reader = Reader(database)
    keepers = bus.topic_keepers(health)
    for part in (*keepers, writer, relay, reconciler, retention):
        part.start()
    watching = asyncio.create_task(_watch(health, stop))
    try:
        database_trouble = Readiness(writer, counters.probe).trouble
        shown = HealthApi(database_trouble, disabled=health.disabled, degraded=health.degraded)
        yield _OrdersParts(writer, relay, reader, shown)
    finally:
        stop.set()
        for part in (*keepers, retention, reconciler, relay, writer, reader):
            await asyncio.to_thread(part.close)
        await asyncio.wait([watching])
    watching.result()


async def _watch(health: Health, stop: asyncio.Event) -> None:
    """Watch the loops until `stop` is set. If one dies or hangs, set `stop`, and raise LoopDied or
    LoopStalled."""
    try:
        await health.watch(stop)
    finally:
        stop.set()


@asynccontextmanager
async def _order_service(
    settings: Settings, database: Database, bus: Bus, listener: socket, stop: asyncio.Event
) -> AsyncGenerator[None]:
    """Run the Order Service on its socket."""
    async with _orders_parts(settings, database, bus, stop) as parts:
        intake = Intake(
            parts.writer, parts.reader, topic=settings.orders_topic, hand_off=parts.relay.hand_off
        )
        api = OrdersApi(
            writer=parts.writer,
            reader=parts.reader,
            intake=intake,
            health=parts.health,
            releases=settings.env == "dev",
        )
        async with serving(api.app, listener, door=FrontDoor(settings.own_hosts), short_way=api.short_way):
            try:
                yield
            finally:
                api.stop()


async def _fulfillment_service(
    settings: Settings,
    database: Database,
    bus: Bus,
    listener: socket,
    carriers: Carriers,
    *,
    orders_url: str,
    stop: asyncio.Event,
) -> None:
    """Run the Fulfillment Service until `stop` is set. Raises what ended one of its loops."""
    reader = Reader(database)
    publisher = bus.dead_letter_publisher()
    worker_id = listener_name(listener)
    worker = FulfillmentWorker(
        database=database,
        worker_id=worker_id,
        consumer=bus.consumer(worker_id),
        publisher=publisher,
        dead_letter_topic=settings.dead_letter_topic,
        carriers=carriers,
        orders_url=orders_url,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        in_flight_max=settings.shipments_in_flight_max,
        key_lifetime=timedelta(seconds=settings.carrier_key_lifetime_s),
    )
    keepers = bus.topic_keepers(worker.health)
    for keeper in keepers:
        keeper.start()
    health = fulfillment_http.health_api(worker.readiness, worker.status)
    actions = DeadLetterActions(
        writer=worker.writer,
        reader=reader,
        discarder=worker.discarder,
        clock=lambda: datetime.now(UTC),
        served=settings.env == "dev",
    )
    try:
        app = fulfillment_http.create_app(FulfillmentApi(reader), health, actions)
        async with serving(app, listener, door=FrontDoor(settings.own_hosts)):
            await worker.run(stop)
    finally:
        for keeper in keepers:
            keeper.close()
        publisher.close()
        reader.close()


def _run(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run `main` until it ends; SIGTERM and SIGINT set its event."""

    async def until_signal() -> None:
        stop = asyncio.Event()
        with stop_on_signals(stop):
            await main(stop)

    raise_open_files_limit()
    # Objects that live as long as the process need not be examined by every collection.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signal())
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tool_prefix(orders_url: str) -> str:
    """The setting that the tools need, if the Order Service is not at their default address."""
    usual = str(Settings.model_fields["orders_url"].default)
    return "" if orders_url == usual else f"ORDERFLOW_ORDERS_URL={orders_url} "


def _announce(settings: Settings, orders_url: str) -> None:
    _say(
        f"""
Orderflow takes orders at {orders_url} (API: {orders_url}/docs). Its data lies in {settings.data_dir}/.
Place one, and see it ship:

  curl -s {orders_url}/api/orders -H 'content-type: application/json' \\
    -d '{{"customer":{{"customerId":"c-1","name":"Ada"}},"items":[{{"productId":"p-1","quantity":2}}]}}'

  {_tool_prefix(orders_url)}orderflow orders list
"""
    )
