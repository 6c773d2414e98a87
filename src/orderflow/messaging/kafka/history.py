"""Reads what is on a topic without being a member of a group."""

from collections.abc import Iterator
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from orderflow.messaging import BusMisconfigured, BusUnavailable, Record
from orderflow.messaging.kafka.cluster import Settings, client_settings, explained

TIMEOUT_S = 10.0
"""How long the brokers may take for an answer."""


def history(bootstrap: str, topic: str, since_ms: int, *, settings: Settings | None) -> Iterator[Record]:
    """The messages of the topic since that Unix time in milliseconds, up to where it ends now, one partition
    after the other. Nothing is committed. Raises BusUnavailable, and BusMisconfigured without the topic."""
    consumer = Consumer(
        {
            **client_settings(bootstrap, settings),
            "group.id": "orderflow-recover",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
        }
    )
    try:
        known = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
        if not known:
            raise BusMisconfigured(
                f"there is no topic {topic}: ORDERFLOW_ORDERS_TOPIC and ORDERFLOW_BUS_URL must name what was "
                "used before; if it is lost, make a topic of this name"
            )
        wanted = [TopicPartition(topic, partition, since_ms) for partition in sorted(known)]
        for begin in consumer.offsets_for_times(wanted, timeout=TIMEOUT_S):
            yield from _partition(consumer, begin)
    except KafkaException as error:
        raise BusUnavailable(f"topic {topic}: {explained(error.args[0])}") from None
    finally:
        consumer.close()


def _partition(consumer: Consumer, begin: TopicPartition) -> Iterator[Record]:
    _, end = consumer.get_watermark_offsets(TopicPartition(begin.topic, begin.partition), timeout=TIMEOUT_S)
    if begin.offset in (OFFSET_END, end):
        return
    consumer.assign([begin])
    position = begin.offset
    while position < end:
        message: Any = consumer.poll(TIMEOUT_S)
        if message is None:
            # What is left may be markers of transactions, which are no messages.
            position = consumer.position([begin])[0].offset
            if position < end:
                raise BusUnavailable(f"topic {begin.topic}: nothing arrives from partition {begin.partition}")
            return
        if message.error() is not None:
            raise KafkaException(message.error())
        position = message.offset() + 1
        if message.offset() < end:
            yield Record(
                begin.topic,
                begin.partition,
                message.offset(),
                message.key(),
                message.value(),
                tuple(message.headers() or ()),
                message.timestamp()[1],
            )
