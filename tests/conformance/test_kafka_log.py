"""What Kafka's adapter guarantees besides the port: groups of many members, absent brokers, topics."""

import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Literal

import pytest
from confluent_kafka import KafkaError, Producer
from tests.conformance.conftest import Eventually, OpenKafka, Publish, Read

from orderflow.messaging import BusMisconfigured, BusUnavailable, Message, Position, PublishFailed, Record
from orderflow.messaging.kafka import KafkaConsumer, KafkaPublisher, bootstrap_servers
from orderflow.messaging.kafka.publisher import BATCHES_OF_ONE_S

Protocol = Literal["classic", "consumer"]
ALL = tuple(range(12))


@pytest.fixture
def closed_port() -> Iterator[str]:
    """An address that refuses connections: bound, never listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def spread(log: OpenKafka, count: int = 120) -> list[Message]:
    return [Message(log.topic, f"key-{n}", b"%d" % n) for n in range(count)]


def member(log: OpenKafka, protocol: Protocol) -> KafkaConsumer:
    return KafkaConsumer(log.address, log.topic, f"{protocol}-{log.topic}", protocol=protocol)


@pytest.mark.parametrize(
    ("url", "servers"),
    [("kafka://a:9092", "a:9092"), ("kafka://a:1,b.c:2/", "a:1,b.c:2"), ("kafka://[::1]:9092", "[::1]:9092")],
)
def test_a_kafka_url_names_the_bootstrap_servers(url: str, servers: str) -> None:
    assert bootstrap_servers(url) == servers


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a:9092",
        "http://a:9092",
        "kafka://",
        "kafka://a",
        "kafka://a:0",
        "kafka://a:1,",
        "kafka://u:p@a:1",
    ],
)
def test_a_wrong_kafka_url_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]*kafka://host:9092[^\n]*\Z"):
        bootstrap_servers(url)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_members_of_a_group_share_its_partitions_and_its_records(
    kafka: OpenKafka, publish: Publish, eventually: Eventually, protocol: Protocol
) -> None:
    one, other = member(kafka, protocol), member(kafka, protocol)
    found: list[Record] = []

    def poll() -> None:
        for consumer in (one, other):
            records = consumer.poll(100, 0.1)
            found.extend(records)
            consumer.commit(records)

    def shared() -> bool:
        poll()
        mine, yours = one.state().assignment, other.state().assignment
        return bool(mine and yours) and tuple(sorted(mine + yours)) == ALL

    eventually(shared)
    sent = spread(kafka)
    publish(kafka.publisher(), sent)

    def all_found() -> bool:
        poll()
        return {record.value for record in found} == {message.value for message in sent}

    eventually(all_found)
    one.close()
    other.close()


def test_the_lag_of_each_partition_rises_and_falls_with_what_is_committed_and_goes_with_the_partition(
    kafka: OpenKafka, publish: Publish, read: Read, eventually: Eventually
) -> None:
    sent = spread(kafka)
    publish(kafka.publisher(), sent)
    one = member(kafka, "classic")
    records = read(one, len(sent))
    waiting = Counter(record.partition for record in records)

    def lags_are(expected: dict[int, int]) -> bool:
        one.poll(100, 0.1)
        return one.state().lags == expected

    eventually(lambda: lags_are({partition: waiting[partition] for partition in ALL}))
    one.commit([record for record in records if record.partition % 2])
    eventually(lambda: lags_are({p: 0 if p % 2 else waiting[p] for p in ALL}))
    one.commit(records)
    eventually(lambda: lags_are(dict.fromkeys(ALL, 0)))
    other = member(kafka, "classic")

    def shared() -> bool:
        other.poll(100, 0.1)
        one.poll(100, 0.1)
        mine, yours = one.state().assignment, other.state().assignment
        return bool(mine and yours) and one.state().lags == dict.fromkeys(mine, 0)

    eventually(shared)
    assert set(one.state().assignment).isdisjoint(other.state().assignment)
    one.close()
    other.close()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_killed_members_uncommitted_records_move_to_the_next(
    kafka: OpenKafka, publish: Publish, read: Read, protocol: Protocol
) -> None:
    publish(kafka.publisher(), spread(kafka))
    script = """
import os, signal, sys
from orderflow.messaging.kafka import KafkaConsumer
consumer = KafkaConsumer(sys.argv[1], sys.argv[2], sys.argv[3], protocol=sys.argv[4])
records = []
while len(records) < 120:
    records += consumer.poll(1000, 1)
