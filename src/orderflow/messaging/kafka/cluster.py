"""What comes before publishing and reading: the cluster's address, its topics, the client's own log."""

import logging
import re
import time
from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from orderflow.messaging import (
    DEAD_LETTER_SUFFIX,
    PARTITIONS,
    BusMisconfigured,
    BusUnavailable,
    message_bytes_max,
)

Settings = Mapping[str, str | int | float | bool]
"""librdkafka's settings by name, for what a cluster asks for (TLS, SASL)."""

CLUSTER_TIMEOUT_S = 15.0
WARNING_INTERVAL_S = 10.0

NOT_ALLOWED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
)

_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def bootstrap_servers(url: str) -> str:
    """`host:port[,host:port]` of `kafka://host:port[,host:port]`. Raises ValueError for anything else."""
    scheme, separator, addresses = url.partition("://")
    parts = addresses.removesuffix("/").split(",")
    matches = [_ADDRESS.fullmatch(part) for part in parts]
    if scheme != "kafka" or not separator:
        raise ValueError("a Kafka URL starts with kafka://, as in kafka://host:9092,other:9092")
    if not all(match is not None and 0 < int(match["port"]) < 65536 for match in matches):
        # The URL is not repeated: somebody may have put a password into it.
        raise ValueError(
            "a Kafka URL lists host:port, separated by commas, as in kafka://host:9092,other:9092"
        )
    return ",".join(parts)


class _ClientLog(logging.Handler):
    """librdkafka's own lines. An absent broker makes 20 a second: one per WARNING_INTERVAL_S is a warning."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until_s = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        loud = record.levelno >= logging.WARNING and time.monotonic() >= self._quiet_until_s
        if loud:
            self._quiet_until_s = time.monotonic() + WARNING_INTERVAL_S
        _logger.log(logging.WARNING if loud else logging.DEBUG, "kafka.client", line=record.getMessage())


def client_settings(bootstrap: str, settings: Settings | None) -> dict[str, Any]:
    """What every client of the cluster is made with."""
    log = logging.Logger("librdkafka")
    log.addHandler(_ClientLog())
    return {
        "client.id": "orderflow",
        "socket.timeout.ms": 10_000,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1_000,
        "logger": log,
        **(settings or {}),
        "bootstrap.servers": bootstrap,
    }


def ensure_topics(
    bootstrap: str,
    *topics: str,
    partitions: int = PARTITIONS,
    replication_factor: int = -1,
    timeout_s: float = CLUSTER_TIMEOUT_S,
    settings: Settings | None = None,
) -> None:
    """Create the topics that are missing, and return when the cluster shows all of them.

    A new one gets `partitions` partitions and its size limit; -1 replicas are the cluster's default. One that
    exists is left as it is. Raises BusMisconfigured if it has fewer than `partitions` (dead letters may have
    any number) or if we are not allowed to create it, BusUnavailable if the cluster does not answer in time.
    """
    admin = AdminClient(client_settings(bootstrap, settings))
    deadline_s = time.monotonic() + timeout_s
    found = _partitions_found(admin, bootstrap, timeout_s)
    for topic in topics:
        if topic not in found:
            config = {"max.message.bytes": str(message_bytes_max(topic))}
            new = NewTopic(topic, partitions, replication_factor, config=config)
            _create(admin, bootstrap, new, timeout_s)
    while any(topic not in found for topic in topics):
        if time.monotonic() >= deadline_s:
            missing = ", ".join(topic for topic in topics if topic not in found)
            raise BusUnavailable(f"{bootstrap} does not show the new topics yet: {missing}")
        admin.poll(0.1)
        found = _partitions_found(admin, bootstrap, timeout_s)
    for topic in topics:
        needed = 1 if topic.endswith(DEAD_LETTER_SUFFIX) else partitions
        if found[topic] < needed:
            text = f"topic {topic} has {found[topic]} partitions, {needed} are needed"
            raise BusMisconfigured(
                f"{text}: raise its number while no order is under way, or name another topic"
            )


def _partitions_found(admin: AdminClient, bootstrap: str, timeout_s: float) -> dict[str, int]:
    try:
        # Asking for one topic by name would create it on a cluster that creates topics by itself.
        metadata = admin.list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise BusUnavailable(f"no broker of {bootstrap} answered in {timeout_s:g} s") from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.partitions}


def _create(admin: Any, bootstrap: str, new: NewTopic, timeout_s: float) -> None:
    # `admin` is an AdminClient; the library leaves the type of its futures open.
    topic: str = new.topic
    try:
        futures = admin.create_topics([new], operation_timeout=timeout_s, request_timeout=timeout_s)
        futures[topic].result(timeout_s + 1)
        _logger.info("kafka.topic_created", topic=topic, partitions=new.num_partitions)
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return
        text = (
            f"topic {topic} is missing on {bootstrap} and cannot be created ({reason.name()}: {reason.str()})"
        )
        if reason.retriable() or reason.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT):
            raise BusUnavailable(text) from error
        settings = f"{new.num_partitions} partitions and max.message.bytes={message_bytes_max(topic)}"
        raise BusMisconfigured(f"{text}: create it with {settings}, or allow us to") from error
