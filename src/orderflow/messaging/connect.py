"""Opens the event log that the settings name."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from orderflow.messaging import DEAD_LETTER_BYTES_MAX, BusUnavailable, Consumer, Kept, Publisher, Record
from orderflow.runtime.health import Health
from orderflow.runtime.patience import until_it_works
from orderflow.settings import Settings

if TYPE_CHECKING:
    from orderflow.messaging.embedded import EmbeddedLog
    from orderflow.messaging.kafka import TopicKeeper

DELIVERY_TIMEOUT_S = 6.0
"""Less than half of an outbox lease, so that no row is queued twice while the log is unavailable."""

_MAY_PASS = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_LOCKED")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Bus:
    """Makes publishers and consumers of one event log; each belongs to one thread, which closes it."""

    publisher: Callable[[], Publisher]
    dead_letter_publisher: Callable[[], Publisher]
    consumer: Callable[[str], Consumer]
    """Makes the consumer of the worker with this id."""
    history: Callable[[datetime], Iterator[Record]]
    """Reads the orders topic from that time on, one partition after the other, without being a consumer of
    it. Raises BusUnavailable."""
    kept: Callable[[str], Kept]
    """How long messages of the topic with this name are kept. It may ask a broker, for 5 s at most."""
    topic_keepers: Callable[[Health], Sequence["TopicKeeper"]] = lambda _health: ()
    """Makes the keepers, which create the topics and look after them. The caller starts and closes them."""


@contextmanager
def open_bus(settings: Settings) -> Generator[Bus]:
    """Opens the event log for as long as the block runs.

    Nothing waits for a broker; a file that cannot be written yet is waited for. Raises BusMisconfigured for
    what only a person can mend, BusUnavailable for a file that still cannot be written.
    """
    if settings.bus_url == "embedded:":
        from orderflow.messaging.embedded_history import history as embedded_history

        event_log = _embedded_log(settings.data_dir / "events.db", seconds_max=settings.database_wait_s)
        try:
            yield Bus(
                event_log.publisher,
                event_log.publisher,
                lambda _worker_id: event_log.consumer(settings.orders_topic, settings.consumer_group),
                history=lambda since: embedded_history(
                    settings.data_dir / "events.db", settings.orders_topic, _unix_ms(since)
                ),
                kept=_kept_embedded,
            )
        finally:
            event_log.close()
        return
    from orderflow.messaging.kafka import (
        KafkaConsumer,
        KafkaPublisher,
        TopicKeeper,
        bootstrap_servers,
        history,
        kept,
    )

    bootstrap = bootstrap_servers(settings.bus_url)
    security = kafka_security(settings)
    publisher = partial(KafkaPublisher, bootstrap, delivery_timeout_s=DELIVERY_TIMEOUT_S, settings=security)
    yield Bus(
        publisher,
        lambda: publisher(message_bytes_max=DEAD_LETTER_BYTES_MAX),
        lambda worker_id: KafkaConsumer(
            bootstrap,
            settings.orders_topic,
            settings.consumer_group,
            protocol=settings.group_protocol,
            instance=worker_id,
            settings=security,
        ),
        history=lambda since: history(bootstrap, settings.orders_topic, _unix_ms(since), settings=security),
        kept=lambda topic: kept(bootstrap, topic, settings=security),
        topic_keepers=lambda health: [
            TopicKeeper(
                bootstrap,
                settings.orders_topic,
                settings.dead_letter_topic,
                health=health,
                settings=security,
            )
        ],
    )


def _unix_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@asynccontextmanager
async def keeping_topics(bus: Bus, health: Health) -> AsyncGenerator[None]:
    """Look after the topics, where the event log has any."""
    keepers = bus.topic_keepers(health)
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        for keeper in keepers:
            await asyncio.to_thread(keeper.close)


def kafka_security(settings: Settings) -> dict[str, str]:
    """librdkafka's settings for TLS and SASL. It verifies the brokers' certificates and host names."""
    if settings.kafka_security == "plaintext":
        return {}
    password = settings.kafka_password.get_secret_value() if settings.kafka_password else None
    given = {
        "ssl.ca.location": settings.kafka_ca,
        "ssl.certificate.location": settings.kafka_cert,
        "ssl.key.location": settings.kafka_key,
        "sasl.mechanism": settings.kafka_mechanism if settings.kafka_security == "sasl_ssl" else None,
        "sasl.username": settings.kafka_username,
        "sasl.password": password,
    }
    security = {name: str(value) for name, value in given.items() if value is not None}
    return {"security.protocol": settings.kafka_security, **security}


def _kept_embedded(topic: str) -> Kept:
    from orderflow.messaging.embedded import RETENTION_MS

    why = "longer while nobody has read it, or nothing is published"
    return Kept(f"topic {topic} of the embedded log", RETENTION_MS / 1000, why)


def _embedded_log(path: Path, *, seconds_max: float) -> "EmbeddedLog":
    """The log, once its file can be written: a disk may be full, or another process may hold the file's lock.
    Raises BusUnavailable after the bound, and at once where waiting is no use."""
    from orderflow.messaging.embedded import EmbeddedLog

    def may_pass(error: Exception) -> bool:
        name = str(getattr(error.__cause__, "sqlite_errorname", ""))
        return isinstance(error, BusUnavailable) and name.startswith(_MAY_PASS)

    return until_it_works(
        lambda: EmbeddedLog(path),
        may_pass=may_pass,
        on_wait=lambda error: log.warning("event_log.waiting", reason=str(error)),
        seconds_max=seconds_max,
    )