consumer.commit([record for record in records if record.partition % 2])
os.kill(os.getpid(), signal.SIGKILL)
"""
    arguments = [kafka.address, kafka.topic, f"{protocol}-{kafka.topic}", protocol]
    killed = subprocess.run([sys.executable, "-c", script, *arguments], check=False, timeout=60)
    assert killed.returncode == -9
    successor = member(kafka, protocol)
    expected = {message.value for message, partition in _placed(kafka, read) if partition % 2 == 0}
    assert {record.value for record in read(successor, len(expected))} == expected
    successor.close()


def _placed(kafka: OpenKafka, read: Read) -> list[tuple[Message, int]]:
    records = read(kafka.consumer("bystander"), 120)
    return [(Message(kafka.topic, "", record.value or b""), record.partition) for record in records]


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_commit_of_a_partition_that_moved_away_is_left_out(
    kafka: OpenKafka, publish: Publish, read: Read, eventually: Eventually, protocol: Protocol
) -> None:
    publish(kafka.publisher(), spread(kafka))
    one = member(kafka, protocol)
    records = read(one, 120)
    other = member(kafka, protocol)
    redelivered: list[Record] = []

    def moved() -> bool:
        redelivered.extend(other.poll(1_000, 0.1))
        one.poll(1_000, 0.1)
        mine, yours = one.state().assignment, other.state().assignment
        return bool(mine and yours) and tuple(sorted(mine + yours)) == ALL

    eventually(moved)
    one.commit(records)
    lost = {record.value for record in records if record.partition in other.state().assignment}
    redelivered += read(other, len(lost) - len(redelivered))
    assert {record.value for record in redelivered} == lost
    one.close()
    other.close()
    successor = member(kafka, protocol)
    again = {record.value for record in read(successor, len(lost))}
    assert again == lost
    assert successor.poll(1, 0.5) == []
    successor.close()


def test_records_without_key_or_value_are_delivered(kafka: OpenKafka, read: Read) -> None:
    producer = Producer({"bootstrap.servers": kafka.address})
    producer.produce(kafka.topic, None, None, headers=[("none", None)])
    producer.flush()
    record = read(kafka.consumer(), 1)[0]
    assert (record.key, record.value, record.headers) == (None, None, (("none", b""),))


def test_publishing_without_a_broker_fails_each_message_for_now(closed_port: str) -> None:
    publisher = KafkaPublisher(closed_port, delivery_timeout_s=0.5)
    outcomes = publisher.publish([Message("t", "k", b"1"), Message("t", "k", b"2")])
    assert [isinstance(outcome, PublishFailed) and not outcome.too_large for outcome in outcomes] == [
        True,
        True,
    ]
    publisher.close()


def test_a_full_local_queue_delays_and_loses_nothing(kafka: OpenKafka, publish: Publish) -> None:
    publisher = KafkaPublisher(kafka.address, queue_messages_max=10)
    assert len(publish(publisher, spread(kafka, 500))) == 500
    publisher.close()


def test_publishing_goes_on_with_a_new_producer_after_a_fatal_error(
    kafka: OpenKafka, publish: Publish
) -> None:
    publisher = KafkaPublisher(kafka.address)
    publish(publisher, spread(kafka, 1))
    publisher.on_error(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "sequence lost", fatal=True))
    publish(publisher, spread(kafka, 10))
    publisher.close()


def test_a_message_that_only_the_broker_refuses_fails_alone_for_its_size(kafka: OpenKafka) -> None:
    publisher = kafka.publisher(f"{kafka.topic}.dead-letter")
    small = Message(kafka.topic, "a", b"small")
    outcomes = publisher.publish([small, Message(kafka.topic, "a", _noise(3 * 1024 * 1024)), small])
    refused = outcomes[1]
    assert isinstance(refused, PublishFailed)
    assert refused.too_large
    assert isinstance(outcomes[0], Position)
    assert isinstance(outcomes[2], Position)


def _noise(size: int) -> bytes:
    return b"".join(uuid.uuid4().bytes for _ in range(size // 16))


def test_a_batch_that_is_refused_for_its_size_says_nothing_about_the_messages_in_it(
    kafka: OpenKafka, read: Read
) -> None:
    kafka.configure("max.message.bytes", "4000")
    small = [Message(kafka.topic, f"key-{n}", _noise(560)) for n in range(500)]
    large = [Message(kafka.topic, f"key-{n}", _noise(5_000)) for n in (1, 250)]
    outcomes = kafka.publisher().publish([large[0], *small, large[1]])
    refused = [outcome for outcome in outcomes if isinstance(outcome, PublishFailed)]
    assert refused == [outcomes[0], outcomes[-1]]
    assert all(outcome.too_large for outcome in refused)
    found = {record.value for record in read(kafka.consumer(), 500)}
    assert found == {message.value for message in small}


def test_a_message_that_was_refused_for_its_size_is_taken_when_the_limit_is_raised(kafka: OpenKafka) -> None:
    kafka.configure("max.message.bytes", "4000")
    publisher = kafka.publisher()
    large = Message(kafka.topic, "a", _noise(5_000))
    (refused,) = publisher.publish([large])
    assert isinstance(refused, PublishFailed)
    assert refused.too_large
    kafka.configure("max.message.bytes", "8000")
    assert isinstance(publisher.publish([large])[0], Position)


def test_batches_may_be_large_again_after_a_while(kafka: OpenKafka, publish: Publish) -> None:
    kafka.configure("max.message.bytes", "4000")
    later_s = 0.0
    publisher = KafkaPublisher(kafka.address, monotonic=lambda: time.monotonic() + later_s)
    messages = [Message(kafka.topic, "a", _noise(560)) for _ in range(50)]
    publish(publisher, messages)
    later_s = BATCHES_OF_ONE_S
    publish(publisher, messages)
    publisher.close()


@pytest.mark.parametrize("denied", ["WRITE", "ALL"])
def test_a_missing_permission_is_an_outage_and_publishing_goes_on_when_it_is_back(
    kafka: OpenKafka, eventually: Eventually, denied: Literal["WRITE", "ALL"]
) -> None:
    publisher = kafka.publisher()
    message = Message(kafka.topic, "a", b"1")
    assert isinstance(publisher.publish([message])[0], Position)
    with kafka.denied(denied):
        eventually(lambda: isinstance(publisher.publish([message])[0], PublishFailed))
        (failed,) = publisher.publish([message])
        assert isinstance(failed, PublishFailed)
        assert not failed.too_large
        assert "AUTHORIZATION" in failed.reason
    eventually(lambda: isinstance(publisher.publish([message])[0], Position))


def test_publishing_to_a_missing_topic_fails_for_now_and_names_the_reason(kafka: OpenKafka) -> None:
    publisher = KafkaPublisher(kafka.address, delivery_timeout_s=3)
    outcome = publisher.publish([Message(f"absent-{kafka.topic}", "k", b"")])[0]
    assert isinstance(outcome, PublishFailed)
    assert not outcome.too_large
    assert "UNKNOWN_TOPIC" in outcome.reason
    publisher.close()


def test_a_consumer_without_a_broker_says_so_after_its_time_and_not_before(
    closed_port: str, eventually: Eventually
) -> None:
    consumer = KafkaConsumer(closed_port, "t", "g", unreachable_after_s=1)
    assert consumer.poll(1, 0) == []

    def unavailable() -> bool:
        try:
            consumer.poll(1, 0.2)
        except BusUnavailable as error:
            return closed_port in str(error)
        return False

    eventually(unavailable)
    assert consumer.state().error is not None
    assert consumer.state().lag is None
    consumer.close()


def test_a_missing_topic_is_named_by_poll(kafka: OpenKafka) -> None:
    consumer = kafka.consumer(topic=f"absent-{kafka.topic}")
    with pytest.raises(BusUnavailable, match=f"topic absent-{kafka.topic} does not exist"):
        consumer.poll(1, 60)


def test_a_consumer_that_did_not_poll_for_too_long_joins_again_by_itself(
    kafka: OpenKafka, publish: Publish, read: Read, eventually: Eventually
) -> None:
    publish(kafka.publisher(), spread(kafka))
    group = f"slow-{kafka.topic}"
    consumer = KafkaConsumer(kafka.address, kafka.topic, group, settings={"max.poll.interval.ms": 6_000})
    slow = read(consumer, 120)
    other = KafkaConsumer(kafka.address, kafka.topic, group)
    taken: list[Record] = []

    def taken_over() -> bool:
        taken.extend(other.poll(1_000, 0.5))
        return len(taken) >= 120

    eventually(taken_over)
    other.commit(taken)
    consumer.commit(slow)
    other.close()
    eventually(lambda: (consumer.poll(1, 0.2), consumer.state().assignment)[1] == ALL)
    late = Message(kafka.topic, "late", b"late")
    publish(kafka.publisher(), [late])
    assert [record.value for record in read(consumer, 1)] == [b"late"]
    consumer.close()


def test_settings_that_librdkafka_refuses_are_named() -> None:
    with pytest.raises(BusMisconfigured, match=r"no\.such\.setting"):
        KafkaPublisher("127.0.0.1:1", settings={"no.such.setting": 1})
    with pytest.raises(BusMisconfigured, match=r"no\.such\.setting"):
        KafkaConsumer("127.0.0.1:1", "t", "g", settings={"no.such.setting": 1})


def test_a_member_that_comes_back_takes_over_from_its_former_life(
    kafka: OpenKafka, publish: Publish, eventually: Eventually
) -> None:
    def life() -> KafkaConsumer:
        return KafkaConsumer(kafka.address, kafka.topic, f"instance-{kafka.topic}", instance="worker-1")

    publish(kafka.publisher(), sent := spread(kafka))
    zombie = life()
    records: list[Record] = []
    while len(records) < len(sent):
        records += zombie.poll(1_000, 1)
    back = life()
    again: list[Record] = []

    def all_again() -> bool:
        again.extend(back.poll(1_000, 0.1))
        return {record.value for record in again} == {message.value for message in sent}

    eventually(all_again)

    def fenced() -> bool:
        try:
            zombie.commit(records)
            zombie.poll(1, 0.1)
        except BusUnavailable:
            return True
        return False

    eventually(fenced)
    assert back.state().assignment == ALL
    zombie.close()
    back.close()
