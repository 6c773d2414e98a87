"""Reading from Kafka as a member of a consumer group."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from orderflow.messaging import BusMisconfigured, BusUnavailable, ConsumerState, Record
from orderflow.messaging.kafka.cluster import NOT_ALLOWED, Settings, client_settings, explained
from orderflow.messaging.kafka.group import GroupWatch, Mend
from orderflow.runtime.telemetry import metrics

SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_INTERVAL_MS = 500
"""This is also how soon the other members notice that partitions are to be assigned again."""
PREFETCH_KIB_MAX = 16 * 1024
FETCH_BYTES_MAX = 8 * 1024 * 1024
STATISTICS_INTERVAL_MS = 1_000
UNREACHABLE_AFTER_S = 10.0
COMMIT_TIMEOUT_S = 3.0
COMMIT_RETRY_S = 0.1
CLOSE_TIMEOUT_S = 5.0
LAG_UNKNOWN_S_MAX = 10.0
ANEW_S = 600.0
"""For so long after a topic was created again, a partition that is new to us is read from its beginning. The
group's offset may be wrong: a member that has not noticed yet goes on at its place in the old topic, and
commits. Long enough for every member to notice; short enough that little is read twice."""
COMMIT_STEP_S = 0.002
"""librdkafka's poll does not return for the answer to a commit, so we wait in steps."""

