"""What all clients of a cluster share: the cluster's address, its settings and the log of the client
library."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaError

Settings = Mapping[str, str | int | float | bool]
"""librdkafka's settings by name, for what a cluster requires (TLS, SASL)."""

WARNING_INTERVAL_S = 10.0
METADATA_INTERVAL_MS = 3_000

NOT_ALLOWED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
)

_ABOUT_TLS = ("SSL routines", "SSL listener", "SSL handshake")
"""Words of errors that the client library reports as those of a broken connection."""

_AUTHENTICATION = (KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._AUTHENTICATION)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _ClientLog(logging.Handler):
    """Logs librdkafka's own lines. An absent broker causes 20 a second, so only one per WARNING_INTERVAL_S is
    logged as a warning."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until_s = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        loud = record.levelno >= logging.WARNING and time.monotonic() >= self._quiet_until_s
        if loud:
            self._quiet_until_s = time.monotonic() + WARNING_INTERVAL_S
        _logger.log(logging.WARNING if loud else logging.DEBUG, "kafka.client", line=record.getMessage())


def explained(error: KafkaError) -> str:
    """The error in words; if it is about TLS or SASL, with the settings to look at."""
    text = f"{error.name()}: {error.str()}"
    if error.code() in _AUTHENTICATION:
        return f"{text} (look at ORDERFLOW_KAFKA_USERNAME, …_PASSWORD and …_MECHANISM)"
    if error.code() == KafkaError._SSL or any(words in text for words in _ABOUT_TLS):
        return f"{text} (look at ORDERFLOW_KAFKA_SECURITY, …_CA, …_CERT and at the broker's host name)"
    return text


def client_settings(bootstrap: str, settings: Settings | None) -> dict[str, Any]:
    """The settings with which every client of the cluster is made."""
    log = logging.Logger("librdkafka")
    log.addHandler(_ClientLog())
    return {
        "client.id": "orderflow",
        "socket.timeout.ms": 10_000,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1_000,
        "logger": log,
        # So a topic or a partition that is created later is found soon.
        "topic.metadata.refresh.interval.ms": METADATA_INTERVAL_MS,
        # Only `ensure_topics` creates topics: a broker that creates them by itself gives them one partition.
        "allow.auto.create.topics": False,
        **(settings or {}),
        "bootstrap.servers": bootstrap,
    }
