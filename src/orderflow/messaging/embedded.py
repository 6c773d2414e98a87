"""The event log in one SQLite file, for one process. It needs no installation, and gives the same guarantees
as the adapter for Kafka.

Publishing and committing use the one connection that writes, and only that one checkpoints; each consumer
reads through a read-only connection. Ends and committed offsets are also kept in memory, so waiting and
`state` never touch the file. Whoever opens the log must hold the data directory's lock, because a second
process would not see the ends that the first one moves.
"""

import json
import sqlite3
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from orderflow.messaging import (
    PARTITIONS,
    BusMisconfigured,
    BusUnavailable,
    ConsumerState,
    Headers,
    Message,
    Position,
    PublishFailed,
    Record,
    message_bytes_max,
)

RETENTION_MS = 7 * 24 * 60 * 60 * 1000
PURGE_INTERVAL_MS = 60_000
PURGE_ROWS_MAX = 1_000
BUSY_TIMEOUT_MS = 5_000

_MESSAGES = """
CREATE TABLE IF NOT EXISTS messages (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    key BLOB, value BLOB, headers TEXT NOT NULL, timestamp_ms INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, "offset"))"""
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS log (partitions INTEGER NOT NULL);
{_MESSAGES};
CREATE TABLE IF NOT EXISTS ends (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS committed (
    consumer_group TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)) WITHOUT ROWID;
