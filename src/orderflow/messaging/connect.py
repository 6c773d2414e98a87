"""From the settings to the event log they name."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orderflow.messaging import DEAD_LETTER_BYTES_MAX, Consumer, Publisher
from orderflow.runtime.health import Health
from orderflow.settings import Settings

if TYPE_CHECKING:
    from orderflow.messaging.kafka import TopicKeeper

DELIVERY_TIMEOUT_S = 6.0
"""Less than half of an outbox lease: a row is never queued twice while the log is away."""


@dataclass(frozen=True, slots=True)
class Bus:
    """Makes publishers and consumers of one event log; each belongs to one thread, which closes it."""

    publisher: Callable[[], Publisher]
    dead_letter_publisher: Callable[[], Publisher]
    consumer: Callable[[str], Consumer]
    """Of the worker with this id."""
    topic_keepers: Callable[[Health], Sequence["TopicKeeper"]] = lambda _health: ()
    """Make the topics and look after them, for whoever starts and closes them."""


@contextmanager
def open_bus(settings: Settings) -> Generator[Bus]:
    """The event log for as long as the block runs.

    Nothing waits for a broker. Raises BusMisconfigured for what only a person can mend.
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
    from orderflow.messaging.kafka import KafkaConsumer, KafkaPublisher, TopicKeeper, bootstrap_servers

    bootstrap = bootstrap_servers(settings.bus_url)
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
        lambda health: [
            TopicKeeper(bootstrap, settings.orders_topic, settings.dead_letter_topic, health=health)
        ],
    )
