"""What every client of a cluster has: the cluster's address, its settings, its own log."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaError

Settings = Mapping[str, str | int | float | bool]
"""librdkafka's settings by name, for what a cluster asks for (TLS, SASL)."""

WARNING_INTERVAL_S = 10.0
METADATA_INTERVAL_MS = 3_000

NOT_ALLOWED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
)

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


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
        # A topic or a partition that is made later is found soon.
        "topic.metadata.refresh.interval.ms": METADATA_INTERVAL_MS,
        # Only `ensure_topics` makes topics: a broker that makes them by itself gives them one partition.
        "allow.auto.create.topics": False,
        **(settings or {}),
        "bootstrap.servers": bootstrap,
    }
