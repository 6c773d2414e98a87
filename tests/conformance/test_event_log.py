"""What both event logs guarantee, in the port's own words."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

from tests.conformance.conftest import Eventually, OpenLog, Publish, Read

from orderflow.messaging import (
    DEAD_LETTER_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    Message,
    Position,
    PublishFailed,
    Record,
)

OVERHEAD_BYTES = 4_096
"""Allowed for what Kafka adds to a message, which counts towards its size limit."""


def messages(log: OpenLog, count: int, *, keys: int = 7) -> list[Message]:
    return [Message(log.topic, f"key-{n % keys}", f"value-{n}".encode()) for n in range(count)]


def values(records: list[Record]) -> set[bytes | None]:
    return {record.value for record in records}


def test_messages_of_one_key_are_read_in_the_order_they_were_published(
    log: OpenLog, read: Read, publish: Publish
) -> None:
    publisher = log.publisher()
    sent = messages(log, 300)
    for start in range(0, 300, 50):
        publish(publisher, sent[start : start + 50])
    by_key: dict[bytes | None, list[bytes | None]] = defaultdict(list)
    for record in read(log.consumer(), 300):
        by_key[record.key].append(record.value)
    for key in {message.encoded_key for message in sent}:
        assert by_key[key] == [message.value for message in sent if message.encoded_key == key]


def test_each_outcome_is_the_position_where_its_message_is_read(
    log: OpenLog, read: Read, publish: Publish
) -> None:
    sent = messages(log, 50)
    positions = publish(log.publisher(), sent)
    found = {(record.partition, record.offset): record.value for record in read(log.consumer(), 50)}
    assert [found[position.partition, position.offset] for position in positions] == [m.value for m in sent]


def test_publishing_nothing_has_no_outcomes(log: OpenLog) -> None:
    assert log.publisher().publish([]) == []


def test_records_without_a_commit_are_delivered_again(log: OpenLog, read: Read, publish: Publish) -> None:
    publish(log.publisher(), messages(log, 20))
    first = read(log.consumer(), 20)
    log.restart()
    assert values(read(log.consumer(), 20)) == values(first)


def test_nothing_is_delivered_again_after_a_commit_and_a_restart(
    log: OpenLog, read: Read, publish: Publish
) -> None:
    publish(log.publisher(), messages(log, 20))
    consumer = log.consumer()
    consumer.commit(read(consumer, 20))
    log.restart()
    late = Message(log.topic, "late", b"late")
    publish(log.publisher(), [late])
    assert [record.value for record in read(log.consumer(), 1)] == [late.value]


def test_a_commit_covers_its_partition_up_to_its_record_and_no_further(
    log: OpenLog, read: Read, publish: Publish
) -> None:
    publish(log.publisher(), messages(log, 10, keys=1))
    consumer = log.consumer()
    consumer.commit([read(consumer, 10)[3]])
    log.restart()
    assert [record.value for record in read(log.consumer(), 6)] == [
        f"value-{n}".encode() for n in range(4, 10)
    ]


def test_a_successor_goes_on_where_the_closed_consumer_committed(
    log: OpenLog, read: Read, publish: Publish
) -> None:
    publish(log.publisher(), messages(log, 10, keys=1))
    consumer = log.consumer()
    consumer.commit(read(consumer, 10)[:5])
    consumer.close()
    log.restart()
    assert len(read(log.consumer(), 5)) == 5


def test_headers_and_values_come_back_byte_for_byte(log: OpenLog, read: Read, publish: Publish) -> None:
    headers = (
        ("ce_id", b"1"),
        ("empty", b""),
        ("binary", bytes(range(256))),
        ("twice", b"a"),
        ("twice", b"b"),
    )
    sent = [
        Message(log.topic, "k", bytes(range(256)), headers),
        Message(log.topic, "k", b""),
        Message(log.topic, "ключ", "значение".encode(), (("имя", b"x"),)),
        Message(log.topic, b"\xff\x00no UTF-8\xfe", b"x"),
        Message(log.topic, "tombstone", None),
        Message(log.topic, b"", None),
        Message(log.topic, None, b"without a key"),
    ]
    publish(log.publisher(), sent)
    found = sorted(read(log.consumer(), len(sent)), key=lambda record: (record.key or b"", record.offset))
    expected = [(message.encoded_key, message.value, message.headers) for message in sent]
    assert Counter((record.key, record.value, record.headers) for record in found) == Counter(expected)
    assert all(record.timestamp_ms > 0 and record.topic == log.topic for record in found)


def test_a_message_below_the_limit_passes_and_one_above_it_fails_alone_for_its_size(
    log: OpenLog, read: Read
) -> None:
    big = Message(log.topic, "a", os.urandom(MESSAGE_BYTES_MAX - OVERHEAD_BYTES))
    too_big = Message(log.topic, "a", os.urandom(MESSAGE_BYTES_MAX + 1))
    small = Message(log.topic, "a", b"small")
    outcomes = log.publisher().publish([small, too_big, big, too_big, small])
    refused = [outcome for outcome in outcomes if isinstance(outcome, PublishFailed)]
    assert [isinstance(outcome, Position) for outcome in outcomes] == [True, False, True, False, True]
    assert all(outcome.too_large for outcome in refused)
    assert [record.value for record in read(log.consumer(), 3)] == [b"small", big.value, b"small"]


def test_a_dead_letter_topic_takes_a_whole_message_and_more(
    log: OpenLog, read: Read, publish: Publish
) -> None:
    topic = f"{log.topic}.dead-letter"
    big = Message(topic, "a", os.urandom(MESSAGE_BYTES_MAX), (("reason", b"x" * 10_000),))
    too_big = Message(topic, "a", os.urandom(DEAD_LETTER_BYTES_MAX + 1))
    publisher = log.publisher(topic)
    publish(publisher, [big])
    refused = publisher.publish([too_big])[0]
    assert isinstance(refused, PublishFailed)
    assert refused.too_large
    assert read(log.consumer(topic=topic), 1)[0].value == big.value


def test_a_key_that_cannot_be_encoded_fails_alone(log: OpenLog) -> None:
    good = Message(log.topic, "a", b"good")
    first, refused, last = log.publisher().publish([good, Message(log.topic, "\ud800", b"bad"), good])
    assert isinstance(first, Position)
    assert isinstance(last, Position)
    assert isinstance(refused, PublishFailed)
    assert not refused.too_large


def test_each_group_reads_everything_from_the_oldest_record_on(
    log: OpenLog, read: Read, publish: Publish
) -> None:
    sent = messages(log, 30)
    publish(log.publisher(), sent)
    one, other = log.consumer("one"), log.consumer("other")
    one.commit(read(one, 30))
    assert values(read(other, 30)) == {message.value for message in sent}


def test_a_poll_without_records_times_out_empty(log: OpenLog) -> None:
    consumer = log.consumer()
    assert consumer.poll(10, 0.1) == []
    assert consumer.poll(10, 0) == []


def test_a_waiting_poll_answers_when_something_is_published(
    log: OpenLog, read: Read, publish: Publish
) -> None:
    publisher, consumer = log.publisher(), log.consumer()
    with ThreadPoolExecutor(1) as waiting:
        found = waiting.submit(read, consumer, 1)
        publish(publisher, messages(log, 1))
        assert values(found.result()) == {b"value-0"}


def test_a_poll_never_returns_more_than_asked_for(
    log: OpenLog, publish: Publish, eventually: Eventually
) -> None:
    publish(log.publisher(), messages(log, 100))
    consumer = log.consumer()
    found: list[Record] = []

    def poll() -> bool:
        records = consumer.poll(7, 0.5)
        assert len(records) <= 7
        found.extend(records)
        return len(found) >= 100

    eventually(poll)
    assert len(values(found)) == len(found) == 100


def test_what_was_acknowledged_outlives_the_killed_publisher(log: OpenLog, read: Read) -> None:
    publisher = {
        "embedded": "__import__('pathlib').Path; publisher = EmbeddedLog(_(sys.argv[1])).publisher()",
        "kafka": "None; publisher = KafkaPublisher(sys.argv[1])",
    }[log.name]
    script = f"""
