"""The event log on Apache Kafka, with confluent-kafka's plain producer and consumer, each owned by one
thread.

That library's asynchronous classes are not used, because they refuse headers and delay a lone message.
"""

from orderflow.messaging.kafka.cluster import Settings
from orderflow.messaging.kafka.consumer import KafkaConsumer
from orderflow.messaging.kafka.history import history
from orderflow.messaging.kafka.publisher import KafkaPublisher
from orderflow.messaging.kafka.retention import kept
from orderflow.messaging.kafka.topics import (
    TopicKeeper,
    ensure_topics,
    makes_topics_by_itself,
    partitions_of,
    too_small,
)
from orderflow.settings import bootstrap_servers

__all__ = [
    "KafkaConsumer",
    "KafkaPublisher",
    "Settings",
    "TopicKeeper",
    "bootstrap_servers",
    "ensure_topics",
    "history",
    "kept",
    "makes_topics_by_itself",
    "partitions_of",
    "too_small",
]
