"""The composition root makes running roles from the settings. Nothing else connects, binds or starts a
thread."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from socket import socket

from orderflow.console.console import Console
from orderflow.database import migrate
from orderflow.database.archive import open_archive
from orderflow.database.engine import Database, Reader
from orderflow.database.opening import Source, opened, prepared, sole_use_of_files
from orderflow.fulfillment import lease
from orderflow.fulfillment import tables as fulfillment_tables
from orderflow.fulfillment.archiving import Archived
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.http.customers import Customers
from orderflow.fulfillment.http.dead_letters import DeadLetterActions
from orderflow.fulfillment.http.health import health_api as fulfillment_health
from orderflow.fulfillment.http.metrics import metrics_api as worker_metrics
from orderflow.fulfillment.http.reads import FulfillmentApi
from orderflow.fulfillment.http.routes import create_app as fulfillment_app
from orderflow.fulfillment.http.stock import StockApi
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.outside import Outside, open_outside
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.messaging.connect import Bus, keeping_topics, open_bus
from orderflow.messaging.cuttable import CuttablePublisher
from orderflow.orders import relay
from orderflow.orders import tables as orders_tables
from orderflow.orders.http.health import health_api
from orderflow.orders.http.metrics import metrics_api
from orderflow.orders.http.routes import OrdersApi
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.process import OrdersProcess, free_leases
from orderflow.orders.webhooks.sender import Allowed, Sender
from orderflow.runtime import telemetry
from orderflow.runtime.breakable import Restartable
from orderflow.runtime.identity import listener_name
from orderflow.runtime.processes import lock_data_dir, run_workers, stop_with_parent
from orderflow.runtime.telemetry import tracing
from orderflow.runtime.telemetry.counts import SharedCounts
from orderflow.runtime.telemetry.log_export import log_export
from orderflow.runtime.telemetry.metrics import REGISTRY
from orderflow.runtime.tls import ClientTls, ServerTls
from orderflow.security.access import front_door, rate_limits
from orderflow.security.keys import new_text
from orderflow.security.stores import KeyStore
from orderflow.settings import Settings
from orderflow.web.announcement import announcement
from orderflow.web.front_door import Admit
from orderflow.web.health import create_health_app
from orderflow.web.server import address, bind, run_until_signal, server_tls, serving

DATA_DIR = "ORDERFLOW_DATA_DIR"
"""The setting that says where embedded databases are."""


def run_up(settings: Settings) -> int:
    """Run all roles in this process until SIGTERM or SIGINT. Returns the exit code.

    Raises SettingsError, DatabaseMisconfigured, DatabaseUnavailable or BusMisconfigured when it cannot start.
    """
    _start_telemetry(settings, "orderflow")
    with ExitStack() as stack:
        stack.enter_context(lock_data_dir(settings.data_dir))
        sources = databases(settings)
        event_log = [settings.data_dir / "events.db"] if settings.bus_url == "embedded:" else []
        stack.enter_context(sole_use_of_files(sources, event_log))
        listener = stack.enter_context(bind(settings.host, settings.port, "ORDERFLOW_PORT"))
        own = stack.enter_context(
            bind(settings.host, settings.fulfillment_port, "ORDERFLOW_FULFILLMENT_PORT")
        )
        orders, fulfillment = (
            stack.enter_context(prepared(source, migrates=settings.migrates_at_start)) for source in sources
        )
        wait_s = settings.database_wait_s
        if orders.embedded:
            migrate.once_it_answers(orders, ORDERS, free_leases, seconds_max=wait_s)
        if fulfillment.embedded:
            migrate.once_it_answers(fulfillment, FULFILLMENT, lease.end_all, seconds_max=wait_s)
        bus = stack.enter_context(open_bus(settings))
        # Both services are in this process, so they need no key that is stored.
        key = new_text()
        tls = server_tls(settings)

        async def run(stop: asyncio.Event) -> None:
            # A certificate seldom names an address, so with TLS the setting says how to call ourselves.
            url = settings.orders_url if tls else address(listener)
            event_log = CuttablePublisher(bus.publisher())
            host, port = own.getsockname()[:2]

            async def ship(end: asyncio.Event) -> None:
                # The server closes its listener when it ends.
                at = own if own.fileno() >= 0 else bind(host, port, "ORDERFLOW_FULFILLMENT_PORT")
                with at:
                    await _fulfillment_service(
                        settings, fulfillment, bus, at, outside, orders_url=url, own_key=key, stop=end
                    )

            shipping = Restartable("Fulfillment Service", ship)
            own_url = settings.fulfillment_url if tls else address(own)
            console = Console(settings, url, own_url, breakables=[event_log, shipping])
            cuttable = replace(bus, publisher=lambda: event_log)
            orders_service = _order_service(
                settings,
                orders,
                cuttable,
                listener,
                stop,
                console=console,
                tls=tls,
                own_keys=[key],
                delivers=True,
            )
            async with open_outside(settings, _client_tls(settings)) as outside, orders_service:
                _say(announcement(settings, url, called=sys.argv[0]))
                await shipping.run(stop)

        return run_until_signal(run)


def run_api(settings: Settings) -> int:
    """Run the Order Service in ORDERFLOW_API_WORKERS processes behind one socket. Raises as `run_up`."""
    _start_telemetry(settings, "order-service")
    with bind(settings.host, settings.port, "ORDERFLOW_PORT") as listener:
        source = _orders_database(settings)
        tls = server_tls(settings)
        admit = rate_limits(settings)
        console = Console(settings, settings.orders_url if tls else address(listener))
        with prepared(source, migrates=settings.migrates_at_start):
            pass  # waits for the database, migrates or checks it; each worker opens its own connections

        counts = SharedCounts(settings.api_workers)

        def work(index: int) -> int:
            REGISTRY.count_in(counts, index)
            with ExitStack() as stack:
                database = stack.enter_context(opened(source))
                bus = stack.enter_context(open_bus(settings))

                async def run(stop: asyncio.Event) -> None:
                    if settings.api_workers > 1:
                        stop_with_parent(stop)
                    async with _order_service(
                        settings, database, bus, listener, stop, console=console, tls=tls, admit=admit
                    ):
                        await stop.wait()

                return run_until_signal(run)

        _say(f"Order Service: {address(listener, https=tls is not None)}")
        return work(0) if settings.api_workers == 1 else run_workers(settings.api_workers, work)


def run_relay(settings: Settings) -> int:
    """Run one relay process; any number of them may run. Raises as `run_up`."""
    _start_telemetry(settings, "relay")
    with ExitStack() as stack:
        listener = None
        if settings.relay_port is not None:
            listener = stack.enter_context(bind(settings.host, settings.relay_port, "ORDERFLOW_RELAY_PORT"))
        source = _orders_database(settings)
        database = stack.enter_context(prepared(source, migrates=settings.migrates_at_start))
        bus = stack.enter_context(open_bus(settings))

        async def run(stop: asyncio.Event) -> None:
            async with _orders_process(settings, database, bus, stop, [relay.LOOP], delivers=True) as process:
                if listener is None:
                    await stop.wait()
                    return
                app = create_health_app(health_api(process), metrics_api(process))
                async with (
                    front_door(settings, database, orders_tables.api_keys, process.health) as door,
                    serving(app, listener, door=door, tls=server_tls(settings), health=process.health),
                ):
                    await stop.wait()

        _say("Relay: running")
        return run_until_signal(run)


def run_fulfillment(settings: Settings) -> int:
    """Run one fulfillment worker with its own HTTP server; any number of them may run. Raises as `run_up`."""
    _start_telemetry(settings, "fulfillment-service")
    with ExitStack() as stack:
        listener = stack.enter_context(
            bind(settings.host, settings.fulfillment_port, "ORDERFLOW_FULFILLMENT_PORT")
        )
        source = _fulfillment_database(settings)
        database = stack.enter_context(prepared(source, migrates=settings.migrates_at_start))
        bus = stack.enter_context(open_bus(settings))

        async def run(stop: asyncio.Event) -> None:
            async with open_outside(settings, _client_tls(settings)) as outside:
                _say(f"Fulfillment Service: {address(listener, https=settings.tls_cert is not None)}")
                await _fulfillment_service(
                    settings, database, bus, listener, outside, orders_url=settings.orders_url, stop=stop
                )

        return run_until_signal(run)


def _start_telemetry(settings: Settings, service: str) -> None:
    export = log_export(service)
    put = None if export is None else export.put
    telemetry.configure_logging(settings.log_format, settings.log_level, service, export=put)
    tracing.configure_tracing(
        service,
        url_scheme="http" if settings.tls_cert is None else "https",
        messaging_system="orderflow" if settings.bus_url == "embedded:" else "kafka",
    )


def databases(settings: Settings) -> tuple[Source, Source]:
    """The orders database and the fulfillment database."""
    return _orders_database(settings), _fulfillment_database(settings)


def key_stores(settings: Settings) -> list[KeyStore]:
    """Where the API keys of both services are."""
    services = zip(databases(settings), (orders_tables, fulfillment_tables), strict=True)
    return [KeyStore(source, of.api_keys, of.audit_log) for source, of in services]


def _orders_database(settings: Settings) -> Source:
    setting = "ORDERFLOW_DATABASE_URL" if settings.database_url else DATA_DIR
    return Source(ORDERS, settings.orders_database, setting, settings.database_wait_s)


def _fulfillment_database(settings: Settings) -> Source:
    setting = "ORDERFLOW_FULFILLMENT_DATABASE_URL" if settings.fulfillment_database_url else DATA_DIR
    return Source(FULFILLMENT, settings.fulfillment_database, setting, settings.database_wait_s)


def _client_tls(settings: Settings) -> ClientTls:
    return ClientTls(settings.ca, settings.tls_cert, settings.tls_key)


def _sender(settings: Settings) -> Sender:
    allowed = Allowed(plain=settings.env == "dev", private=settings.webhooks_private_addresses == "allowed")
    return Sender(allowed, tls=ClientTls(settings.ca))


@asynccontextmanager
async def _orders_process(
    settings: Settings,
    database: Database,
    bus: Bus,
    stop: asyncio.Event,
    essential: Sequence[str] = (),
    *,
    delivers: bool = False,
) -> AsyncGenerator[OrdersProcess]:
    """Run what every process on the orders database has, and with `delivers` what sends to webhooks. A loop
    that dies or hangs sets `stop`, and its error is raised at the end."""
    process = OrdersProcess(
        database=database,
        publisher=bus.publisher(),
        topic=settings.orders_topic,
        reconcile_after_s=settings.reconcile_after_s,
        keys_kept_s=settings.idempotency_key_lifetime_s,
        events_kept_s=settings.events_kept_s,
        history_kept_s=settings.history_kept_s,
        stream_kept_s=settings.stream_kept_s,
        orders_kept_s=settings.orders_kept_s,
        archive=open_archive(settings.archive_dir, ORDERS.name),
        webhooks=_sender(settings) if delivers else None,
        essential=essential,
    )
    async with keeping_topics(bus, process.health), process.running(stop):
        yield process


@asynccontextmanager
async def _order_service(
    settings: Settings,
    database: Database,
    bus: Bus,
    listener: socket,
    stop: asyncio.Event,
    *,
    console: Console,
    tls: ServerTls | None,
    admit: Admit | None = None,
    own_keys: Sequence[str] = (),
    delivers: bool = False,
) -> AsyncGenerator[None]:
    """Run the Order Service on its socket. `admit` is given where several processes share it."""
    admit = admit or rate_limits(settings)
    async with (
        _orders_process(settings, database, bus, stop, delivers=delivers) as process,
        front_door(
            settings, database, orders_tables.api_keys, process.health, admit=admit, own_keys=own_keys
        ) as door,
    ):
        api = OrdersApi(
            process, events_kept=lambda: bus.kept(settings.orders_topic), sender=_sender(settings)
        )
        async with (
            console.beside(api.app, process.health) as app,
            serving(app, listener, door=door, short_way=api.short_way, tls=tls, health=process.health),
        ):
            try:
                yield
            finally:
                await api.stop()


async def _fulfillment_service(
    settings: Settings,
    database: Database,
    bus: Bus,
    listener: socket,
    outside: Outside,
    *,
    orders_url: str,
    own_key: str | None = None,
    stop: asyncio.Event,
) -> None:
    """Run the Fulfillment Service until `stop` is set. Raises what ended one of its loops."""
    reader = Reader(database)
    carriers, payments = outside
    publisher = bus.dead_letter_publisher()
    worker_id = listener_name(listener)
    worker = FulfillmentWorker(
        database=database,
        worker_id=worker_id,
        consumer=bus.consumer(worker_id),
        publisher=publisher,
        dead_letter_topic=settings.dead_letter_topic,
        carriers=carriers,
        payments=payments,
        orders_url=orders_url,
        api_key=own_key or (settings.api_key.get_secret_value() if settings.api_key else None),
        tls=_client_tls(settings),
        in_flight_max=settings.shipments_in_flight_max,
        key_lifetime=timedelta(seconds=settings.carrier_key_lifetime_s),
        archived=_archived(settings),
    )
    actions = DeadLetterActions(
        writer=worker.writer,
        reader=reader,
        discarder=worker.discarder,
        clock=lambda: datetime.now(UTC),
    )
    stock = StockApi(writer=worker.writer, reader=reader, clock=lambda: datetime.now(UTC))
    customers = Customers(
        writer=worker.writer,
        reader=reader,
        clock=lambda: datetime.now(UTC),
        copies_kept=lambda: bus.kept(settings.dead_letter_topic),
    )
    try:
        metrics = worker_metrics(worker.status)
        reads = FulfillmentApi(reader, worker.known, shipments_kept_s=settings.shipments_kept_s)
        health = fulfillment_health(worker.readiness, worker.status)
        adapter = carriers.current.adapter
        simulated = adapter if settings.env == "dev" and isinstance(adapter, SimulatedCarrier) else None
        app = fulfillment_app(reads, health, actions, stock, customers, metrics=metrics, simulated=simulated)
        async with (
            keeping_topics(bus, worker.health),
            front_door(
                settings, database, fulfillment_tables.api_keys, worker.health, admit=rate_limits(settings)
            ) as door,
            serving(app, listener, door=door, tls=server_tls(settings), health=worker.health),
        ):
            await worker.run(stop)
    finally:
        publisher.close()
        reader.close()


def _archived(settings: Settings) -> Archived | None:
    """Raises SettingsError."""
    archive = open_archive(settings.archive_dir, FULFILLMENT.name)
    after_s = settings.shipments_kept_s
    return Archived(archive, after_s) if archive is not None and after_s is not None else None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
