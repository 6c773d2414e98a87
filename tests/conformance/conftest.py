"""The event logs under test: the embedded one always, Kafka where ORDERFLOW_TEST_KAFKA_URL names a broker."""

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from tests.conftest import missing

from orderflow.messaging import (
    Consumer,
    Message,
    Position,
    Publisher,
    PublishFailed,
    Record,
    message_bytes_max,
)
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.messaging.kafka import KafkaConsumer, KafkaPublisher, bootstrap_servers, ensure_topics

WAIT_S_MAX = 60.0


class OpenLog(Protocol):
    """An event log with a topic of its own. `restart` closes every client, and the log where it is ours."""

    topic: str
    name: str
    address: str

    def publisher(self, topic: str | None = None) -> Publisher: ...
    def consumer(self, group: str = "readers", topic: str | None = None) -> Consumer: ...
    def restart(self) -> None: ...


class OpenEmbeddedLog:
    name = "embedded"

    def __init__(self, path: Path) -> None:
        self.topic = "order-events"
        self.address = str(path)
        self._path = path
        self._log = EmbeddedLog(path)
        self._consumers: list[Consumer] = []

    def publisher(self, topic: str | None = None) -> Publisher:
        return self._log.publisher()

    def consumer(self, group: str = "readers", topic: str | None = None) -> Consumer:
        self._consumers.append(self._log.consumer(topic or self.topic, group))
        return self._consumers[-1]

    def close(self) -> None:
        while self._consumers:
            self._consumers.pop().close()
        self._log.close()

    def restart(self) -> None:
        self.close()
        self._log = EmbeddedLog(self._path)


class OpenKafka:
    name = "kafka"

    def __init__(self, bootstrap: str) -> None:
        self.topic = f"test-{uuid.uuid4()}"
        self.address = bootstrap
        self._topics = [self.topic, f"{self.topic}.dead-letter"]
        self._clients: list[Publisher | Consumer] = []
        # The library leaves the type of its futures open.
        self._admin: Any = AdminClient({"bootstrap.servers": bootstrap})
        ensure_topics(bootstrap, *self._topics)

    def publisher(self, topic: str | None = None) -> Publisher:
        publisher = KafkaPublisher(self.address, message_bytes_max=message_bytes_max(topic or self.topic))
        self._clients.append(publisher)
        return publisher

    def consumer(self, group: str = "readers", topic: str | None = None) -> KafkaConsumer:
        # Groups outlive a test: each has the topic's unique name in its own.
        consumer = KafkaConsumer(self.address, topic or self.topic, f"{group}-{self.topic}")
        self._clients.append(consumer)
        return consumer

    def configure(self, name: str, value: str) -> None:
        """Change a setting of the topic; returns when the broker shows it."""
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        wanted = ConfigResource(ConfigResource.Type.TOPIC, self.topic, incremental_configs=[entry])
        self._admin.incremental_alter_configs([wanted])[wanted].result()
        asked = ConfigResource(ConfigResource.Type.TOPIC, self.topic)
        deadline_s = time.monotonic() + WAIT_S_MAX
        while self._admin.describe_configs([asked])[asked].result()[name].value != value:
            assert time.monotonic() < deadline_s, f"{name} is not {value}"
            time.sleep(0.05)

    @contextmanager
    def denied(self, operation: Literal["WRITE", "ALL"]) -> Generator[None]:
        """Nobody may do this on the topic. Skips where the broker has no authorizer."""
        on_topic = (ResourceType.TOPIC, self.topic, ResourcePatternType.LITERAL)
        denied = self._permission(operation, AclPermissionType.DENY)
        # Once a topic has any ACL, every operation on it needs an explicit permission.
        others = ("READ", "DESCRIBE", "DELETE") if operation == "WRITE" else ()
        kept = [self._permission(other, AclPermissionType.ALLOW) for other in others]
        try:
            for future in self._admin.create_acls([denied, *kept]).values():
                future.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.SECURITY_DISABLED:
                missing("kafka", "the broker has no authorizer; start that of `make services` anew")
            raise
        try:
            yield
        finally:
            every = AclBindingFilter(
                *on_topic, "User:ANONYMOUS", "*", AclOperation.ANY, AclPermissionType.ANY
            )
            for future in self._admin.delete_acls([every]).values():
                future.result()

    def _permission(self, operation: str, permission: AclPermissionType) -> AclBinding:
        return AclBinding(
            *(ResourceType.TOPIC, self.topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*"),
            *(AclOperation[operation], permission),
        )

    def restart(self) -> None:
        while self._clients:
            self._clients.pop().close()

    def close(self) -> None:
        self.restart()
        for future in self._admin.delete_topics(self._topics).values():
            future.result()


@pytest.fixture
def kafka_bootstrap(kafka_url: str) -> str:
    return bootstrap_servers(kafka_url)


@pytest.fixture
def kafka(kafka_bootstrap: str) -> Iterator[OpenKafka]:
    log = OpenKafka(kafka_bootstrap)
    yield log
    log.close()


@pytest.fixture(params=["embedded", "kafka"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenLog]:
    if request.param == "kafka":
        yield request.getfixturevalue("kafka")
        return
    embedded = OpenEmbeddedLog(tmp_path / "log.db")
    yield embedded
    embedded.close()


Read = Callable[..., list[Record]]


@pytest.fixture
def read() -> Read:
    """Poll until that many records came, or fail."""

    def read_records(consumer: Consumer, count: int, *, records_max: int = 1_000) -> list[Record]:
        records: list[Record] = []
        deadline_s = time.monotonic() + WAIT_S_MAX
        while len(records) < count:
            assert time.monotonic() < deadline_s, f"{len(records)} of {count} records"
            records += consumer.poll(records_max, 0.5)
        return records

    return read_records


Publish = Callable[[Publisher, Sequence[Message]], list[Position]]


@pytest.fixture
def publish() -> Publish:
    """Publish what must be taken."""

    def publish_all(publisher: Publisher, messages: Sequence[Message]) -> list[Position]:
        outcomes = publisher.publish(messages)
        failures = [outcome for outcome in outcomes if isinstance(outcome, PublishFailed)]
        assert not failures
        return [outcome for outcome in outcomes if isinstance(outcome, Position)]

    return publish_all


Eventually = Callable[[Callable[[], object]], None]


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a condition holds, or fail. The condition itself must take a moment, as a poll does."""

    def wait(condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + WAIT_S_MAX
        while not condition():
            assert time.monotonic() < deadline_s, "the condition never came true"

    return wait
