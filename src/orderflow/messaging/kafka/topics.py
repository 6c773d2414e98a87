"""Creates the topics before they are needed, enlarges those that are too small, and looks after all of them
as long as we run."""

import time
from concurrent.futures import Future
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigSource
from confluent_kafka.admin._config import ConfigResource as Resource
from confluent_kafka.cimpl import NewPartitions, NewTopic

from orderflow.messaging import (
    DEAD_LETTER_SUFFIX,
    PARTITIONS,
    BusMisconfigured,
    BusUnavailable,
    message_bytes_max,
)
from orderflow.messaging.kafka.cluster import Settings, client_settings, explained
from orderflow.runtime.health import Health
from orderflow.runtime.loop import ThreadLoop

CLUSTER_TIMEOUT_S = 15.0
KEEPER_TIMEOUT_S = 5.0
SHOWN_PAUSE_S = 0.1
TOPICS = "topics"
"""The part that health names as degraded while something is wrong with the topics."""
LOOK_PAUSE_S = 5.0
RETRY_PAUSE_S = 2.0
"""The pauses between looks at the topics: while all is well, and while something is wrong."""

_SIZE_LIMIT = "max.message.bytes"
_AUTO_CREATE = "auto.create.topics.enable"
_UNREACHABLE = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._TIMED_OUT_QUEUE)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def ensure_topics(
    bootstrap: str,
    *topics: str,
    partitions: int = PARTITIONS,
    replication_factor: int = -1,
    timeout_s: float = CLUSTER_TIMEOUT_S,
    settings: Settings | None = None,
) -> list[str]:
    """Create the topics that are missing and enlarge those that are too small. Returns what a person must
    remedy.

    A new topic gets `partitions` partitions and its size limit; with -1 the cluster decides how many
    replicas. A topic with fewer partitions is enlarged, but a dead-letter topic may have any number; one with
    more stays as it is. Returns when the cluster shows all of them. Raises BusUnavailable if it does not
    answer in time.
    """
    return _Cluster(bootstrap, settings, partitions, replication_factor, timeout_s).ensure(topics)


def partitions_of(
    bootstrap: str, topic: str, *, timeout_s: float, settings: Settings | None = None
) -> int | None:
    """How many partitions the topic has; None if it does not exist. Raises BusUnavailable, and
    BusMisconfigured for settings that no client can be made with."""
    found = _Cluster(bootstrap, settings, timeout_s=timeout_s).find(topic)
    return None if found is None else len(found.partitions)


def makes_topics_by_itself(bootstrap: str, *, timeout_s: float, settings: Settings | None = None) -> bool:
    """Whether a broker makes the topics that somebody asks for, with its own number of partitions. False also
    if it does not tell us. Raises BusUnavailable."""
    return _Cluster(bootstrap, settings, timeout_s=timeout_s).makes_topics_by_itself()


def too_small(topic: str, found: int, partitions: int = PARTITIONS) -> str:
    """The text for a person about a topic that has fewer partitions than our topics have."""
    return (
        f"topic {topic} has {found} partitions, fewer than {partitions}: it is used as it is, by at most "
        f"{found} workers. Allow us to alter it, or grow it: "
        f"kafka-topics.sh --alter --topic {topic} --partitions {partitions}"
    )


class TopicKeeper:
    """Ensures the topics again and again, so that one that is deleted or lost comes back. Nothing waits for
    it. It reports what is wrong with them to health, as the part `topics`."""

    def __init__(
        self, bootstrap: str, *topics: str, health: Health, settings: Settings | None = None
    ) -> None:
        self._cluster = _Cluster(bootstrap, settings, timeout_s=KEEPER_TIMEOUT_S)
        self._topics = topics
        self._health = health
        self._pause_s = 0.0
        self._loop = ThreadLoop(
            "topic-keeper",
            self.run_once,
            health=health,
            pause_s=lambda: self._pause_s,
            on_failure="try again",
        )

    def start(self) -> None:
        self._loop.start()

    def close(self) -> None:
        """Ask the thread to end, without waiting for it: it may hang on a silent broker, and holds
        nothing."""
        self._loop.stop()

    def run_once(self) -> None:
        self._pause_s = RETRY_PAUSE_S
        try:
            complaints = "; ".join(self._cluster.ensure(self._topics))
        except BusUnavailable as error:
            complaints = str(error)
        if complaints:
            self._health.trouble(TOPICS, complaints)
        else:
            self._health.recovered(TOPICS)
            self._pause_s = LOOK_PAUSE_S