"""

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class EmbeddedLog:
    """The file and its one writer. Publishers and consumers made here work until `close`.

    A message is purged when it is older than `retention_ms` and every group that read its topic has committed
    it. `clock` gives seconds since the epoch. Raises BusMisconfigured if the file was made with another
    number of partitions (keys would move), BusUnavailable if it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        partitions: int = PARTITIONS,
        retention_ms: int = RETENTION_MS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.partitions = partitions
        self.closed = False
        self.changed = threading.Condition()
        """Guards `ends` and `closed`; notified when either changes. Never held during a transaction."""
        self.ends: dict[tuple[str, int], int] = {}
        self._path = path
        self._retention_ms = retention_ms
        self._clock = clock
        self._write_lock = threading.Lock()
        self._ends_doubtful = False
        self._purge_due_ms = 0
        self._open_consumers: set[tuple[str, str]] = set()
        try:
            self._writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.execute("PRAGMA synchronous=FULL")
            self._writer.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            self._writer.executescript(_SCHEMA)
            self._allow_missing_keys_and_values()
            self._claim_partitions()
            self.ends = self._stored_ends()
        except sqlite3.Error as error:
            raise BusUnavailable(f"event log {path.name}: {error}") from error

    def _allow_missing_keys_and_values(self) -> None:
        """In files of older releases the columns for key and value must not be NULL: recreate that table,
        once."""
        columns = self._writer.execute("SELECT name, \"notnull\" FROM pragma_table_info('messages')")
        if not dict(columns.fetchall())["key"]:
            return
        with self._transaction() as writer:
            writer.execute("ALTER TABLE messages RENAME TO messages_before")
            writer.execute(_MESSAGES)
            writer.execute("INSERT INTO messages SELECT * FROM messages_before")
            writer.execute("DROP TABLE messages_before")

    def _claim_partitions(self) -> None:
        row = self._writer.execute("SELECT partitions FROM log").fetchone()
        if row is None:
            self._writer.execute("INSERT INTO log VALUES (?)", (self.partitions,))
        elif row[0] != self.partitions:
            name, found = self._path.name, row[0]
            raise BusMisconfigured(
                f"event log {name} was made with {found} partitions, not {self.partitions}"
            )

    def _stored_ends(self) -> dict[tuple[str, int], int]:
        rows = self._writer.execute("SELECT topic, partition, next_offset FROM ends")
        return {(topic, partition): end for topic, partition, end in rows}

    def publisher(self) -> "EmbeddedPublisher":
        return EmbeddedPublisher(self)

    def consumer(self, topic: str, group: str) -> "EmbeddedConsumer":
        """The group's only member on this topic, until closed. Raises BusMisconfigured for a second one."""
        with self.changed:
            if (topic, group) in self._open_consumers:
                text = (
                    f"the embedded event log allows one consumer of {topic} per group, and {group} has one: "
                    "set ORDERFLOW_BUS_URL to a Kafka cluster to run several"
                )
                raise BusMisconfigured(text)
            self._open_consumers.add((topic, group))
        try:
            reader = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False
            )
            reader.execute("PRAGMA wal_autocheckpoint=0")
            reader.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            return EmbeddedConsumer(self, reader, topic, group, self._join(topic, group))
        except sqlite3.Error as error:
            self.forget_consumer(topic, group)
            raise BusUnavailable(f"event log {self._path.name}: {error}") from error

    def forget_consumer(self, topic: str, group: str) -> None:
        with self.changed:
            self._open_consumers.discard((topic, group))

    def _join(self, topic: str, group: str) -> dict[int, int]:
        """Where the group goes on, by partition. A new group starts at the oldest message, and from then on
        nothing is purged before it was committed by that group."""
        oldest = """INSERT OR IGNORE INTO committed SELECT ?1, ?2, ?3, coalesce(
            (SELECT min("offset") FROM messages WHERE topic = ?2 AND partition = ?3),
            (SELECT next_offset FROM ends WHERE topic = ?2 AND partition = ?3), 0)"""
        committed = "SELECT partition, next_offset FROM committed WHERE consumer_group = ? AND topic = ?"
        with self._write_lock, self._transaction() as writer:
            writer.executemany(oldest, [(group, topic, partition) for partition in range(self.partitions)])
            return dict(writer.execute(committed, (group, topic)).fetchall())

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """One transaction of the writer; the caller holds the write lock."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
            self._writer.execute("COMMIT")
        finally:
            # SQLite has already rolled back after some errors, a full disk among them.
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def append(self, messages: Sequence[tuple[Message, bytes | None]]) -> list[Position]:
        """Store messages, given with their encoded keys, in one transaction. Raises sqlite3.Error."""
        now_ms = int(self._clock() * 1000)
        with self._write_lock:
            if self._ends_doubtful:
                self._move_ends(self._stored_ends())
            ends: dict[tuple[str, int], int] = {}
            positions: list[Position] = []
            rows: list[tuple[str, int, int, bytes | None, bytes | None, str, int]] = []
            for message, key in messages:
                topic, partition = message.topic, zlib.crc32(key or b"") % self.partitions
                offset = ends.get((topic, partition), self.ends.get((topic, partition), 0))
                ends[topic, partition] = offset + 1
                positions.append(Position(partition, offset))
                rows.append((topic, partition, offset, key, message.value, _packed(message.headers), now_ms))
            # If COMMIT fails, the messages may be stored all the same. Then only the file shows the ends, not
            # our memory.
            self._ends_doubtful = True
            with self._transaction() as writer:
                writer.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                moved = [(topic, partition, end) for (topic, partition), end in ends.items()]
                writer.executemany("INSERT OR REPLACE INTO ends VALUES (?, ?, ?)", moved)
            self._ends_doubtful = False
            self._move_ends(ends)
            self._purge_when_due(now_ms)
        return positions

    def _move_ends(self, ends: dict[tuple[str, int], int]) -> None:
        with self.changed:
            self.ends.update(ends)
            self.changed.notify_all()

    def _purge_when_due(self, now_ms: int) -> None:
        """Delete at most PURGE_ROWS_MAX messages. If there may be more, the next publish continues."""
        if now_ms < self._purge_due_ms:
            return
        self._purge_due_ms = now_ms + PURGE_INTERVAL_MS
        done_by_all = """SELECT e.topic, e.partition, min(coalesce(c.next_offset, e.next_offset)) FROM ends e
            LEFT JOIN committed c ON c.topic = e.topic AND c.partition = e.partition
            GROUP BY e.topic, e.partition"""
        # The inner limit bounds the rows looked at, not only the rows deleted.
        delete = """DELETE FROM messages WHERE topic = ?1 AND partition = ?2 AND "offset" IN (
            SELECT "offset" FROM (SELECT "offset", timestamp_ms FROM messages
                WHERE topic = ?1 AND partition = ?2 AND "offset" < ?3 ORDER BY "offset" LIMIT ?5)
            WHERE timestamp_ms < ?4)"""
        rows_left = PURGE_ROWS_MAX
        try:
            with self._transaction() as writer:
                for topic, partition, below in writer.execute(done_by_all).fetchall():
                    oldest_ms = now_ms - self._retention_ms
                    rows_left -= writer.execute(
                        delete, (topic, partition, below, oldest_ms, rows_left)
                    ).rowcount
        except sqlite3.Error as error:
            # The messages of this call are stored, so this error must not reach their publisher.
            _logger.warning("event_log.purge_failed", error=str(error))
        if rows_left == 0:
            self._purge_due_ms = now_ms

    def commit(self, group: str, topic: str, next_offsets: dict[int, int]) -> None:
        """Move a group forward, durably. Raises sqlite3.Error."""
        forward = """UPDATE committed SET next_offset = max(next_offset, ?4)
            WHERE consumer_group = ?1 AND topic = ?2 AND partition = ?3"""
        with self._write_lock, self._transaction() as writer:
            writer.executemany(
                forward, [(group, topic, partition, end) for partition, end in next_offsets.items()]
            )

    def close(self) -> None:
        """Wake every waiting consumer and close the file. Consumers may be closed before or after this."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        with self._write_lock:
            self._writer.close()


