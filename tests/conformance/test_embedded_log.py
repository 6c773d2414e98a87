"""What the embedded event log does besides the port: it refuses what one process cannot do, and it purges."""

import contextlib
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conformance.conftest import Eventually, Publish, Read

from orderflow.messaging import BusMisconfigured, BusUnavailable, Message, Position, PublishFailed
from orderflow.messaging.embedded import PURGE_INTERVAL_MS, PURGE_ROWS_MAX, EmbeddedLog

TOPIC = "order-events"


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


def numbered(count: int) -> list[Message]:
    return [Message(TOPIC, "key", b"%d" % n) for n in range(count)]


def test_a_second_consumer_of_an_open_group_is_refused_and_another_group_is_not(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log.db")
    first = log.consumer(TOPIC, "group")
    with pytest.raises(BusMisconfigured, match="ORDERFLOW_BUS_URL"):
        log.consumer(TOPIC, "group")
    log.consumer(TOPIC, "other").close()
    first.close()
    log.consumer(TOPIC, "group").close()
    log.close()


def test_a_log_made_with_another_number_of_partitions_is_refused(tmp_path: Path) -> None:
    EmbeddedLog(tmp_path / "log.db", partitions=3).close()
    with pytest.raises(BusMisconfigured, match="3 partitions, not 12"):
        EmbeddedLog(tmp_path / "log.db")


def test_closing_the_log_ends_a_waiting_poll(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "log.db")
    consumer = log.consumer(TOPIC, "group")
    with ThreadPoolExecutor(1) as waiting:
        found = waiting.submit(consumer.poll, 1, 60.0)
        log.close()
        # A poll that begins after the close raises, and one that was waiting answers: both end.
        with contextlib.suppress(BusUnavailable):
            assert found.result(timeout=30) == []
    with pytest.raises(BusUnavailable):
        consumer.poll(1, 0)
    with pytest.raises(BusUnavailable):
        consumer.commit([])
    consumer.close()


@pytest.mark.parametrize("records_max", [1, 5])
def test_a_long_partition_does_not_starve_the_others(
    tmp_path: Path, read: Read, publish: Publish, records_max: int
) -> None:
    log = EmbeddedLog(tmp_path / "log.db")
    publish(log.publisher(), numbered(500))
    publish(log.publisher(), [Message(TOPIC, f"other-{n}", b"other") for n in range(20)])
    consumer = log.consumer(TOPIC, "group")
    assert b"other" in {record.value for record in read(consumer, 24, records_max=records_max)[:24]}
    consumer.close()
    log.close()


def test_old_messages_go_only_after_every_group_has_committed_them(
    tmp_path: Path, read: Read, publish: Publish
) -> None:
    clock = Clock()
    log = EmbeddedLog(tmp_path / "log.db", retention_ms=1_000, clock=clock)
    publisher, fast, slow = log.publisher(), log.consumer(TOPIC, "fast"), log.consumer(TOPIC, "slow")
    publish(publisher, numbered(10))
    fast.commit(read(fast, 10))
    clock.now_s += PURGE_INTERVAL_MS / 1000
    publish(publisher, numbered(1))
    records = read(slow, 11)
    assert len(records) == 11
    slow.commit(records[:10])
    clock.now_s += PURGE_INTERVAL_MS / 1000
    positions = publish(publisher, numbered(1))
    assert positions[0].offset == 11
    assert [record.offset for record in read(log.consumer(TOPIC, "new"), 2)] == [10, 11]
    log.close()


def test_purging_a_backlog_goes_in_bounded_steps_until_nothing_old_is_left(
    tmp_path: Path, read: Read, publish: Publish, eventually: Eventually
) -> None:
    clock = Clock()
    log = EmbeddedLog(tmp_path / "log.db", retention_ms=1_000, clock=clock)
    publisher = log.publisher()
    publish(publisher, numbered(2 * PURGE_ROWS_MAX + 10))
    clock.now_s += PURGE_INTERVAL_MS / 1000
    kept: list[int] = []
    for attempt in range(4):
        publish(publisher, numbered(1))
        consumer = log.consumer("order-events", f"late-{attempt}")
        kept.append(read(consumer, 1, records_max=1)[0].offset)
        # Without this commit, the group would keep its records from being purged.
        consumer.commit(read(consumer, 2 * PURGE_ROWS_MAX + 10 + attempt - kept[-1]))
        consumer.close()
    assert kept == [PURGE_ROWS_MAX, 2 * PURGE_ROWS_MAX, 2 * PURGE_ROWS_MAX + 10, 2 * PURGE_ROWS_MAX + 10]
    log.close()


def test_offsets_go_on_after_everything_was_purged(tmp_path: Path, publish: Publish) -> None:
    clock = Clock()
    log = EmbeddedLog(tmp_path / "log.db", retention_ms=1_000, clock=clock)
    publish(log.publisher(), numbered(5))
    clock.now_s += PURGE_INTERVAL_MS / 1000
    publish(log.publisher(), [Message("elsewhere", "key", b"")])
    log.close()
    log = EmbeddedLog(tmp_path / "log.db", retention_ms=1_000, clock=clock)
    consumer = log.consumer(TOPIC, "new")
    assert consumer.poll(10, 0) == []
    assert consumer.state().lag == 0
    assert publish(log.publisher(), numbered(1))[0].offset == 5
    consumer.close()
    log.close()


def test_publishing_works_again_after_the_disk_was_full(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from orderflow.messaging import Message
from orderflow.messaging.embedded import EmbeddedLog
log = EmbeddedLog(Path(sys.argv[1]))
publisher = log.publisher()
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
print(publisher.publish([Message("t", "k", b"first")]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, unlimited[1]))
print(publisher.publish([Message("t", "k", bytes(1_000_000))]))
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
print(publisher.publish([Message("t", "k", b"last")]))
log.close()
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log.db")],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    names = {"Position": Position, "PublishFailed": PublishFailed}
    first, failed, last = (eval(line, names)[0] for line in run.stdout.splitlines())  # noqa: S307 # our own reprs
    assert isinstance(failed, PublishFailed)
    assert not failed.too_large
    assert (last.partition, last.offset) == (first.partition, first.offset + 1)


def test_a_file_of_an_older_release_learns_to_keep_what_has_no_value(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with contextlib.closing(sqlite3.connect(path)) as older, older:
        older.execute(
            """CREATE TABLE messages (
            topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL,
            key BLOB NOT NULL, value BLOB NOT NULL, headers TEXT NOT NULL, timestamp_ms INTEGER NOT NULL,
            PRIMARY KEY (topic, partition, "offset"))"""
        )
        older.execute("INSERT INTO messages VALUES (?, 0, 0, ?, ?, '[]', 1)", (TOPIC, b"k", b"old"))
    for _ in range(2):
        log = EmbeddedLog(path)
        log.close()
    log = EmbeddedLog(path)
    assert isinstance(log.publisher().publish([Message(TOPIC, "tombstone", None)])[0], Position)
    log.close()
    with contextlib.closing(sqlite3.connect(path)) as now:
        values = {row[0] for row in now.execute("SELECT value FROM messages")}
    assert values == {b"old", None}
