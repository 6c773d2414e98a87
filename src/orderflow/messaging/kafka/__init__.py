"""The event log on Apache Kafka: confluent-kafka's plain producer and consumer, each owned by one thread.

The asynchronous classes of that library are not used: they refuse headers and delay a lone message.
"""

from orderflow.messaging.kafka.cluster import Settings
from orderflow.messaging.kafka.consumer import KafkaConsumer
from orderflow.messaging.kafka.publisher import KafkaPublisher
from orderflow.messaging.kafka.topics import TopicKeeper, ensure_topics, partitions_of, too_small
from orderflow.settings import bootstrap_servers

__all__ = [
    "KafkaConsumer",
    "KafkaPublisher",
    "Settings",
    "TopicKeeper",
    "bootstrap_servers",
    "ensure_topics",
    "partitions_of",
    "too_small",
]
