"""Topics that are missing, too small, deleted, grown or lost with their cluster: readers go on by themselves,
and what a group does not read is reported."""

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewPartitions, NewTopic
from tests.conformance.conftest import Eventually, OpenKafka, Publish
from tests.conformance.own_broker import OwnBroker
from tests.conftest import missing

from orderflow.messaging import BusUnavailable, ConsumerState, Message, Position, PublishFailed
from orderflow.messaging.kafka import (
    KafkaConsumer,
    KafkaPublisher,
    TopicKeeper,
    ensure_topics,
    makes_topics_by_itself,
    partitions_of,
    too_small,
)
from orderflow.runtime.health import Health

Protocol = Literal["classic", "consumer"]
OWN_BROKER_S_MAX = 300
"""A broker boots twice in a test of its own, for up to a minute each on a busy machine."""
both_protocols = pytest.mark.parametrize("protocol", ["classic", "consumer"])


class Worker:
    """One member of a group that reads and commits for as long as it lives, as a worker's inbox does."""

    def __init__(
        self, bootstrap: str, topic: str, protocol: Protocol = "classic", name: str = "worker-1"
    ) -> None:
        self._consumer = KafkaConsumer(bootstrap, topic, f"g-{topic}", protocol=protocol, instance=name)
        self.values: set[bytes | None] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(BusUnavailable):
                records = self._consumer.poll(500, 0.1)
                self.values |= {record.value for record in records}
                self._consumer.commit(records)

    @property
    def state(self) -> ConsumerState:
        return self._consumer.state()

    def reads(self, partitions: int) -> bool:
        time.sleep(0.05)
        state = self.state
        return len(state.assignment) == partitions and state.trouble is None and state.lag is not None

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()


@pytest.fixture
def worker() -> Iterator[Callable[..., Worker]]:
    """Starts workers that end with the test."""
    workers: list[Worker] = []

    def start(*arguments: Any, **named: Any) -> Worker:
        workers.append(Worker(*arguments, **named))
        return workers[-1]

    yield start
    for each in workers:
        each.end()


@pytest.fixture
def keep() -> Iterator[Callable[..., Health]]:
    """Starts keepers of topics that end with the test, each with a health of its own."""
    keepers: list[TopicKeeper] = []

    def start(bootstrap: str, *topics: str) -> Health:
        health = Health()
        keepers.append(TopicKeeper(bootstrap, *topics, health=health))
        keepers[-1].start()
        return health

    yield start
    for each in keepers:
        each.close()


@pytest.fixture
def own_broker(kafka_bootstrap: str, tmp_path: Path) -> Iterator[OwnBroker]:
    """A broker that makes topics by itself, with one partition, as brokers do unless they are told not to."""
    del kafka_bootstrap  # where there is no Kafka, this test is skipped, too
    broker = OwnBroker(
        tmp_path / "services",
        "auto.create.topics.enable=true",
        "num.partitions=1",
        "message.max.bytes=1048588",
    )
    try:
        broker.start()
    except AssertionError as error:
        missing("kafka", f"no Kafka of this test's own: {error}")
    yield broker
    broker.close()


def admin_of(bootstrap: str) -> Any:
    """The library leaves the types of its futures open."""
    return AdminClient({"bootstrap.servers": bootstrap})


def make(bootstrap: str, topic: str, partitions: int) -> None:
    admin = admin_of(bootstrap)
    admin.create_topics([NewTopic(topic, partitions)])[topic].result()


def delete(bootstrap: str, topic: str) -> None:
    admin = admin_of(bootstrap)
    admin.delete_topics([topic])[topic].result()


def grow(bootstrap: str, topic: str, partitions: int) -> None:
    admin = admin_of(bootstrap)
    admin.create_partitions([NewPartitions(topic, partitions)])[topic].result()


def limit_of(bootstrap: str, topic: str) -> int:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = admin_of(bootstrap)
    return int(admin.describe_configs([resource])[resource].result()["max.message.bytes"].value)


def publish_until_taken(publisher: KafkaPublisher, messages: Sequence[Message]) -> None:
    """As the relay does: what is not acknowledged is published again."""
    left = list(messages)
    deadline_s = time.monotonic() + 60
    while left:
        assert time.monotonic() < deadline_s, f"{len(left)} messages were never taken"
        outcomes = publisher.publish(left)
        left = [m for m, outcome in zip(left, outcomes, strict=True) if not isinstance(outcome, Position)]


def messages(topic: str, name: str, count: int = 200) -> list[Message]:
    return [Message(topic, f"{name}-{n}", f"{name}-{n}".encode()) for n in range(count)]


# Making topics