class _Cluster:
    """Asks a cluster about topics, and changes them."""

    def __init__(
        self,
        bootstrap: str,
        settings: Settings | None,
        partitions: int = PARTITIONS,
        replication_factor: int = -1,
        timeout_s: float = CLUSTER_TIMEOUT_S,
    ) -> None:
        """Raises BusMisconfigured for settings that no client can be made with."""
        self._error: str | None = None
        """What the client library reported last."""
        client: dict[str, Any] = {**client_settings(bootstrap, settings), "error_cb": self._on_error}
        try:
            # The library leaves the types of its futures open.
            self._admin: Any = AdminClient(client)
        except KafkaException as error:
            raise BusMisconfigured(f"Kafka client settings: {error.args[0].str()}") from error
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._replication_factor = replication_factor
        self._timeout_s = timeout_s
        self._limits_seen: set[str] = set()
        """The ids of the topics whose size limit needs no change."""

    def ensure(self, topics: tuple[str, ...]) -> list[str]:
        return [complaint for topic in topics if (complaint := self._ensure(topic))]

    def _ensure(self, topic: str) -> str | None:
        found = self.find(topic)
        if found is None:
            if complaint := self._create(topic):
                return complaint
            found = self._shown(topic, 1)
        count = len(found.partitions)
        complaint = None
        if count < self._partitions and not topic.endswith(DEAD_LETTER_SUFFIX):
            if complaint := self._grow(topic, count):
                return complaint
            found = self._shown(topic, self._partitions)
        return self._raise_limit(topic, str(found.topic_id))

    def find(self, topic: str) -> Any | None:
        """The topic's description; None if it does not exist. Raises BusUnavailable."""
        try:
            asked = self._admin.describe_topics(TopicCollection([topic]), **self._timeout)
            found = self._result(asked[topic])
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            if reason.code() in _UNREACHABLE:
                text = self._unanswered()
            else:
                text = f"topic {topic} cannot be looked at on {self._bootstrap}: {reason.str()}"
            raise BusUnavailable(text) from error
        return found if found.partitions else None

    def makes_topics_by_itself(self) -> bool:
        try:
            brokers: dict[int, Any] = self._admin.list_topics(timeout=self._timeout_s).brokers
            asked = self._admin.describe_configs(
                [Resource(Resource.Type.BROKER, str(broker)) for broker in brokers], **self._timeout
            )
            answers = [self._result(future) for future in asked.values()]
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.code() in _UNREACHABLE:
                raise BusUnavailable(self._unanswered()) from error
            return False  # we may not look
        return any(_AUTO_CREATE in answer and answer[_AUTO_CREATE].value == "true" for answer in answers)

    def _shown(self, topic: str, partitions: int) -> Any:
        """Wait until the cluster shows so many partitions; returns the description. Raises BusUnavailable."""
        deadline_s = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline_s:
            found = self.find(topic)
            if found is not None and len(found.partitions) >= partitions:
                return found
            self._admin.poll(SHOWN_PAUSE_S)
        raise BusUnavailable(f"{self._bootstrap} does not show topic {topic} as it was made")

    def _create(self, topic: str) -> str | None:
        limit = message_bytes_max(topic)
        new = NewTopic(topic, self._partitions, self._replication_factor, config={_SIZE_LIMIT: str(limit)})
        reason = self._refusal(self._admin.create_topics([new], **self._timeout)[topic])
        if reason is None:
            _logger.info("kafka.topic_created", topic=topic, partitions=self._partitions)
        if reason is None or reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return None
        return (
            f"topic {topic} is missing on {self._bootstrap} and cannot be created ({reason.name()}: "
            f"{reason.str()}): create it with {self._partitions} partitions and {_SIZE_LIMIT}={limit}, "
            "or allow us to"
        )

    def _grow(self, topic: str, found: int) -> str | None:
        new = NewPartitions(topic, self._partitions)
        reason = self._refusal(self._admin.create_partitions([new], **self._timeout)[topic])
        if reason is None:
            _logger.warning("kafka.topic_grown", topic=topic, had=found, partitions=self._partitions)
        if reason is None or reason.code() == KafkaError.INVALID_PARTITIONS:
            return None  # somebody else may have been faster
        return f"{too_small(topic, found, self._partitions)} ({reason.name()}: {reason.str()})"

    def _raise_limit(self, topic: str, topic_id: str) -> str | None:
        """Raise the size limit of a topic that has the broker's limit, such as one that the broker created by
        itself. A limit that somebody set on the topic stays as it is."""
        if topic_id in self._limits_seen:
            return None
        limit = message_bytes_max(topic)
        resource = Resource(Resource.Type.TOPIC, topic)
        try:
            asked = self._admin.describe_configs([resource], **self._timeout)
            entry = self._result(asked[resource])[_SIZE_LIMIT]
        except KafkaException:
            return None  # we may not look; a message that is too large will be refused, and reported then
        if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value or int(entry.value) >= limit:
            self._limits_seen.add(topic_id)
            return None
        wanted = ConfigEntry(_SIZE_LIMIT, str(limit), incremental_operation=AlterConfigOpType.SET)
        change = Resource(Resource.Type.TOPIC, topic, incremental_configs=[wanted])
        reason = self._refusal(self._admin.incremental_alter_configs([change], **self._timeout)[change])
        if reason is None:
            self._limits_seen.add(topic_id)
            _logger.warning("kafka.topic_limit_raised", topic=topic, had=int(entry.value), bytes=limit)
            return None
        return (
            f"topic {topic} takes messages of {entry.value} bytes at most, ours may have {limit} "
            f"({reason.name()}): set its {_SIZE_LIMIT}, or allow us to"
        )

    def _on_error(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # the error before it says why
            self._error = explained(error)

    def _unanswered(self) -> str:
        self._admin.poll(0)  # for errors that were not reported yet
        why, self._error = self._error, None
        return f"no broker of {self._bootstrap} answered in {self._timeout_s:g} s{f': {why}' if why else ''}"

    @property
    def _timeout(self) -> dict[str, float]:
        return {"request_timeout": self._timeout_s}

    def _result(self, future: Future[Any]) -> Any:
        """Raises KafkaException, BusUnavailable."""
        try:
            return future.result(self._timeout_s + 1)
        except TimeoutError:
            raise BusUnavailable(self._unanswered()) from None

    def _refusal(self, future: Future[Any]) -> KafkaError | None:
        """Why the cluster refused; None if it obeyed. Raises BusUnavailable if it may obey later."""
        try:
            self._result(future)
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.retriable() or reason.code() in _UNREACHABLE:
                raise BusUnavailable(f"{self._bootstrap}: {reason.name()}: {reason.str()}") from error
            return reason
        return None