import os, signal, sys
from orderflow.messaging import Message, Position
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.messaging.kafka import KafkaPublisher
_ = {publisher}
outcomes = publisher.publish([Message(sys.argv[2], "k", b"%d" % n) for n in range(100)])
assert all(isinstance(outcome, Position) for outcome in outcomes), outcomes
os.kill(os.getpid(), signal.SIGKILL)
"""
    if log.name == "embedded":
        log.restart()
    killed = subprocess.run([sys.executable, "-c", script, log.address, log.topic], check=False, timeout=60)
    assert killed.returncode == -9
    log.restart()
    assert [record.value for record in read(log.consumer(), 100)] == [b"%d" % n for n in range(100)]


def test_state_counts_what_is_not_committed(
    log: OpenLog, read: Read, publish: Publish, eventually: Eventually
) -> None:
    publish(log.publisher(), messages(log, 40))
    consumer = log.consumer()
    assert consumer.state().last_poll_age_s is None
    records = read(consumer, 40)

    def lag_is(expected: int) -> bool:
        consumer.poll(1, 0.2)
        return consumer.state().lag == expected

    eventually(lambda: lag_is(40))
    consumer.commit(records)
    eventually(lambda: lag_is(0))
    state = consumer.state()
    assert state.assignment == tuple(range(12))
    assert state.group.startswith("readers")
    assert state.last_poll_age_s is not None
    assert state.error is None
