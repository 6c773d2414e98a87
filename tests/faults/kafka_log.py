"""The event log of a fault run on Kafka: it is read as a whole, loses its offsets or records, or is
changed."""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic
from tests.faults.history import LoggedEvent
from tests.faults.stage import TOPIC, logged_event

REQUEST_S = 10.0
_NO_LEADER = (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION)


def delete_group(bootstrap: str, group: str) -> None:
    """Delete the group with its offsets. Raises KafkaException, for instance while the group has members."""
    admin = _admin(bootstrap)  # must live until its futures are done
    futures: dict[str, Future[None]] = admin.delete_consumer_groups([group])
    futures[group].result(REQUEST_S)


def delete_records(bootstrap: str, ends: Mapping[int, int]) -> int:
    """Delete what the partitions hold before these offsets, and return the number of partitions. Raises
    KafkaException."""
    if not ends:
        return 0
    admin = _admin(bootstrap)
    to_the_end = [TopicPartition(TOPIC, partition, end) for partition, end in ends.items()]
    futures: dict[TopicPartition, Future[None]] = admin.delete_records(to_the_end)
    for future in futures.values():
        future.result(REQUEST_S)
    return len(futures)


def add_partitions(bootstrap: str, count: int) -> int:
    """Add `count` partitions, and return how many the topic has then. Raises KafkaException."""
    admin = _admin(bootstrap)
    found = admin.list_topics(timeout=REQUEST_S).topics.get(TOPIC)
    if found is None:
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    total = len(found.partitions) + count
    futures: dict[str, Future[None]] = admin.create_partitions([NewPartitions(TOPIC, total)])
    futures[TOPIC].result(REQUEST_S)
    return total


def delete_topic(bootstrap: str) -> None:
    """Raises KafkaException."""
    admin = _admin(bootstrap)
    futures: dict[str, Future[None]] = admin.delete_topics([TOPIC])
    futures[TOPIC].result(REQUEST_S)


def make_small_topic(bootstrap: str) -> None:
    """Make the topic with one partition, as a broker does that creates topics by itself. If the topic exists
    again already, leave it as it is. Raises KafkaException."""
    admin = _admin(bootstrap)
    futures: dict[str, Future[None]] = admin.create_topics([NewTopic(TOPIC, 1)])
    try:
        futures[TOPIC].result(REQUEST_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def _admin(bootstrap: str) -> Any:
    """The library leaves the types of its futures open."""
    return AdminClient({"bootstrap.servers": bootstrap})


def _offsets(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """The first offset and the one after the last. A broker that has just started may not lead yet."""
    ends_at = time.monotonic() + REQUEST_S
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=REQUEST_S)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER or time.monotonic() > ends_at:
                raise
        time.sleep(0.2)


def read_log(bootstrap: str) -> list[LoggedEvent]:
    """Every record that the topic has, by partition and offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "referee",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "auto.offset.reset": "earliest",
        }
    )
    events: list[LoggedEvent] = []
    try:
        metadata = consumer.list_topics(TOPIC, timeout=REQUEST_S)
        partitions = [TopicPartition(TOPIC, p, OFFSET_BEGINNING) for p in metadata.topics[TOPIC].partitions]
        ends: dict[int, int] = {}
        for partition in partitions:
            low, high = _offsets(consumer, partition)
            if high > low:
                ends[partition.partition] = high
        consumer.assign([partition for partition in partitions if partition.partition in ends])
        while ends:
            for record in consumer.consume(1_000, timeout=1.0):
                partition, offset, value = record.partition(), record.offset(), record.value()
                if partition is None or offset is None or value is None:
                    continue
                events.append(logged_event(partition, offset, value))
                if partition in ends and offset + 1 >= ends[partition]:
                    del ends[partition]
    finally:
        consumer.close()
    return events