def test_new_topics_have_twelve_partitions_and_their_limits(kafka: OpenKafka) -> None:
    dead_letters = f"{kafka.topic}.dead-letter"
    assert ensure_topics(kafka.address, kafka.topic, dead_letters) == []
    topics = admin_of(kafka.address).list_topics(timeout=10).topics
    assert len(topics[kafka.topic].partitions) == len(topics[dead_letters].partitions) == 12
    assert limit_of(kafka.address, kafka.topic) == 2 * 1024 * 1024
    assert limit_of(kafka.address, dead_letters) == 4 * 1024 * 1024


def test_a_topic_that_is_too_small_is_grown_and_a_larger_one_is_left(kafka_bootstrap: str) -> None:
    small, large = f"test-{uuid.uuid4()}", f"test-{uuid.uuid4()}"
    make(kafka_bootstrap, small, 3)
    make(kafka_bootstrap, large, 18)
    assert ensure_topics(kafka_bootstrap, small, large) == []
    assert partitions_of(kafka_bootstrap, small, timeout_s=10) == 12
    assert partitions_of(kafka_bootstrap, large, timeout_s=10) == 18
    delete(kafka_bootstrap, small)
    delete(kafka_bootstrap, large)


def test_a_topic_of_dead_letters_may_have_any_number_of_partitions(kafka_bootstrap: str) -> None:
    topic = f"test-{uuid.uuid4()}.dead-letter"
    make(kafka_bootstrap, topic, 1)
    assert ensure_topics(kafka_bootstrap, topic) == []
    assert partitions_of(kafka_bootstrap, topic, timeout_s=10) == 1
    delete(kafka_bootstrap, topic)


