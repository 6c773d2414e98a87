"""What is on a topic can be read without being a consumer of it: `orderflow recover` does."""

import time
import uuid
from pathlib import Path

import pytest
from tests.conformance.conftest import OpenLog, Publish, Read

from orderflow.messaging import BusMisconfigured, Message, Record
from orderflow.messaging.embedded_history import history as of_embedded
from orderflow.messaging.kafka import history as of_kafka


def history(log: OpenLog, since_ms: int) -> list[Record]:
    if log.name == "embedded":
        return list(of_embedded(Path(log.address), log.topic, since_ms))
    return list(of_kafka(log.address, log.topic, since_ms, settings=None))


def test_everything_since_a_time_is_read_with_each_keys_messages_in_order(
    log: OpenLog, publish: Publish, read: Read
) -> None:
    publish(log.publisher(), [Message(log.topic, "old", b"old")])
    time.sleep(0.01)
    since_ms = int(time.time() * 1000)
    sent = [Message(log.topic, f"k{n % 7}", b"%d" % n, (("h", b"\xff"),)) for n in range(50)]
    publish(log.publisher(), sent)
    found = history(log, since_ms)
    for key in {message.key for message in sent}:
        values = [record.value for record in found if record.key == str(key).encode()]
        assert values == [message.value for message in sent if message.key == key]
    assert len(found) == len(sent)
    assert found[0].headers == (("h", b"\xff"),)
    assert len(history(log, 0)) == len(sent) + 1
    assert history(log, since_ms + 3_600_000) == []
    assert len(read(log.consumer(), len(sent) + 1)) == len(sent) + 1, "no group has lost anything"


def test_a_topic_that_is_not_there_is_not_taken_for_an_empty_one(kafka_url: str) -> None:
    brokers = kafka_url.removeprefix("kafka://")
    with pytest.raises(BusMisconfigured, match="ORDERFLOW_ORDERS_TOPIC"):
        list(of_kafka(brokers, f"nowhere-{uuid.uuid4()}", 0, settings=None))