class EmbeddedPublisher:
    """`Publisher` on the embedded log. Several may be used at the same time, each by one thread."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._log = log

    def publish(self, messages: Sequence[Message]) -> list[Position | PublishFailed]:
        outcomes: dict[int, Position | PublishFailed] = {}
        takeable: dict[int, tuple[Message, bytes | None]] = {}
        for index, message in enumerate(messages):
            refused = _refused(message)
            if refused is None:
                takeable[index] = (message, message.encoded_key)
            else:
                outcomes[index] = refused
        try:
            positions = self._log.append(list(takeable.values())) if takeable else []
            outcomes.update(zip(takeable, positions, strict=True))
        except sqlite3.Error as error:
            failed = PublishFailed(f"event log: {error}")
            outcomes.update(dict.fromkeys(takeable, failed))
        return [outcomes[index] for index in range(len(messages))]

    def close(self) -> None:
        """There is nothing to do: the log owns the file."""


class EmbeddedConsumer:
    """`Consumer` on the embedded log, made by `EmbeddedLog.consumer`."""

    def __init__(
        self, log: EmbeddedLog, reader: sqlite3.Connection, topic: str, group: str, committed: dict[int, int]
    ) -> None:
        self._log = log
        self._reader = reader
        self._topic = topic
        self._group = group
        self._committed = committed
        self._next = dict(committed)
        self._turn = 0
        self._polled_at_s: float | None = None
        self._error: str | None = None

    def poll(self, records_max: int, timeout_s: float) -> list[Record]:
        """As the port says. If the log is closed while this waits, it returns an empty list at once; later
        calls raise BusUnavailable."""
        self._polled_at_s = time.monotonic()
        with self._log.changed:
            if self._log.closed:
                raise BusUnavailable("the event log is closed")
            self._log.changed.wait_for(lambda: self._log.closed or self._waiting(), timeout_s)
            if self._log.closed:
                return []
            waiting = self._waiting()
        try:
            return self._read(waiting, records_max)
        except sqlite3.Error as error:
            self._error = f"event log: {error}"
            raise BusUnavailable(self._error) from error

    def _waiting(self) -> list[int]:
        """The partitions that have something to read, beginning with the one whose turn it is."""
        ends = self._log.ends
        turns = ((self._turn + step) % self._log.partitions for step in range(self._log.partitions))
        return [
            partition for partition in turns if ends.get((self._topic, partition), 0) > self._next[partition]
        ]

    def _read(self, partitions: list[int], records_max: int) -> list[Record]:
        """Read an equal share of each partition, so that a long one never starves the others."""
        share = max(1, -(-records_max // max(1, len(partitions))))
        select = """SELECT "offset", key, value, headers, timestamp_ms FROM messages
            WHERE topic = ? AND partition = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?"""
        found: dict[int, list[Record]] = defaultdict(list)
        left = records_max
        for partition in partitions:
            if left == 0:
                break
            start = self._next[partition]
            for row in self._reader.execute(
                select, (self._topic, partition, start, min(share, left))
            ).fetchall():
                offset, key, value, headers, timestamp_ms = row
                record = Record(self._topic, partition, offset, key, value, unpacked(headers), timestamp_ms)
                found[partition].append(record)
            left -= len(found[partition])
            self._turn = (partition + 1) % self._log.partitions
        # Move on only here, where nothing can raise any more: records that were read but not returned would
        # be skipped, and a later commit would cover them.
        self._next.update(
            {partition: records[-1].offset + 1 for partition, records in found.items() if records}
        )
        self._error = None
        return [record for records in found.values() for record in records]

    def commit(self, records: Sequence[Record]) -> None:
        next_offsets: dict[int, int] = {}
        for record in records:
            next_offsets[record.partition] = max(next_offsets.get(record.partition, 0), record.offset + 1)
        try:
            self._log.commit(self._group, self._topic, next_offsets)
        except sqlite3.Error as error:
            self._error = f"event log: {error}"
            raise BusUnavailable(self._error) from error
        for partition, end in next_offsets.items():
            self._committed[partition] = max(self._committed[partition], end)

    def state(self) -> ConsumerState:
        ends, polled_at_s = self._log.ends, self._polled_at_s
        return ConsumerState(
            group=self._group,
            assignment=tuple(range(self._log.partitions)),
            lags={
                partition: ends.get((self._topic, partition), 0) - done
                for partition, done in self._committed.items()
            },
            last_poll_age_s=None if polled_at_s is None else time.monotonic() - polled_at_s,
            error=self._error,
        )

    def close(self) -> None:
        self._reader.close()
        self._log.forget_consumer(self._topic, self._group)


def _refused(message: Message) -> PublishFailed | None:
    """Why this message cannot be stored, or None."""
    bytes_max = message_bytes_max(message.topic)
    size = len(message.value or b"")
    if size > bytes_max:
        reason = f"message of {size} bytes: {message.topic} takes at most {bytes_max}"
        return PublishFailed(reason, too_large=True)
    try:
        _ = message.encoded_key
        message.topic.encode()
    except UnicodeEncodeError:
        return PublishFailed("key or topic is not encodable as UTF-8")
    return None


def _packed(headers: Headers) -> str:
    # latin-1 maps every byte to one character and back.
    return json.dumps([(name, value.decode("latin-1")) for name, value in headers])


def unpacked(headers: str) -> Headers:
    return tuple((name, value.encode("latin-1")) for name, value in json.loads(headers))