def test_many_that_ensure_a_topic_at_once_make_it_once(kafka_bootstrap: str) -> None:
    topic = f"test-{uuid.uuid4()}"
    outcomes: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(ensure_topics(kafka_bootstrap, topic)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [[]] * 6
    assert partitions_of(kafka_bootstrap, topic, timeout_s=10) == 12
    delete(kafka_bootstrap, topic)


def test_what_a_person_reads_about_a_small_topic_says_what_to_do() -> None:
    text = too_small("order-events", 3)
    assert "order-events has 3 partitions, fewer than 12" in text
    assert "kafka-topics.sh --alter --topic order-events --partitions 12" in text


def test_topics_cannot_be_ensured_without_a_broker() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(BusUnavailable, match=address):
            ensure_topics(address, "t", timeout_s=0.5)


def test_a_keeper_says_since_when_topics_are_out_of_reach_and_makes_a_deleted_one_again(
    kafka: OpenKafka, keep: Callable[..., Health], eventually: Eventually
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        away = keep(f"127.0.0.1:{bound.getsockname()[1]}", "t")
        eventually(lambda: (time.sleep(0.1), away.is_degraded("topics"))[1])
        assert "no broker of" in away.degraded()[0].reason
    health = keep(kafka.address, kafka.topic)
    delete(kafka.address, kafka.topic)
    eventually(lambda: partitions_of(kafka.address, kafka.topic, timeout_s=10) == 12)
    eventually(lambda: (time.sleep(0.1), not health.degraded())[1])


def test_a_broker_that_makes_no_topics_by_itself_is_told_from_one_that_does(kafka_bootstrap: str) -> None:
    assert not makes_topics_by_itself(kafka_bootstrap, timeout_s=10)


@pytest.mark.timeout(OWN_BROKER_S_MAX)
def test_a_broker_that_makes_topics_by_itself_never_makes_ours(
    own_broker: OwnBroker, keep: Callable[..., Health], eventually: Eventually
) -> None:
    address = own_broker.address
    assert makes_topics_by_itself(address, timeout_s=10)
    publisher = KafkaPublisher(address, delivery_timeout_s=2)
    early = publisher.publish(messages("orders", "early", 3))
    assert all(isinstance(outcome, PublishFailed) and not outcome.too_large for outcome in early)
    consumer = KafkaConsumer(address, "orders", "readers")
    with pytest.raises(BusUnavailable, match="orders does not exist"):
        consumer.poll(1, 30)
    assert partitions_of(address, "orders", timeout_s=10) is None
    consumer.close()

    keep(address, "orders", "orders.dead-letter")
    publish_until_taken(publisher, messages("orders", "late", 3))
    assert partitions_of(address, "orders", timeout_s=10) == 12
    publisher.close()

    foreign = Producer({"bootstrap.servers": address})
    foreign.produce("made-by-the-broker", b"")
    foreign.flush()
    assert partitions_of(address, "made-by-the-broker", timeout_s=10) == 1
    assert limit_of(address, "made-by-the-broker") < 2 * 1024 * 1024
    assert ensure_topics(address, "made-by-the-broker") == []
    assert partitions_of(address, "made-by-the-broker", timeout_s=10) == 12
    eventually(lambda: limit_of(address, "made-by-the-broker") == 2 * 1024 * 1024)


# Reading what there is


def test_a_member_without_partitions_is_troubled_only_while_nobody_reads_them(
    kafka: OpenKafka, worker: Callable[..., Worker], eventually: Eventually
) -> None:
    topic = f"{kafka.topic}.dead-letter"
    delete(kafka.address, topic)
    eventually(lambda: partitions_of(kafka.address, topic, timeout_s=10) is None)
    make(kafka.address, topic, 1)
    first = KafkaConsumer(kafka.address, topic, f"g-{topic}")
    assert first.state().trouble == f"g-{topic} has not given us partitions of {topic} yet"
    first.close()
    one, other = (worker(kafka.address, topic, name=name) for name in ("one", "other"))
    eventually(lambda: one.reads(1) or other.reads(1))
    idle = other if one.reads(1) else one
    eventually(lambda: (time.sleep(0.1), idle.state.trouble is None)[1])
    assert idle.state.assignment == ()


@both_protocols
def test_partitions_that_were_added_while_the_only_worker_restarted_are_read(
    kafka: OpenKafka,
    worker: Callable[..., Worker],
    publish: Publish,
    eventually: Eventually,
    protocol: Protocol,
) -> None:
    before = worker(kafka.address, kafka.topic, protocol)
    eventually(lambda: before.reads(12))
    before.end()
    grow(kafka.address, kafka.topic, 18)
    after = worker(kafka.address, kafka.topic, protocol)
    seen: list[str | None] = []
    eventually(lambda: (seen.append(after.state.trouble), after.reads(18))[1])
    if protocol == "classic":
        said = f"nobody of g-{kafka.topic} reads partitions [12, 13, 14, 15, 16, 17] of {kafka.topic}"
        assert said in seen
    sent = messages(kafka.topic, "spread")
    assert max(position.partition for position in publish(kafka.publisher(), sent)) > 11
    eventually(lambda: (time.sleep(0.1), {message.value for message in sent} <= after.values)[1])


@both_protocols
def test_a_topic_that_is_made_again_with_one_partition_is_read_from_its_beginning_and_grown(
    kafka: OpenKafka,
    worker: Callable[..., Worker],
    keep: Callable[..., Health],
    eventually: Eventually,
    protocol: Protocol,
) -> None:
    keep(kafka.address, kafka.topic)
    publisher = KafkaPublisher(kafka.address, delivery_timeout_s=2)
    one, other = (worker(kafka.address, kafka.topic, protocol, name) for name in ("one", "other"))
    eventually(lambda: one.reads(6) and other.reads(6))
    publish_until_taken(publisher, old := messages(kafka.topic, "old"))
    eventually(lambda: (time.sleep(0.1), {m.value for m in old} <= one.values | other.values)[1])

    delete(kafka.address, kafka.topic)
    with contextlib.suppress(Exception):  # the keeper may be faster
        make(kafka.address, kafka.topic, 1)
    for part in range(10):  # more than before in the first partition: no offset is out of range
        publish_until_taken(publisher, messages(kafka.topic, f"new-{part}"))
    new = {m.value for part in range(10) for m in messages(kafka.topic, f"new-{part}")}
    eventually(lambda: (time.sleep(0.1), new <= one.values | other.values)[1])
    eventually(lambda: one.reads(6) and other.reads(6))
    assert partitions_of(kafka.address, kafka.topic, timeout_s=10) == 12
    publisher.close()


@pytest.mark.timeout(OWN_BROKER_S_MAX)
def test_a_worker_goes_on_by_itself_on_an_empty_cluster_of_another_id_at_the_same_address(
    own_broker: OwnBroker,
    worker: Callable[..., Worker],
    keep: Callable[..., Health],
    publish: Publish,
    eventually: Eventually,
) -> None:
    address = own_broker.address
    health = keep(address, "orders", "orders.dead-letter")
    reader = worker(address, "orders")
    publisher = KafkaPublisher(address, delivery_timeout_s=2)
    eventually(lambda: reader.reads(12))
    publish(publisher, old := messages("orders", "old"))
    eventually(lambda: (time.sleep(0.1), {m.value for m in old} <= reader.values)[1])

    own_broker.kill()
    own_broker.lose_disks()
    own_broker.start()
    publish_until_taken(publisher, new := messages("orders", "new"))
    eventually(lambda: (time.sleep(0.1), {m.value for m in new} <= reader.values)[1])
    eventually(lambda: reader.reads(12) and not health.degraded())
    publisher.close()
