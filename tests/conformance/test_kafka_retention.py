"""How long Kafka keeps a topic's messages is what the broker says."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.conformance.conftest import Eventually

from orderflow.messaging.kafka import kept

DAY_MS = 86_400_000


@pytest.fixture
def topic(kafka_bootstrap: str) -> Iterator[str]:
    """A name; the topic is deleted afterwards."""
    name = f"test-{uuid.uuid4()}"
    yield name
    admin: Any = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for deleted in admin.delete_topics([name]).values():
        deleted.exception(30)


def made(bootstrap: str, topic: str, eventually: Eventually, **config: object) -> None:
    settings = {name.replace("_", "."): str(value) for name, value in config.items()}
    admin: Any = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1, config=settings)])[topic].result(30)
    # A broker on a busy machine learns of the topic a moment after the controller has made it.
    eventually(lambda: "UNKNOWN_TOPIC" not in kept(bootstrap, topic).why)


def test_a_message_is_kept_for_the_retention_and_one_segment(
    kafka_bootstrap: str, topic: str, eventually: Eventually
) -> None:
    made(kafka_bootstrap, topic, eventually, retention_ms=3 * DAY_MS, segment_ms=DAY_MS)
    found = kept(kafka_bootstrap, topic)
    assert found.place == f"topic {topic}"
    assert found.seconds == 4 * 86_400
    assert found.why == f"retention.ms={3 * DAY_MS}, segment.ms={DAY_MS}, cleanup.policy=delete"


@pytest.mark.parametrize(
    "config", [{"retention_ms": -1}, {"cleanup_policy": "compact"}, {"cleanup_policy": "compact,delete"}]
)
def test_a_topic_that_is_not_emptied_by_time_alone_has_no_bound(
    config: dict[str, object], kafka_bootstrap: str, topic: str, eventually: Eventually
) -> None:
    made(kafka_bootstrap, topic, eventually, **config)
    found = kept(kafka_bootstrap, topic)
    assert found.seconds is None
    assert found.why.endswith(": such a topic is not emptied by time alone")


def test_a_topic_that_does_not_exist_has_no_bound_that_anybody_knows(kafka_bootstrap: str) -> None:
    found = kept(kafka_bootstrap, f"missing-{uuid.uuid4()}")
    assert found.seconds is None
    assert found.why.startswith("the broker does not say how long: ")


def test_a_broker_that_is_away_is_not_waited_for() -> None:
    found = kept("127.0.0.1:9", "any")
    assert found.seconds is None
    assert found.why.startswith("the broker does not say how long: ")