_MEMBERSHIP_MOVED = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._ASSIGNMENT_LOST,
)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class KafkaConsumer:
    """`Consumer` on Kafka, by the classic group protocol or KIP-848's (`consumer`, Kafka 4.0 or later).

    The partitions of a killed member move after SESSION_TIMEOUT_MS in the classic protocol; in the other one
    the broker decides (45 s unless configured). In the classic one a member with an `instance`, unique among
    living members, gets its partitions back as soon as it returns, after a restart of its own or of the
    broker; in return they wait for it as long when it was closed. `poll` raises BusUnavailable when no broker
    has answered for `unreachable_after_s`; shorter interruptions are left to librdkafka.

    While it polls, it compares what the topic has with what the group reads. `state` names partitions that
    nobody reads, and the consumer joins again as a new member: a static member that comes back is given what
    it had, whatever the topic has by now (KAFKA-13435). A topic with another id was created again, and is
    read from its beginning.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        *,
        protocol: Literal["classic", "consumer"] = "classic",
        instance: str | None = None,
        unreachable_after_s: float = UNREACHABLE_AFTER_S,
        settings: Settings | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._group = group
        self._protocol = protocol
        self._instance = instance
        self._rejoined = 0
        self._unreachable_after_s = unreachable_after_s
        self._settings = self._consumer_settings(settings)
        self._delivered: dict[int, range] = {}
        """By partition that we own: the offsets returned by `poll` since the partition was assigned to us."""
        self._due: dict[int, int] = {}
        """By partition that we own: the next offset to commit, until the commit is confirmed."""
        self._lost: set[int] = set()
        """Partitions taken from us during the latest fetch."""
        self._commits_open = 0
        self._commit_error: KafkaError | None = None
        self._ahead: list[KafkaMessage] = []
        """Taken from librdkafka's queue and not returned by `poll` yet."""
        self._lags: dict[int, int] | None = None
        self._problem: BusMisconfigured | BusUnavailable | None = None
        self._error: str | None = None
        self._broken = False
        self._polled_at_s: float | None = None
        self._unreachable_since_s: float | None = time.monotonic()
        self._lag_known_at_s = 0.0
        self._closing: threading.Thread | None = None
        self._anew_until_s = 0.0
        self._begun_anew: set[int] = set()
        """Partitions that were read from their beginning since the topic was created again."""
        self._consumer = self._new_consumer()
        self._watch = GroupWatch(bootstrap, topic, group, classic=protocol == "classic", settings=settings)

    def _consumer_settings(self, settings: Settings | None) -> dict[str, Any]:
        classic: Mapping[str, Any] = {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_TIMEOUT_MS,
            "heartbeat.interval.ms": HEARTBEAT_INTERVAL_MS,
        }
        return {
            **client_settings(self._bootstrap, settings),
            "group.id": self._group,
            "group.protocol": self._protocol,
            **(classic if self._protocol == "classic" else {}),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": PREFETCH_KIB_MAX,
            "fetch.max.bytes": FETCH_BYTES_MAX,
            "fetch.queue.backoff.ms": 50,
            "statistics.interval.ms": STATISTICS_INTERVAL_MS,
            "on_commit": self._on_commit,
            "stats_cb": self._on_statistics,
            "error_cb": self._on_error,
        }

    def _new_consumer(self) -> Consumer:
        settings = dict(self._settings)
        if self._instance and self._protocol == "classic":
            settings["group.instance.id"] = f"{self._instance}{f'.{self._rejoined}' * bool(self._rejoined)}"
        try:
            consumer = Consumer(settings)
        except KafkaException as error:
            raise BusMisconfigured(f"Kafka consumer settings: {error.args[0].str()}") from error
        consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        return consumer

    # librdkafka calls these, always within poll, commit or close. They must not raise: the records that a
    # poll has fetched would be lost, and committed over.

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if time.monotonic() < self._anew_until_s:
            for each in partitions:
                if each.partition not in self._begun_anew:
                    each.offset = OFFSET_BEGINNING
                    self._begun_anew.add(each.partition)
            consumer.incremental_assign(partitions)
        self._delivered.update({each.partition: range(0) for each in partitions})
        metrics.PARTITIONS_MOVED.labels("assigned").inc(len(partitions))
        self._forget_lag()

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._due:
            self._send_commit()
        self._on_lost(consumer, partitions, "revoked")

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition], change: str = "lost") -> None:
        metrics.PARTITIONS_MOVED.labels(change).inc(len(partitions))
        for each in partitions:
            self._delivered.pop(each.partition, None)
            self._due.pop(each.partition, None)
            self._lost.add(each.partition)
        # Returned after the partition came back, these would leave a gap that a commit then covers.
        self._ahead = [message for message in self._ahead if message.partition() in self._delivered]
        self._forget_lag()

    def _forget_lag(self) -> None:
        self._lags = None
        self._lag_known_at_s = time.monotonic()

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        self._commits_open -= 1
        self._commit_error = error
        for each in partitions:
            if error is None and each.error is None:
                if self._due.get(each.partition, each.offset) <= each.offset:
                    self._due.pop(each.partition, None)
            elif error is None:
                self._commit_error = each.error

    def _on_statistics(self, text: str) -> None:
        statistics: dict[str, Any] = json.loads(text)
        if any(broker["state"] == "UP" for broker in statistics["brokers"].values()):
            self._unreachable_since_s = None
            self._error = None if self._problem is None else str(self._problem)
        elif self._unreachable_since_s is None:
            self._unreachable_since_s = time.monotonic()
        partitions = statistics["topics"].get(self._topic, {"partitions": {}})["partitions"]
        lags = {partition: _lag(partitions.get(str(partition))) for partition in self._delivered}
        known = {partition: lag for partition, lag in lags.items() if lag is not None}
        self._lags = known if known and len(known) == len(lags) else None
        if self._lags is not None:
            self._lag_known_at_s = time.monotonic()

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN and self._error is not None:
            return  # the error before it says why
        self._error = explained(error)
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            text = f"topic {self._topic} does not exist on {self._bootstrap}"
            self._problem = BusUnavailable(text)
        elif error.code() in NOT_ALLOWED:
            text = f"{self._error}: allow group {self._group} to read {self._topic} on {self._bootstrap}"
            self._problem = BusUnavailable(text)
        elif error.fatal() and error.code() == KafkaError.UNSUPPORTED_VERSION:
            text = f"{self._error}: {self._bootstrap} does not speak KIP-848, use the classic group protocol"
            self._problem = BusMisconfigured(text)
        self._broken = self._broken or error.fatal() or error.code() == KafkaError._FATAL

    # The port

    def poll(self, records_max: int, timeout_s: float) -> list[Record]:
        self._polled_at_s = time.monotonic()
        if not self._broken:
            self._compare()
        if self._broken:
            self._replace_consumer(timeout_s)
        if self._due and not self._commits_open:
            self._send_commit()
        if not self._ahead:
            self._fetch(records_max, timeout_s)
        messages, self._ahead = self._ahead[:records_max], self._ahead[records_max:]
        records = self._records(messages)
        if not records:
            self._raise_if_unreadable()
        return records

    def _compare(self) -> None:
        """Compare what the group reads with the topic. A difference is remedied with a new client."""
        mend = self._watch.check(self._consumer.memberid, self._delivered)
        if mend is None:
            return
        if mend is Mend.READ_ANEW:
            self._anew_until_s = time.monotonic() + ANEW_S
            self._begun_anew.clear()
        else:
            self._rejoined += 1
        self._error = mend.value
        self._broken = True

    def _fetch(self, records_max: int, timeout_s: float) -> None:
        try:
            # `consume` alone would wait for a full batch or its whole time-out.
            if (first := self._consumer.poll(timeout_s)) is None:
                return
            self._ahead = [first]
            self._lost.clear()
            rest = self._consumer.consume(records_max - 1, 0) if records_max > 1 else []
            self._ahead += rest
        except KafkaException as error:
            # Records may have been taken off the queue: only a new consumer gets them again.
            self._broken = True
            self._ahead = []
            raise BusUnavailable(f"Kafka: {error.args[0].str()}") from error
        if self._lost & self._delivered.keys():
            # Partitions were lost and assigned again in one call: a record may be from before or after.
            self._error = "partitions went and came back while reading"
            self._broken = True
            self._ahead = []

    def _records(self, messages: list[KafkaMessage]) -> list[Record]:
        records: list[Record] = []
        for message in messages:
            error = message.error()
            if error is not None:
                _logger.warning("kafka.consumer_error", code=error.name(), reason=error.str())
                self._on_error(error)
                continue
            partition, offset = message.partition() or 0, message.offset() or 0
            # After a rebalance during the call, some records may be of revoked partitions: leave them out.
            if (delivered := self._delivered.get(partition)) is not None:
                self._delivered[partition] = range(delivered.start if delivered else offset, offset + 1)
                records.append(_record(message, partition, offset))
        if records:
            self._problem = None
        return records

    def _raise_if_unreadable(self) -> None:
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem
        if self._broken:
            raise BusUnavailable(f"Kafka consumer failed, a new one follows: {self._error}")
        since_s = self._unreachable_since_s
        if since_s is not None and time.monotonic() - since_s > self._unreachable_after_s:
            raise BusUnavailable(
                f"no broker of {self._bootstrap} answers ({self._error or 'no error reported'})"
            )

    def commit(self, records: Sequence[Record]) -> None:
        """As the port says. While the group rebalances, the commit may be made by a later poll instead."""
        for record in records:
            # When a partition was lost and came back, it starts anew: records returned before do not count.
            if record.offset in self._delivered.get(record.partition, range(0)):
                self._due[record.partition] = max(self._due.get(record.partition, 0), record.offset + 1)
        deadline_s = time.monotonic() + COMMIT_TIMEOUT_S
        while self._due:
            error = self._send_commit() or self._await_commit(deadline_s)
            if error is None:
                return
            _logger.warning("kafka.commit_failed", code=error.name(), reason=error.str())
            if error.code() in NOT_ALLOWED:
                text = f"{error.str()}: allow group {self._group} to commit on {self._bootstrap}"
                raise BusUnavailable(text)
            if self._broken or time.monotonic() >= deadline_s:
                if error.code() in _MEMBERSHIP_MOVED:
                    return
                raise BusUnavailable(f"commit: {error.str()}")
            time.sleep(COMMIT_RETRY_S)

    def _send_commit(self) -> KafkaError | None:
        """Commit what is due. What fails stays due until it succeeds or the partition is taken away."""
        due = [TopicPartition(self._topic, partition, offset) for partition, offset in self._due.items()]
        try:
            self._consumer.commit(offsets=due, asynchronous=True)
        except KafkaException as error:
            return error.args[0]
        self._commits_open += 1
        return None

    def _await_commit(self, deadline_s: float) -> KafkaError | None:
        """None if nothing is due any more. A synchronous commit would wait for a silent broker for ever."""
        while self._due and self._commits_open:
            if self._broken or time.monotonic() >= deadline_s:
                return KafkaError(KafkaError._TIMED_OUT, f"no answer in {COMMIT_TIMEOUT_S:g} s")
            try:
                message = self._consumer.poll(COMMIT_STEP_S)
            except KafkaException as error:
                self._broken = True
                return error.args[0]
            if message is not None:
                self._ahead.append(message)
        return self._commit_error if self._due else None

    def state(self) -> ConsumerState:
        polled_at_s = self._polled_at_s
        return ConsumerState(
            group=self._group,
            assignment=tuple(sorted(self._delivered)),
            lags=self._lags,
            last_poll_age_s=None if polled_at_s is None else time.monotonic() - polled_at_s,
            error=self._error,
            trouble=self._trouble(),
        )

    def _trouble(self) -> str | None:
        unknown_s = time.monotonic() - self._lag_known_at_s
        if self._lags is None and self._delivered and unknown_s > LAG_UNKNOWN_S_MAX:
            return f"the broker has not told for {unknown_s:.0f} s how much of {self._topic} waits for us"
        return self._watch.trouble(self._delivered)

    def _replace_consumer(self, timeout_s: float) -> None:
        _logger.warning("kafka.consumer_replaced", reason=self._error)
        if not self._closed_within(timeout_s):
            raise BusUnavailable("the failed Kafka consumer is still closing")
        self._closing = None
        self._broken = False
        self._consumer = self._new_consumer()
        self._watch.joining()

    def close(self) -> None:
        """As the port says. A broker silent for CLOSE_TIMEOUT_S notices it by the session's time-out."""
        self._watch.close()
        if not self._closed_within(CLOSE_TIMEOUT_S):
            _logger.warning("kafka.close_unanswered", group=self._group)

    def _closed_within(self, timeout_s: float) -> bool:
        # librdkafka waits for a silent broker for ever; a daemon thread lets the process end all the same.
        if self._closing is None:
            self._closing = threading.Thread(target=self._consumer.close, name="kafka-close", daemon=True)
            self._closing.start()
        self._closing.join(timeout_s)
        if self._closing.is_alive():
            return False
        self._delivered.clear()
        self._due.clear()
        self._ahead.clear()
        self._commits_open = 0
        return True


def _lag(partition: Mapping[str, Any] | None) -> int | None:
    """The number of uncommitted messages, by a partition's entry in the statistics; None if unknown."""
    if partition is None or partition["ls_offset"] < 0:
        return None
    committed: int = partition["committed_offset"]
    return max(0, partition["ls_offset"] - (committed if committed >= 0 else max(0, partition["lo_offset"])))


def _record(message: KafkaMessage, partition: int, offset: int) -> Record:
    # The library's types allow text here, but only bytes or None come out of it.
    headers = tuple((name, cast("bytes | None", value) or b"") for name, value in message.headers() or ())
    timestamp_ms = message.timestamp()[1]
    return Record(
        message.topic() or "", partition, offset, message.key(), message.value(), headers, timestamp_ms
    )
