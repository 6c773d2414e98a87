"""From the settings to the event log they name."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from orderflow.messaging import DEAD_LETTER_BYTES_MAX, BusMisconfigured, BusUnavailable, Consumer, Publisher
from orderflow.settings import Settings

log = structlog.get_logger()

DELIVERY_TIMEOUT_S = 6.0
"""Less than half of an outbox lease: a row is never queued twice while the log is away."""
TOPICS_RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Bus:
    """Makes publishers and consumers of one event log; each belongs to one thread, which closes it."""

    publisher: Callable[[], Publisher]
    dead_letter_publisher: Callable[[], Publisher]
    consumer: Callable[[str], Consumer]
    """Of the worker with this id."""


@contextmanager
def open_bus(settings: Settings, *, waits_for_topics: bool = False) -> Generator[Bus]:
    """The event log for as long as the block runs.

    Missing Kafka topics are created. An absent broker stops nobody who only publishes: that goes on in the
    background until it succeeds. With `waits_for_topics` it is waited for, with a line per try. Raises
    BusMisconfigured for what only a person can mend, BusUnavailable when waiting reached its bound.
    """
    if settings.bus_url == "embedded:":
        from orderflow.messaging.embedded import EmbeddedLog

        event_log = EmbeddedLog(settings.data_dir / "events.db")
        try:
            yield Bus(
                event_log.publisher,
                event_log.publisher,
                lambda _worker_id: event_log.consumer(settings.orders_topic, settings.consumer_group),
            )
        finally:
            event_log.close()
        return
    from orderflow.messaging.kafka import KafkaConsumer, KafkaPublisher, bootstrap_servers

    try:
        bootstrap = bootstrap_servers(settings.bus_url)
    except ValueError as error:
        raise BusMisconfigured(f"ORDERFLOW_BUS_URL: {error}") from None
    stop = threading.Event()
    if waits_for_topics:
        _create_topics(settings, bootstrap, stop, seconds_max=settings.database_wait_s)
    else:
        threading.Thread(
            target=_create_topics_quietly, args=(settings, bootstrap, stop), name="topics", daemon=True
        ).start()
    try:
        yield Bus(
            lambda: KafkaPublisher(bootstrap, delivery_timeout_s=DELIVERY_TIMEOUT_S),
            lambda: KafkaPublisher(
                bootstrap, delivery_timeout_s=DELIVERY_TIMEOUT_S, message_bytes_max=DEAD_LETTER_BYTES_MAX
            ),
            lambda worker_id: KafkaConsumer(
                bootstrap,
                settings.orders_topic,
                settings.consumer_group,
                protocol=settings.group_protocol,
                instance=worker_id,
            ),
        )
    finally:
        stop.set()


def _create_topics(settings: Settings, bootstrap: str, stop: threading.Event, *, seconds_max: float) -> None:
    from orderflow.messaging.kafka import ensure_topics

    waited_s = 0.0
    while not stop.is_set():
        try:
            ensure_topics(bootstrap, settings.orders_topic, settings.dead_letter_topic)
            return
        except BusUnavailable as error:
            if waited_s >= seconds_max:
                raise
            log.warning("event_log.waiting", reason=str(error))
        stop.wait(TOPICS_RETRY_S)
        waited_s += TOPICS_RETRY_S


def _create_topics_quietly(settings: Settings, bootstrap: str, stop: threading.Event) -> None:
    try:
        _create_topics(settings, bootstrap, stop, seconds_max=float("inf"))
    except BusMisconfigured as error:
        log.error("event_log.misconfigured", reason=str(error))
